# SPDX-License-Identifier: Apache-2.0
"""Objects keep what they need alive; after a close there is an error, never a crash."""

import gc
import os

import pytest

import flatkv
from support import ADDRESS, make_store, open_store, python, rows_of


def closed(call, *arguments, **options):
    with pytest.raises(flatkv.StoreFailedError) as caught:
        call(*arguments, **options)
    assert caught.value.code == "store_failed"


def reads(state):
    yield state.get, b"key"
    yield state.get_many, [b"key"]
    yield state.account, ADDRESS
    yield state.storage, ADDRESS, 0
    yield state.code, ADDRESS
    yield state.row, "account", ADDRESS
    yield state.rows, "account"
    yield state.columns, "account"
    yield (state.verify,)


def test_a_closed_store(tmp_path):
    store = make_store(tmp_path / "store", "mixed", last=5)
    roots = store.roots
    store.close()
    store.close()
    assert store.closed and store.version == 5 and store.roots == roots
    calls = list(reads(store)) + [
        (store.export, tmp_path / "state"), (store.apply, []), (store.apply, flatkv.Block()), (store.commit,),
        (store.flush,), (store.snapshot,), (store.rollback, 3), (store.view,), (store.view, 4)]
    for call, *arguments in calls:
        closed(call, *arguments)
    store.discard()
    assert store.working_roots() == roots and not store.has_pending and not (tmp_path / "state").exists()


def test_a_closed_read_only_store(tmp_path):
    make_store(tmp_path / "store", "mixed", last=5).close()
    with flatkv.open_read_only(tmp_path / "store") as reader:
        view = reader.view()
    reader.close()
    assert reader.closed
    calls = list(reads(reader)) + [
        (reader.export, tmp_path / "state"), (reader.apply, []), (reader.apply, flatkv.Block()), (reader.discard,),
        (reader.view,), (reader.working_roots,), (getattr, reader, "version"), (getattr, reader, "roots")]
    for call, *arguments in calls:
        closed(call, *arguments)
    assert len(rows_of(view)) > 0, "the view keeps the clone"
    assert list((tmp_path / "store").glob("readonly-*"))
    view.close()
    assert not list((tmp_path / "store").glob("readonly-*"))


def test_a_closed_view(tmp_path):
    with make_store(tmp_path / "store", "mixed", last=5) as store:
        with store.view() as view:
            assert view.version == 5
        view.close()
        assert view.closed
        calls = list(reads(view)) + [
            (view.export, tmp_path / "state"), (view.stats, "account"), (getattr, view, "version"),
            (getattr, view, "roots"), (getattr, view, "account_rows"),
            (flatkv.Block().remove_account_and_storage, ADDRESS, view), (next, flatkv.diff(view, store))]
        for call, *arguments in calls:
            closed(call, *arguments)


def test_views_and_rows_outlive_the_store(tmp_path):
    store = make_store(tmp_path / "store", "mixed", last=100)
    expected = rows_of(store)
    view, rows = store.view(), store.rows("storage")
    first = next(rows)
    store.commit()
    store.close()
    del store
    gc.collect()
    assert rows_of(view) == expected
    with pytest.raises(flatkv.LockedError):
        open_store(tmp_path / "store")
    view.close()
    assert [first, *rows] == [(key, value) for database, key, value in expected if database == "storage"]
    assert list(rows) == [], "and nothing after the end"
    open_store(tmp_path / "store").close()


def test_nothing_closed_at_all(tmp_path):
    """Collected in the order in which nothing refers to them."""
    def make():
        store = make_store(tmp_path / "store", "mixed", last=10)
        return store.rows("storage"), store.view()

    rows, view = make()
    assert len(list(view.rows("storage"))) == len(list(rows))
    del rows, view
    gc.collect()
    open_store(tmp_path / "store").close()


def test_a_store_is_left_to_the_interpreters_end(tmp_path):
    child = python("import flatkv, sys\n"
                   "store = flatkv.open(sys.argv[1], create=True, row_cache_bytes=1 << 20)\n"
                   "view, rows = store.view(), store.rows('account')\n"
                   "store.commit()\n", tmp_path / "store")
    assert child.communicate(timeout=120) == ("", "") and child.returncode == 0
    assert flatkv.roots(tmp_path / "store")[0] == 1


def test_a_forked_child(tmp_path):
    child = python("import flatkv, os, sys\n"
                   "store = flatkv.open(sys.argv[1], create=True, row_cache_bytes=1 << 20)\n"
                   "if (pid := os.fork()) == 0:\n"
                   "    for call in (store.commit, store.flush, lambda: flatkv.open(sys.argv[1] + '2', create=True)):\n"
                   "        try:\n"
                   "            call()\n"
                   "        except flatkv.UnsupportedError:\n"
                   "            continue\n"
                   "        os._exit(1)\n"
                   "    os._exit(0)\n"
                   "assert os.waitpid(pid, 0)[1] == 0\n"
                   "store.commit()\n"
                   "store.close()\n", tmp_path / "store")
    output = child.communicate(timeout=120)
    assert child.returncode == 0, output
    assert not os.path.exists(tmp_path / "store2")
