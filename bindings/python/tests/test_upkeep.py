# SPDX-License-Identifier: Apache-2.0
"""Hashes, the scrub, what an open did, repair, and functions of Python that the library calls."""

import gc
import pathlib
import sys
import threading
import time
import weakref

import numpy
import pytest

import flatkv
from support import ADDRESS, DATABASES, make_store, open_store, python, rows_of
from test_errors import refused
from test_lifetime import closed


def nonce(number: int) -> flatkv.Block:
    return flatkv.Block().set_nonce(ADDRESS, number)


def test_hashes_add_up(tmp_path):
    with make_store(tmp_path / "store", "mixed", last=50) as store, store.view() as view:
        hashes = {database: view.lt_hash(database) for database in DATABASES}
        for database, lt_hash in hashes.items():
            assert lt_hash.dtype == numpy.uint16 and lt_hash.shape == (1024,)
            assert flatkv.checksum(lt_hash) == getattr(store.roots, database)
            assert (store.lt_hash(database) == lt_hash).all()
        assert flatkv.checksum(sum(hashes.values())) == store.roots.root

        with store.overlay() as overlay, open_store(tmp_path / "alone", create=True) as alone:
            block = flatkv.Block().set_storage(ADDRESS, 123, 1)
            overlay.apply(block)
            alone.apply(block)
            row = overlay.lt_hash("storage") - hashes["storage"]
            assert (row == alone.lt_hash("storage")).all() and row.any()
        for state in (store, view):
            refused("invalid_argument", state.lt_hash, "metadata")
            refused("invalid_argument", state.lt_hash, "other")
        for wrong in (numpy.zeros(1023, numpy.uint16), numpy.zeros(1024, numpy.uint8), b"1024"):
            with pytest.raises(TypeError):
                flatkv.checksum(wrong)
    for state in (view, overlay):
        closed(state.lt_hash, "account")


def test_a_scrub_by_hand(tmp_path):
    with make_store(tmp_path / "store", "mixed", last=50, scrub="by_hand") as store:
        store.flush()
        rows = len(rows_of(store))
        status = store.scrub_status()
        assert (status.round, status.database, status.rows, status.findings) == (1, "account", 0, [])
        assert status.fraction == 0
        first = store.scrub(1)
        assert first.rows == 1 or first.database != "account"
        for _ in range(rows + 4):
            if (status := store.scrub(100)).round == 2:
                break
        assert status.round == 2 and status.findings == [] and status.failed_saves == 0
        refused("invalid_argument", store.scrub, 0)
    closed(store.scrub, 1)
    with open_store(tmp_path / "store") as store:
        assert store.scrub_status() is None
        refused("unsupported", store.scrub, 1)


def damage(store: pathlib.Path, database: str) -> None:
    """Of the live tables only, which snapshots may link."""
    tables = list(store.glob(f"gen-*/working/{database}/*.sst"))
    assert tables
    for table in tables:
        content = bytearray(table.read_bytes())
        content[10:18] = b"12345678"
        table.unlink()
        table.write_bytes(content)


def test_what_an_open_did(tmp_path):
    path = tmp_path / "store"
    with make_store(path, "mixed", last=50) as store:
        roots = store.roots
    damage(path, "storage")  # so that RocksDB cannot open it
    with open_store(path) as store:
        report = store.open_report()
        assert report.rebuilt_working_copy and not report.clean and report.replayed_blocks == 50
        assert store.roots == roots and store.verify().good


