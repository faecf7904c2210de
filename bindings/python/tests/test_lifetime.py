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


def test_a_callback_drops_the_store(tmp_path):
    """It is the last that refers to it: the thread that calls cannot wait for its own end."""
    child = python("import flatkv, sys, threading\n"
                   "store, dropped = [], threading.Event()\n"
                   "def durable(version):\n"
                   "    store.clear()\n"
                   "    dropped.set()\n"
                   "store.append(flatkv.open(sys.argv[1], create=True, row_cache_bytes=1 << 20, durability='group',\n"
                   "                         on_durable=durable))\n"
                   "store[0].commit()\n"
                   "assert dropped.wait(60)\n"
                   "flatkv.open(sys.argv[1], row_cache_bytes=1 << 20).close()\n", tmp_path / "store")
    output = child.communicate(timeout=120)
    assert output == ("", "") and child.returncode == 0, output
    assert flatkv.roots(tmp_path / "store")[0] == 1


def test_callbacks_that_call_the_writer(tmp_path):
    """It may be waiting for them."""
    child = python("import flatkv, sys, time\n"
                   "stores, codes, told, other = [], [], [], flatkv.open(sys.argv[1] + '2', create=True, row_cache_bytes=1 << 20)\n"
                   "def durable(version):\n"
                   "    (store,) = stores\n"
                   "    assert store.view().version <= store.version and store.roots and store.metrics() and store.durable_version\n"
                   "    other.commit()\n"
                   "    for call in (store.commit, lambda: store.get(b'key'), store.flush, store.close):\n"
                   "        try:\n"
                   "            call()\n"
                   "        except flatkv.Error as error:\n"
                   "            codes.append(error.code)\n"
                   "    told.append(version)\n"
                   "stores.append(flatkv.open(sys.argv[1], create=True, row_cache_bytes=1 << 20, durability='group',\n"
                   "                          group_blocks=1, on_durable=durable))\n"
                   "for _ in range(20):\n"
                   "    stores[0].commit()\n"
                   "while told[-1:] != [20]:\n"  # while it closes there is no view
                   "    time.sleep(0.01)\n"
                   "stores[0].close()\n"
                   "assert len(codes) == 4 * other.version > 0 and set(codes) == {'invalid_argument'}, codes\n",
                   tmp_path / "store")
    output = child.communicate(timeout=120)
    assert output == ("", "") and child.returncode == 0, output


def test_a_store_is_left_to_the_interpreters_end(tmp_path):
    child = python("import flatkv, sys\n"
                   "store = flatkv.open(sys.argv[1], create=True, row_cache_bytes=1 << 20)\n"
                   "view, rows = store.view(), store.rows('account')\n"
                   "store.commit()\n", tmp_path / "store")
    assert child.communicate(timeout=120) == ("", "") and child.returncode == 0
    assert flatkv.roots(tmp_path / "store")[0] == 1


FORGETS = """
import flatkv, gc, sys, threading

class Chain:
    def __init__(self, path):
        self.me = self  # a cycle, which only the collector ends
        self.store = flatkv.open(path, create=True, row_cache_bytes=1 << 20, scrub="in_background",
                                 scrub_pause_seconds=0, log=collect)
        self.store.commit()

collected = threading.Event()

def collect(level, text):
    if text.startswith("scrub: round") and ready.wait(60):
        gc.collect()
        collected.set()

ready = threading.Event()
gc.disable()
Chain(sys.argv[1])
ready.set()
assert collected.wait(60)
with flatkv.open(sys.argv[1], row_cache_bytes=1 << 20) as store:  # waits for the lock
    print(store.version)
"""


def test_a_callback_collects_its_store(tmp_path):
    """On a thread of that store, which cannot wait for its own end."""
    child = python(FORGETS, tmp_path / "store")
    out, err = child.communicate(timeout=120)
    assert (child.returncode, out, err) == (0, "1\n", "")


