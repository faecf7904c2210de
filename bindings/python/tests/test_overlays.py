# SPDX-License-Identifier: Apache-2.0
"""Blocks that are not final, undone blocks, and versions that were just committed."""

import collections
import gc

import pytest

import flatkv
from support import ADDRESS, DATABASES, golden_roots, golden_rows, make_store, open_store, rows_of, trace
from test_errors import refused
from test_golden import TRACES
from test_lifetime import closed

UNCOMMITTED = 16


def nonce(number: int) -> flatkv.Block:
    return flatkv.Block().set_nonce(ADDRESS, number)


@pytest.mark.parametrize(("name", "account_rows"), TRACES)
def test_golden_traces_with_forks(tmp_path, name, account_rows):
    """Each block is a child of the one before, many of them uncommitted, and beside each is one that loses."""
    expected = name if account_rows == "keep" else f"{name}.prune_empty"
    roots = golden_roots(expected)
    chain, losers = collections.deque(), collections.deque()
    with open_store(tmp_path / "store", create=True, account_rows=account_rows, durability="process") as store:
        def execute(block):
            overlay = chain[-1].child() if chain else store.overlay()
            overlay.apply(block)
            return overlay

        def commit(count):
            newest = chain[count - 1]
            assert store.commit_overlay(newest, newest.version).hex() == roots[newest.version - 1]
            for _ in range(count):
                chain.popleft().close()
                loser = losers.popleft()
                refused("stale", loser.working_roots)
                loser.close()

        for version, block in flatkv.read_blocks(trace(name)):
            loser = execute(block)
            loser.apply(flatkv.Block().set_nonce(20 * b"\xba", 7))
            assert loser.working_roots().hex() != roots[version - 1]
            losers.append(loser)
            winner = execute(block)
            assert (winner.version, winner.working_roots().hex()) == (version, roots[version - 1])
            chain.append(winner)
            if len(chain) == UNCOMMITTED:
                commit(1)
        assert store.version == len(roots) - len(chain)
        commit(len(chain))
        assert store.version == len(roots) and store.roots.hex() == roots[-1] and store.verify().good
        rows = golden_rows(expected)
        assert rows is None or rows_of(store) == rows


def test_reads_through_an_overlay(tmp_path):
    with make_store(tmp_path / "store", "mixed", last=50) as store, store.overlay() as overlay:
        before = rows_of(store)
        assert rows_of(overlay) == before
        key = flatkv.nonce_key(ADDRESS)
        overlay.prefetch([key])
        overlay.apply(nonce(7).set_storage(ADDRESS, 3, 9).set_code(ADDRESS, b"\1\2"))
        with overlay.child() as child:
            child.apply([("evm", [(key, (8).to_bytes(8, "big"))])])
            for state, number in ((overlay, 7), (child, 8), (child, 8)):
                assert state.account(ADDRESS).nonce == number
                assert state.get(key) == number.to_bytes(8, "big") == state.get_many([key])[0]
                assert int.from_bytes(state.storage(ADDRESS, 3), "big") == 9 and state.code(ADDRESS) == b"\1\2"
                assert state.row("account", ADDRESS)[32:40] == number.to_bytes(8, "big")
            assert (overlay.version, child.version) == (51, 52)
            added = set(rows_of(child)) - set(before)
            assert {(database, row[:20]) for database, row, _ in added} == \
                {(database, ADDRESS) for database in ("account", "code", "storage")}
            assert [tuple(row) for row in zip(*child.columns("account", start=ADDRESS, end=ADDRESS + b"\0"))] == \
                list(child.rows("account", prefix=ADDRESS))
            refused("invalid_argument", overlay.apply, nonce(9))
        assert rows_of(store) == before and store.account(ADDRESS) is None and not store.has_pending
        assert store.metrics().overlay_memory > 0


def test_what_an_overlay_refuses(tmp_path):
    with make_store(tmp_path / "store", last=1, overlay_memory_bytes=1 << 18) as store, \
            open_store(tmp_path / "other", create=True) as other:
        overlay = store.overlay()
        overlay.apply(nonce(1))
        working = overlay.working_roots()
        refused("invalid_argument", overlay.apply, [("evm", [(flatkv.nonce_key(ADDRESS), b"\1")])])
        refused("no_space", overlay.apply,
                [("evm", [(b"\xff" + i.to_bytes(4, "big"), b"x") for i in range(5000)])])
        assert overlay.working_roots() == working
        refused("version_mismatch", store.commit_overlay, overlay, store.version + 2)
        refused("invalid_argument", other.commit_overlay, overlay)
        refused("invalid_argument", overlay.prefetch, [b""])
        store.apply(nonce(2))
        refused("invalid_argument", store.commit_overlay, overlay)  # a block is pending
        store.discard()
        for call in (lambda: store.commit_overlay(7), lambda: overlay.apply(7), lambda: overlay.get(7)):
            with pytest.raises(TypeError):
                call()
        assert store.commit_overlay(overlay) == working
        refused("invalid_argument", store.commit_overlay, overlay)
        assert overlay.account(ADDRESS).nonce == 1, "it shows the committed state"
        store.commit()
        refused("stale", overlay.account, ADDRESS)
        refused("stale", store.commit_overlay, overlay)


