# SPDX-License-Identifier: Apache-2.0
"""Exported states in files and streams; what two states have different."""

import io

import pytest

import flatkv
from support import ADDRESS, make_store, open_store, rows_of


@pytest.fixture
def store(tmp_path):
    with make_store(tmp_path / "store", "mixed", last=60) as made:
        yield made


def test_round_trip(store, tmp_path):
    plain, compressed = tmp_path / "state", tmp_path / "state.zst"
    store.export(plain)
    with store.view() as view:
        view.export(compressed)
    assert compressed.stat().st_size < plain.stat().st_size
    for file in (plain, str(compressed)):
        for expect in (None, store.roots, store.roots.root, store.roots.root.hex()):
            summary = flatkv.check_state(file, expect=expect)
            assert (summary.version, summary.roots) == (60, store.roots)
        assert summary.rows == len(rows_of(store)) == sum(stats.rows for stats in summary.stats.values())
        imported = flatkv.import_state(file, tmp_path / "other", expect=store.roots, force=True)
        assert imported.roots == store.roots
        with open_store(tmp_path / "other") as other:
            assert other.version == 60 and rows_of(other) == rows_of(store)


def test_streams(store, tmp_path):
    store.export(tmp_path / "state")
    stream = io.BytesIO()
    store.export(stream)
    assert stream.getvalue() == (tmp_path / "state").read_bytes()
    stream.seek(0)
    assert flatkv.check_state(stream).roots == store.roots
    stream.seek(0)
    flatkv.import_state(stream, tmp_path / "other")
    assert flatkv.roots(tmp_path / "other") == (60, store.roots)


def test_a_stream_that_takes_little(store):
    taken = bytearray()

    class Slow:
        def write(self, data: bytes) -> int:
            taken.extend(data[:1000])
            return min(len(data), 1000)

    store.export(Slow())
    assert flatkv.check_state(io.BytesIO(taken)).roots == store.roots


def test_exceptions_of_streams(store, tmp_path):
    class Broken:
        def read(self, size: int) -> bytes:
            raise ZeroDivisionError

        write = read

    class Wrong:
        def read(self, size: int) -> int:
            return size

        def write(self, data: bytes) -> int:
            return 0

    for stream, raised in ((Broken(), ZeroDivisionError), (Wrong(), TypeError)):
        for call in (lambda: store.export(stream), lambda: flatkv.check_state(stream),
                     lambda: flatkv.import_state(stream, tmp_path / "other")):
            with pytest.raises(raised):
                call()
    assert not (tmp_path / "other").exists() or not list((tmp_path / "other").glob("gen-*"))


def test_refusals(store, tmp_path):
    file, other = tmp_path / "state", tmp_path / "other"
    store.export(file)
    with pytest.raises(flatkv.InvalidArgumentError):
        flatkv.import_state(file, tmp_path / "store2", expect=b"short")
    with pytest.raises(flatkv.CorruptionError):
        flatkv.check_state(file, expect=32 * b"\0")
    with pytest.raises(flatkv.NotFoundError):
        flatkv.check_state(tmp_path / "none")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    for call in (lambda: flatkv.check_state(file), lambda: flatkv.import_state(file, other)):
        with pytest.raises(flatkv.CorruptionError) as caught:
            call()
        assert caught.value.path == str(file) or caught.value.offset is not None
    with pytest.raises(flatkv.NotFoundError):
        open_store(other)
    # Over a store, only if told to.
    before = store.roots
    store.close()
    with pytest.raises(flatkv.InvalidArgumentError):
        flatkv.import_state(file, tmp_path / "store")
    assert flatkv.roots(tmp_path / "store") == (60, before)


def test_differences(store, tmp_path):
    with make_store(tmp_path / "other", "mixed", last=60) as other:
        assert list(flatkv.diff(store, other)) == []
        other.apply(flatkv.Block().set_balance(ADDRESS, 5))
        other.apply([("evm", [(b"\xffnew", b"b")])])
        other.commit()
        store.apply([("evm", [(b"\xffold", b"a"), (b"\xffnew", b"a")])])
        store.commit()
        found = list(flatkv.diff(store, other))
        assert [(row.database, row.key, row.a) for row in found] == [
            ("account", ADDRESS, None), ("legacy", b"\xffnew", b"a"), ("legacy", b"\xffold", b"a")]
        assert found[0].b[:32] == (5).to_bytes(32, "big") and (found[1].b, found[2].b) == (b"b", None)
        with store.view() as view:
            assert [row.key for row in flatkv.diff(other, view, database="legacy")] == [b"\xffnew", b"\xffold"]
    # Stores by their path, also one that is open.
    assert len(list(flatkv.diff(tmp_path / "store", str(tmp_path / "other")))) == 3
    assert not list(tmp_path.glob("*/readonly-*"))
    open_store(tmp_path / "other").close()


def test_many_differences(tmp_path):
    """More than are collected at a time, on one side only."""
    with open_store(tmp_path / "a", create=True) as a, open_store(tmp_path / "b", create=True) as b:
        for store in (a, b):
            store.apply([("evm", [(b"\xff" + i.to_bytes(4, "big"), b"same") for i in range(0, 9000, 3)])])
        b.apply([("evm", [(b"\xff" + i.to_bytes(4, "big"), b"new") for i in range(0, 9000)])])
        a.commit()
        b.commit()
        found = list(flatkv.diff(a, b))
        assert [row.key for row in found] == [key for key, _ in b.rows("legacy")]
        assert [row.a for row in found] == [b"same" if i % 3 == 0 else None for i in range(9000)]