def test_repair(tmp_path):
    path, stream = tmp_path / "store", tmp_path / "stream"
    with make_store(path, "mixed", last=50) as store:
        report = store.open_report()
        assert report.clean and report.replayed_blocks == 0 and report.backfilled == []
        assert report.truncated_log is None and not report.lost_log_tail
        store.snapshot()
        store.export(stream)
        store.apply(nonce(7))
        roots = store.commit()
    both = ["storage", "code"]
    for one in flatkv.repair(path, both):
        assert one.damage is None and one.source == "none" and one.refusal is None
    for options, source in (({}, "snapshot"), ({"stream_file": stream}, "stream")):
        damage(path, "storage")
        steps = []
        storage, code = flatkv.repair(path, both, progress=lambda *step: steps.append(step), **options)
        assert code.database == "code" and code.damage is None
        assert (storage.database, storage.source, storage.version) == ("storage", source, 51)
        assert isinstance(storage.damage, flatkv.CorruptionError) and storage.source_version in (50, 51)
        assert storage.checksum == roots.storage and steps
        with open_store(path) as store:
            assert store.roots == roots and store.verify().good
    damage(path, "metadata")
    (metadata,) = flatkv.repair(path, ["metadata"])
    assert metadata.source == "local_meta" and isinstance(metadata.damage, flatkv.CorruptionError)
    refused("invalid_argument", flatkv.repair, path, ["other"])
    refused("not_found", flatkv.repair, tmp_path / "none", both)
    with pytest.raises(TypeError):
        flatkv.repair(path, [1])
    with open_store(path):
        refused("locked", flatkv.repair, path, both)


def test_offline_rollback_and_remedies(tmp_path):
    path = tmp_path / "store"
    make_store(path, "mixed", last=20).close()
    flatkv.rollback(path, 15)
    assert flatkv.roots(path)[0] == 15
    refused("version_mismatch", flatkv.rollback, path, 16)
    assert flatkv.remedies(path) == []
    next(path.glob("gen-*/MANIFEST.json")).write_text("damaged")
    refused("corruption", flatkv.open, path)
    assert all(isinstance(command, str) for command in flatkv.remedies(path))
    refused("not_found", flatkv.remedies, tmp_path / "none")


def test_options(tmp_path):
    """Each reaches its place: what is out of range is refused by name."""
    path = tmp_path / "store"
    numbers = {"group_blocks": 0, "scrub_rows_per_second": 0, "segment_bytes": 0, "reads_in_flight": 1025,
               "rollback_depth": 1 << 20, "threads": 5000, "block_cache_bytes": 1 << 60, "row_cache_bytes": 1 << 60}
    for name, number in numbers.items():
        more = {"durability": "group"} if name == "group_blocks" else {}
        more = {"scrub": "in_background"} if name.startswith("scrub") else more
        error = refused("invalid_argument", flatkv.open, path, create=True, **{name: number}, **more)
        assert name.replace("scrub_", "scrub.").replace("reads_", "reads.") in str(error)
    for name in ("snapshot_keep", "level0_limit", "scrub_pause_seconds", "recent_versions"):
        assert name in str(refused("invalid_argument", flatkv.open, path, create=True, **{name: 1 << 32}))
    for name, word in (("durability", "maybe"), ("scrub", "now"), ("account_rows", "all")):
        assert word in str(refused("invalid_argument", flatkv.open, path, create=True, **{name: word}))
    for options in ({"threads": -1}, {"threads": "1"}, {"strict": 1}, {"nothing": 1}, {"log": 1},
                    {"on_durable": "print"}, {"strict_modules": [1]}):
        with pytest.raises(TypeError):
            flatkv.open(path, create=True, **options)
    assert not path.exists()
    with open_store(path, create=True, strict=True, strict_legacy_keys=True, strict_modules=["bank"],
                    max_lag_blocks=5, max_lag_bytes=1 << 20, level0_limit=8, pending_compaction_bytes=1 << 30,
                    key_filter_bytes=0, max_view_bytes=1 << 20, snapshot_keep=1, threads=None) as store:
        store.apply([("bank", [(b"ignored", b"1")]), ("evm", [(b"legacy", b"2")])])
        assert store.get(b"legacy") == b"2" and store.metrics().key_filter_memory == 0
        refused("invalid_argument", store.apply, [("other", [])])