def test_a_closed_overlay(tmp_path):
    store = make_store(tmp_path / "store", last=1)
    with store.overlay() as overlay:
        overlay.apply(nonce(1))
        child = overlay.child()
    overlay.close()
    assert overlay.closed and not child.closed
    for call, *arguments in ((overlay.apply, []), (overlay.apply, nonce(2)), (overlay.child,), (overlay.working_roots,),
                             (overlay.get, b"key"), (overlay.rows, "account"), (overlay.columns, "account"),
                             (overlay.prefetch, [b"key"]), (getattr, overlay, "version"),
                             (store.commit_overlay, overlay)):
        closed(call, *arguments)
    assert child.account(ADDRESS).nonce == 1, "children stay"
    store.close()
    closed(child.account, ADDRESS)
    closed(store.overlay)
    closed(store.prefetch, [b"key"])


def test_an_overlay_keeps_its_store(tmp_path):
    overlay = make_store(tmp_path / "store", last=1).overlay()
    child = overlay.child()
    del overlay
    gc.collect()
    child.apply(nonce(3))
    assert child.account(ADDRESS).nonce == 3
    refused("locked", flatkv.open, tmp_path / "store")
    del child
    gc.collect()
    with open_store(tmp_path / "store") as store:
        assert store.version == 1 and store.account(ADDRESS) is None


def test_undo(tmp_path):
    """The same blocks after an undo give the same roots, without a table being read."""
    roots = golden_roots("mixed")
    blocks = dict(flatkv.read_blocks(trace("mixed")))
    with make_store(tmp_path / "store", "mixed", last=60, rollback_depth=20) as store:
        assert store.metrics().undo_floor == 40
        flushes = store.metrics().flushes
        for to in (59, 50, 40):
            with store.overlay() as overlay:
                store.rollback(to)
                refused("stale", overlay.working_roots)
            assert store.version == to and store.roots.hex() == roots[to - 1]
        assert store.metrics().flushes == flushes
        for version in range(41, 61):
            store.apply(blocks[version])
            assert store.commit().hex() == roots[version - 1]
        assert store.verify().good
        refused("version_mismatch", store.rollback, 61)


def test_recent_versions(tmp_path):
    roots = golden_roots("mixed")
    with make_store(tmp_path / "store", "mixed", last=30, recent_versions=8) as store:
        assert store.metrics().recent_versions == 8
        for version in range(23, 31):
            with store.view(version) as view:
                assert view.version == version and view.roots.hex() == roots[version - 1]
                assert view.verify().good
        error = refused("version_mismatch", store.view, 22)
        assert "23" in error.message and "30" in error.message


def test_prefetch(tmp_path):
    """Rows that are asked for come into the row cache, and are not looked up in the tables again."""
    make_store(tmp_path / "store", "mixed").close()
    with open_store(tmp_path / "store", row_cache_bytes=16 << 20) as store:
        slots = [key for key, _ in store.view().rows("storage")][:500]
        keys = [flatkv.storage_key(key[:20], key[20:]) for key in slots]
        store.prefetch(keys)
        while (prefetch := store.metrics().prefetch).asked > prefetch.loaded + prefetch.hit + prefetch.dropped:
            pass
        assert prefetch.asked == 500 and prefetch.loaded > 0
        reads = store.metrics().table_reads
        assert all(value is not None for value in store.get_many(keys))
        assert store.metrics().table_reads - reads == prefetch.dropped
        refused("invalid_argument", store.prefetch, [b"key", b""])
        with pytest.raises(TypeError):
            store.prefetch([7])
        assert store.metrics().prefetch.asked == 500
    with open_store(tmp_path / "store", prefetch_rows=0) as store:
        store.prefetch(keys)
        prefetch = store.metrics().prefetch
        assert (prefetch.asked, prefetch.dropped) == (500, 500)


def test_metrics(tmp_path):
    with make_store(tmp_path / "store", "mixed", last=20, durability="group") as store:
        store.wait_durable(20)
        assert store.durable_version == 20
        refused("invalid_argument", store.wait_durable, 21)
        before = store.metrics()
        assert before.log_bytes > 0 and before.buffer_memory > 0 and before.flushes == 0
        store.apply([("bank", [(b"key", b"value")])])
        store.flush()
        after = store.metrics()
        assert after.flushes == 1 and after.ignored_change_sets == 1 and before.flushes == 0
        assert set(after.flushed) == {*DATABASES, "metadata"}
        assert sum(flush.bytes for flush in after.flushed.values()) == after.flushed_bytes > 0
        assert all(flush.tables > 0 for name, flush in after.flushed.items() if name != "metadata")
        timings = store.last_timings()
        assert timings.log > 0 and timings.wait >= 0
