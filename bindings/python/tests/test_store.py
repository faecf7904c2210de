# SPDX-License-Identifier: Apache-2.0
"""Writing: blocks, the pending block, older versions."""

import pytest

import flatkv
from support import ADDRESS, golden_roots, make_store, open_store, rows_of


def test_a_block(tmp_path):
    code = b"\x60\x00"
    with open_store(tmp_path / "store", create=True, strict=True) as store:
        block = flatkv.Block()
        assert not block
        block.set_nonce(ADDRESS, 7).set_balance("0x" + ADDRESS.hex(), 10**18).set_code(ADDRESS, code)
        block.set_storage(ADDRESS, 1, 2**256 - 1).set_storage(ADDRESS, 2, 1).set_storage(ADDRESS, 2, 0)
        assert block
        store.apply(block)
        assert store.has_pending and store.account(ADDRESS).nonce == 7, "reads show what is pending"
        assert store.view().account(ADDRESS) is None
        working = store.working_roots()
        assert store.commit() == working == store.roots
        account = store.account(ADDRESS)
        assert (account.balance, account.nonce) == (10**18, 7)
        assert account.code_hash == flatkv.keccak256(code) and store.code(ADDRESS) == code
        assert store.storage(ADDRESS, 1) == 32 * b"\xff" and store.storage(ADDRESS, 2) is None
        assert store.view().stats("storage").rows == 1

        again = flatkv.Block()
        with store.view() as view:
            again.remove_account_and_storage(ADDRESS, view)
        assert [name for name, _ in again.change_sets()] == ["evm"]
        store.apply(again.change_sets())
        store.commit(2)
        assert store.storage(ADDRESS, 1) is None and store.code(ADDRESS) is None


def test_discard_and_no_commit(tmp_path):
    with open_store(tmp_path / "store", create=True) as store:
        before = store.roots
        store.apply([("evm", [(flatkv.nonce_key(ADDRESS), (5).to_bytes(8, "big"))])])
        assert store.working_roots() != before
        store.discard()
        assert store.working_roots() == before and not store.has_pending
        store.apply([("evm", [(flatkv.nonce_key(ADDRESS), (5).to_bytes(8, "big"))])])
    with open_store(tmp_path / "store") as store:
        assert store.version == 0 and store.roots == before


def test_an_exception_in_the_block_closes(tmp_path):
    with pytest.raises(ZeroDivisionError):
        with open_store(tmp_path / "store", create=True) as store:
            1 / 0
    assert store.closed
    open_store(tmp_path / "store").close()


def test_older_versions(tmp_path):
    roots = golden_roots("mixed")
    with make_store(tmp_path / "store", "mixed", last=50) as store:
        with store.view(40) as view:
            assert view.version == 40 and view.roots.hex() == roots[39]
        with pytest.raises(flatkv.VersionMismatchError):
            store.view(51)
        store.snapshot()
        with flatkv.open_read_only(tmp_path / "store", at=30) as reader:
            assert reader.version == 30 and reader.roots.hex() == roots[29]
        assert flatkv.roots(tmp_path / "store", at=20)[1].hex() == roots[19]
        store.rollback(45)
        assert store.version == 45 and store.roots.hex() == roots[44]
    assert flatkv.roots(tmp_path / "store") == (45, store.roots)


def test_what_if(tmp_path):
    with make_store(tmp_path / "store", "mixed", last=10):
        pass
    with flatkv.open_read_only(tmp_path / "store") as reader:
        before, rows = reader.roots, rows_of(reader)
        block = flatkv.Block().set_balance(ADDRESS, 1)
        for writes in (block, block.change_sets()):
            reader.apply(writes)
            assert reader.working_roots() != before and reader.account(ADDRESS).balance == 1
            assert reader.view().account(ADDRESS) is None
            reader.discard()
        assert reader.working_roots() == before and rows_of(reader) == rows
    assert flatkv.roots(tmp_path / "store")[1] == before


def test_roots_compare(tmp_path):
    with make_store(tmp_path / "store", "edge") as store:
        line = store.roots
    same = flatkv.Roots(**line.hex())
    assert same == line and hash(same) == hash(line) and same.root == line.root
    assert flatkv.Roots(**{**line.hex(), "code": 64 * "0"}) != line and line != "a roots line"


def test_the_log(tmp_path):
    with make_store(tmp_path / "store", "mixed", last=30) as store:
        roots = golden_roots("mixed")
        assert [block.version for block in flatkv.log(tmp_path / "store", first=5, last=9)] == [5, 6, 7, 8, 9]
        assert list(flatkv.log(tmp_path / "store", first=5, last=4)) == []
        log = flatkv.log(tmp_path / "store", changes=True)
        assert (log.base, log.last) == (0, 30)
        with open_store(tmp_path / "copy", create=True) as copy:
            for block in log:
                assert block.roots.hex() == roots[block.version - 1]
                copy.apply(block.change_sets)
                assert copy.commit(block.version) == block.roots
            store.commit()
            assert [block.version for block in log] == [31], "iterated again, it goes on"
        assert next(flatkv.log(tmp_path / "store")).change_sets == []