def test_messages_of_the_library(tmp_path):
    messages, views = [], []

    def log(level: str, message: str) -> None:
        messages.append((level, message, threading.get_ident()))

    with open_store(tmp_path / "store", create=True, log=log) as store:
        store.apply(nonce(1))
        store.commit()
        views.append(store.view())
    assert any(level == "info" and message.startswith("row cache") for level, message, _ in messages)
    held = weakref.ref(log)
    del log
    gc.collect()
    assert held() is not None, "the view may still be the last that logs"
    views.pop().close()
    del store
    gc.collect()
    assert held() is None


def test_messages_of_a_read_only_store(tmp_path):
    path = tmp_path / "store"
    with make_store(path, "mixed", last=5) as store:
        store.snapshot()
    next(path.glob("gen-*/working/storage/CURRENT")).unlink()
    messages = []
    with flatkv.open_read_only(path, log=lambda *message: messages.append(message)) as reader:
        assert reader.version == 5
    assert [level for level, text in messages if text.startswith("the working copy is rebuilt")] == ["warning"]


def test_durable_blocks_are_told(tmp_path):
    durable, seen = [], []

    def on_durable(version: int) -> None:
        durable.append(version)
        seen.append((store.version, store.durable_version, store.roots.root, store.metrics().undo_floor))
        with store.view() as view:
            seen.append(view.version)

    with open_store(tmp_path / "store", create=True, durability="group", group_blocks=2, on_durable=on_durable) as store:
        for number in range(1, 101):
            store.apply(nonce(number))
            store.commit()
        store.wait_durable(100)
        deadline = time.monotonic() + 60
        while durable[-1:] != [100] or len(seen) < 2 * len(durable):  # while it closes there is no view
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert durable == sorted(durable) and durable[-1] == 100 and len(seen) == 2 * len(durable)


def test_a_callback_that_raises(tmp_path, monkeypatch):
    raised = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: raised.append(what.exc_value))

    def fail(*_: object) -> None:
        raise RuntimeError("not the store's fault")

    with open_store(tmp_path / "store", create=True, durability="group", on_durable=fail, log=fail) as store:
        store.apply(nonce(1))
        store.commit()
        store.wait_durable(1)
        store.apply(nonce(2))
        assert store.commit() == store.roots
    assert raised and all(isinstance(error, RuntimeError) for error in raised)


def test_callbacks_end_with_the_interpreter(tmp_path):
    """Threads of the library go on for a while after Python does not."""
    child = python("import flatkv, sys\n"
                   "store = flatkv.open(sys.argv[1], create=True, row_cache_bytes=1 << 20, durability='group',\n"
                   "                    log=lambda *_: None, on_durable=lambda _: None, scrub='in_background')\n"
                   "for number in range(1, 200):\n"
                   "    store.apply(flatkv.Block().set_nonce('0x' + 40 * '1', number))\n"
                   "    store.commit()\n"
                   "keep = store, store.view()\n"
                   "sys.modules['kept'] = keep\n", tmp_path / "store")
    assert child.communicate(timeout=120) == ("", "") and child.returncode == 0
    assert flatkv.roots(tmp_path / "store")[0] == 199


def test_overlays_of_a_read_only_store(tmp_path):
    path = tmp_path / "store"
    make_store(path, "mixed", last=5).close()
    with flatkv.open_read_only(path) as reader, open_store(path) as store:
        with reader.overlay() as one, reader.overlay() as rival:
            one.apply(nonce(7))
            two = one.child()
            two.apply(nonce(8))
            assert (one.version, two.version) == (6, 7)
            assert [state.account(ADDRESS).nonce for state in (one, two)] == [7, 8]
            assert rival.account(ADDRESS) == reader.account(ADDRESS)
            reader.apply(nonce(7))
            assert one.working_roots() == reader.working_roots() != reader.roots
            with store.overlay() as same:
                same.apply(nonce(7))
                assert same.working_roots() == one.working_roots()
            refused("invalid_argument", store.commit_overlay, one)
            reader.close()
            assert two.account(ADDRESS).nonce == 8 and list(path.glob("readonly-*"))
            two.close()
    assert not list(path.glob("readonly-*"))
    closed(reader.overlay)