INHERITS = """
import flatkv, io, os, sys, threading
store = flatkv.open(sys.argv[1], create=True, row_cache_bytes=1 << 20, log=lambda level, text: None)
address = bytes(20)
store.apply(flatkv.Block().set_nonce(address, 1))
store.commit()
view, overlay, rows, block = store.view(), store.overlay(), store.rows("account"), flatkv.Block()
subscription, changes, reader = store.subscribe(after=0), store.changes(1), flatkv.open_read_only(sys.argv[1])
differences = flatkv.diff(view, view)
"""


def test_a_forked_child_is_refused_and_ends(tmp_path):
    """By `sys.exit`, with its status, and what C had to print."""
    child = python(INHERITS + """
calls = [store.commit, store.flush, store.view, store.metrics, lambda: store.version, lambda: store.roots,
         lambda: view.account(address), lambda: view.roots, lambda: view.columns("account"), view.verify,
         lambda: view.export(io.BytesIO()), lambda: overlay.account(address), lambda: overlay.apply(block),
         overlay.child, lambda: next(rows), lambda: next(subscription), lambda: next(changes), reader.view,
         lambda: reader.get(b"k"), lambda: next(differences),
         lambda: flatkv.open(sys.argv[1] + "2", create=True)]
if (pid := os.fork()) == 0:
    for number, call in enumerate(calls):
        try:
            call()
        except flatkv.UnsupportedError:
            continue
        os._exit(100 + number)
    for handle in (view, overlay, subscription, reader):
        handle.close()
    sys.exit(7)
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
assert status == 7, status
assert next(rows) and next(changes).version == 1 and store.commit() == store.roots and view.verify().good
""", tmp_path / "store")
    output = child.communicate(timeout=120)
    assert child.returncode == 0, output
    assert not os.path.exists(tmp_path / "store2")


def test_children_that_are_forked_while_threads_are_inside(tmp_path):
    """They meet locks that nobody opens any more."""
    child = python(INHERITS + """
stop = threading.Event()


def busy(work):
    while not stop.is_set():
        work()


def write():
    store.apply(flatkv.Block().set_nonce(address, store.version))
    store.commit()
    store.flush()


threads = [threading.Thread(target=busy, args=(work,))
           for work in (write, reader.working_roots, lambda: block.set_nonce(address, 1))]
for thread in threads:
    thread.start()
for _ in range(10):
    if (pid := os.fork()) == 0:
        for call in (store.commit, lambda: reader.get(b"k"), lambda: block.set_nonce(address, 2), reader.close):
            try:
                call()
            except flatkv.UnsupportedError:
                pass
        sys.exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
stop.set()
for thread in threads:
    thread.join()
""", tmp_path / "store")
    output = child.communicate(timeout=120)
    assert child.returncode == 0, output


def test_a_child_that_is_forked_before_the_first_use(tmp_path):
    child = python("import flatkv, os, sys\n"
                   "block = flatkv.Block().set_nonce(bytes(20), 1)\n"
                   "if (pid := os.fork()) == 0:\n"
                   "    store = flatkv.open(sys.argv[1] + '2', create=True, row_cache_bytes=1 << 20)\n"
                   "    store.apply(block)\n"
                   "    store.commit()\n"
                   "    sys.exit(7)\n"
                   "assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7\n"
                   "flatkv.open(sys.argv[1], create=True, row_cache_bytes=1 << 20).apply(block)\n", tmp_path / "store")
    output = child.communicate(timeout=120)
    assert child.returncode == 0, output
    assert flatkv.roots(tmp_path / "store2")[0] == 1


def test_the_interpreters_end_beside_threads_that_go_on(tmp_path):
    """Python stops its daemon threads where they are."""
    child = python(INHERITS + """
import time


def for_ever(work):
    while True:
        work()


def follow():
    for event in subscription:
        pass


for work in (store.commit, lambda: view.verify(progress=lambda *_: None), lambda: sum(1 for _ in view.rows("account")),
             follow):
    threading.Thread(target=for_ever, args=(work,), daemon=True).start()
while store.version < 2:
    time.sleep(0.01)
time.sleep(0.3)
sys.exit(9)
""", tmp_path / "store")
    assert child.communicate(timeout=120) == ("", "") and child.returncode == 9
    assert flatkv.roots(tmp_path / "store")[0] > 1
