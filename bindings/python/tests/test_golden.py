# SPDX-License-Identifier: Apache-2.0
"""Golden traces give their roots and their rows."""

import numpy
import pytest

import flatkv
from support import DATABASES, golden_roots, golden_rows, json_lines, make_store, open_store, rows_of, trace

TRACES = [("edge", "keep"), ("mixed", "keep"), ("accounts", "keep"), ("wide", "keep"), ("balances", "keep"),
          ("balances", "prune_empty"), ("metakeys", "keep"), ("mainnet", "keep"), ("mainnet", "prune_empty")]


@pytest.mark.parametrize(("name", "account_rows"), TRACES)
def test_roots_and_rows(tmp_path, name, account_rows):
    expected = name if account_rows == "keep" else f"{name}.prune_empty"
    roots = golden_roots(expected)
    with open_store(tmp_path / "store", create=True, account_rows=account_rows, durability="process") as store:
        for version, block in flatkv.read_blocks(trace(name)):
            store.apply(block)
            assert store.working_roots().hex() == roots[version - 1]
            assert store.commit(version).hex() == roots[version - 1]
        assert store.version == len(roots)
        assert store.verify().good
        rows = golden_rows(expected)
        if rows is not None:
            assert rows_of(store) == rows
            with store.view() as view:
                assert rows_of(view) == rows
    with flatkv.open_read_only(tmp_path / "store") as reader:
        assert reader.roots.hex() == roots[-1]
        if rows is not None:
            assert rows_of(reader) == rows


def test_a_block_in_several_calls(tmp_path):
    roots = golden_roots("edge")
    with open_store(tmp_path / "store", create=True) as store:
        for line in json_lines(trace("edge")):
            if line["version"] > store.version + 1:
                store.commit()
            store.apply([(change_set["name"], [(pair["key"], None if pair.get("delete") else pair.get("value", ""))
                                               for pair in change_set["pairs"]])
                         for change_set in line["changesets"]])
            assert store.version < line["version"]
        assert store.commit().hex() == roots[-1]


@pytest.mark.parametrize("name", ["edge", "mixed"])
def test_columns_are_the_rows(tmp_path, name):
    rows = golden_rows(name)
    with make_store(tmp_path / "store", name) as store:
        for database in DATABASES:
            keys, values = store.columns(database)
            assert len(keys) == len(values)
            assert [(database, key, value) for key, value in zip(keys, values)] == \
                [row for row in rows if row[0] == database]
            for column in (keys, values):
                assert column.data.dtype == numpy.uint8 and column.offsets.dtype == numpy.int64
                assert column.data.tobytes() == b"".join(column)
                assert numpy.diff(column.offsets).tolist() == [len(item) for item in column]
                assert not column.data.flags.writeable
        keys, values = store.columns("storage")
        assert keys.width == 52 and keys.matrix.shape == (len(keys), 52)
        assert keys.matrix.tobytes() == keys.data.tobytes()
        accounts, encoded = store.columns("account")
        balances = encoded.part(0, 32)
        nonces = encoded.part(32, 40)
        for address, balance, nonce in zip(accounts, balances, nonces):
            account = store.account(address)
            assert account.balance == int.from_bytes(balance.tobytes(), "big")
            assert account.nonce == int.from_bytes(nonce.tobytes(), "big")


def test_columns_of_several_widths(tmp_path):
    with open_store(tmp_path / "store", create=True) as store:
        store.apply([("evm", [(b"\xff1", b"a"), (b"\xff2", b""), (b"\xff33", b"bcd")])])
        store.commit()
        keys, values = store.columns("legacy")
        assert list(values) == [b"a", b"", b"bcd"] and values[-1] == b"bcd"
        assert values.width is None and values.offsets.tolist() == [0, 1, 1, 4]
        with pytest.raises(IndexError):
            values[3]
        for wrong in (lambda: values.matrix, lambda: values.part(0, 1), lambda: keys.part(2, 1)):
            with pytest.raises(flatkv.InvalidArgumentError):
                wrong()
        assert keys.part(1, 2).tobytes() == b"123"
        empty, _ = store.columns("legacy", prefix=b"none")
        assert len(empty) == 0 and empty.width is None and empty.matrix.shape == (0, 0)
    assert values.data.tobytes() == b"abcd", "columns own their memory"


def test_ranges(tmp_path):
    with make_store(tmp_path / "store", "mixed") as store:
        rows = list(store.rows("storage"))
        address = rows[len(rows) // 2][0][:20]
        low, high = rows[5][0], rows[-5][0]
        for state in (store, store.view()):
            assert list(state.rows("storage", prefix=address)) == [row for row in rows if row[0].startswith(address)]
            assert list(state.rows("storage", prefix=address.hex())) == list(state.rows("storage", prefix=address))
            assert list(state.rows("storage", start=low, end=high)) == rows[5:-5]
            keys, values = state.columns("storage", start=low, limit=7)
            assert list(zip(keys, values)) == rows[5:12]
            assert len(state.columns("storage", limit=0)[0]) == 0


def test_single_reads(tmp_path):
    with make_store(tmp_path / "store", "mainnet", last=3) as store:
        key, value = next(iter(store.rows("storage")))
        address, slot = key[:20], key[20:]
        with flatkv.open_read_only(tmp_path / "store", at=3) as reader, store.view() as view:
            for state in (store, view, reader):
                assert state.storage(address, slot) == value
                assert state.storage(address.hex(), int.from_bytes(slot, "big")) == value
                assert state.get(flatkv.storage_key(address, slot)) == value
                assert state.row("storage", key) == value
                assert state.get_many([flatkv.storage_key(address, slot), b"none"]) == [value, None]
                assert state.account(20 * b"\xfe") is None and state.code(20 * b"\xfe") is None
