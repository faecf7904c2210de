# SPDX-License-Identifier: Apache-2.0
"""What was committed, and what is committed and undone from now on."""

import gc
import signal
import threading

import pytest

import flatkv
from support import ADDRESS, golden_roots, make_store, open_store, python, trace
from test_errors import refused
from test_lifetime import closed


def commit(store: flatkv.Store, nonce: int) -> flatkv.Roots:
    store.apply(flatkv.Block().set_nonce(ADDRESS, nonce))
    return store.commit()


def take(subscription: flatkv.Subscription) -> list[tuple[bool, int]]:
    events = []
    while (event := subscription.next(timeout=0)) is not None:
        events.append((event.undo, event.version))
    return events


def test_changes_are_what_was_applied(tmp_path):
    roots = golden_roots("mixed")
    with make_store(tmp_path / "store", "mixed", last=30) as store:
        blocks = list(store.changes(1, 30))
        assert [block.version for block in blocks] == list(range(1, 31))
        assert [block.roots.hex() for block in blocks] == roots[:30]
        assert [block.change_sets for block in blocks] == \
            [block for version, block in flatkv.read_blocks(trace("mixed")) if version <= 30]
        assert [block.version for block in store.changes(29)] == [29, 30]
        assert list(store.changes(31)) == [] == list(store.changes(5, 4))
        refused("version_mismatch", store.changes, 1, 31)
        refused("invalid_argument", store.changes, 0)
        refused("invalid_argument", store.changes, 5, 3)
        reader = store.changes(1)
        assert next(reader).version == 1
        store.rollback(10)
        refused("version_mismatch", lambda: list(reader))
    closed(store.changes, 1)


def test_a_replica_follows_through_undos(tmp_path):
    """The consumer makes another store of the events, and stops and goes on with its cursor."""
    roots = golden_roots("mixed")
    blocks = dict(flatkv.read_blocks(trace("mixed")))
    with open_store(tmp_path / "store", create=True, rollback_depth=50, durability="process") as store, \
            open_store(tmp_path / "copy", create=True, rollback_depth=50, durability="process") as copy:
        cursor = store.subscribe(after=0).cursor()

        def forward(last):
            for version in range(store.version + 1, last + 1):
                store.apply(blocks[version])
                store.commit()

        def follow():
            with store.subscribe(cursor=cursor) as subscription:
                undone = []
                while (event := subscription.next(0)) is not None:
                    if event.undo:
                        assert event.block is None
                        undone.append(event.version)
                        copy.rollback(event.version)
                    else:
                        assert event.block is not None and event.block.chain == event.chain
                        copy.apply(event.block.change_sets)
                        assert copy.commit(event.version) == event.block.roots
                return subscription.cursor(), undone

        forward(30)
        store.wait_durable(30)
        cursor, undone = follow()
        assert undone == [] and copy.version == 30
        store.rollback(12)
        commit(store, 5)  # another block 13
        store.wait_durable(13)
        cursor, undone = follow()
        assert undone == [12] and copy.version == 13 and copy.roots == store.roots
        store.rollback(12)
        forward(40)
        store.wait_durable(40)
        cursor, undone = follow()
        assert undone == [12] and copy.roots.hex() == roots[39]


def test_committed_blocks_come_at_once(tmp_path):
    with open_store(tmp_path / "store", create=True, durability="group", rollback_depth=5) as store, \
            store.subscribe(deliver="committed") as subscription:
        assert subscription.next(timeout=0) is None and subscription.next(timeout=0.03) is None
        commit(store, 1)
        event = subscription.next()
        assert (event.version, event.undo) == (1, False)
        assert event.block.change_sets == flatkv.Block().set_nonce(ADDRESS, 1).change_sets()
        refused("unsupported", subscription.cursor)
        store.rollback(0)
        assert take(subscription) == [(True, 0)]


def test_iteration_in_a_thread(tmp_path):
    """It waits for each block, lets other threads run meanwhile, and ends with `close`."""
    with open_store(tmp_path / "store", create=True) as store:
        subscription = store.subscribe()
        seen, woken = [], threading.Condition()

        def follow():
            for event in subscription:
                with woken:
                    seen.append(event.version)
                    woken.notify()

        follower = threading.Thread(target=follow)
        follower.start()
        for version in range(1, 21):
            commit(store, version)
            with woken:
                assert woken.wait_for(lambda: seen == list(range(1, version + 1)), timeout=60)
        subscription.close()
        follower.join(60)
        assert not follower.is_alive() and list(subscription) == []
        closed(subscription.next)
        closed(subscription.cursor)


def test_closing_the_store_ends_it_with_an_error(tmp_path):
    store = open_store(tmp_path / "store", create=True)
    subscription = store.subscribe()
    raised = []

    def follow():
        try:
            for _ in subscription:
                pass
        except flatkv.StoreFailedError as error:
            raised.append(error.code)

    follower = threading.Thread(target=follow)
    follower.start()
    store.close()
    follower.join(60)
    assert raised == ["store_failed"] and not subscription.closed


# Says that it waits when the main thread is at line 13.
INTERRUPTED = """
import flatkv, sys, threading
main = threading.get_ident()

def watch():
    while sys._current_frames()[main].f_lineno != 13:
        pass
    print('waits', flush=True)

with flatkv.open(sys.argv[1], create=True, row_cache_bytes=1 << 20) as store, store.subscribe() as subscription:
    threading.Thread(target=watch).start()
    try:
        WAIT
    except KeyboardInterrupt:
        print('stopped', flush=True)
    store.commit()
    print(next(subscription).version == store.version)
"""


@pytest.mark.parametrize("wait", ["next(subscription)", "subscription.next()", "subscription.next(timeout=1e6)"])
def test_ctrl_c(tmp_path, wait):
    child = python(INTERRUPTED.replace("WAIT", wait), tmp_path / "store")
    assert child.stdout is not None and child.stdout.readline() == "waits\n", child.communicate()
    child.send_signal(signal.SIGINT)
    assert child.communicate(timeout=60) == ("stopped\nTrue\n", "")


def test_names(tmp_path):
    with make_store(tmp_path / "store", "mixed", last=5, durability="sync") as store:
        assert store.named_cursors() == {}
        with store.subscribe(name="index", after=0, depth=0) as subscription:
            assert store.named_cursors() == {"index": 0}
            refused("invalid_argument", store.subscribe, name="index")
            assert take(subscription) == [(False, version) for version in range(1, 6)]
            subscription.acknowledge(subscription.cursor())
            assert store.named_cursors() == {"index": 5}
        assert store.named_cursors() == {"index": 5}, "it is kept while the consumer is away"
        with store.subscribe(name="index") as subscription:
            store.drop_cursor("index")
            for call in (lambda: store.drop_cursor("index"), lambda: subscription.acknowledge(subscription.cursor())):
                assert "index" in refused("not_found", call).message
        assert store.named_cursors() == {}


def test_what_is_refused(tmp_path):
    with make_store(tmp_path / "store", "mixed", last=5, durability="sync") as store, \
            make_store(tmp_path / "other", "mixed", last=5) as other:
        subscription = store.subscribe(after=2)
        cursor = subscription.cursor()
        for options in ({"deliver": "later"}, {"depth": 4097}, {"name": ""}, {"name": "no name"}, {"name": 65 * "a"},
                        {"cursor": cursor, "after": 1}, {"deliver": "committed", "name": "index"},
                        {"deliver": "committed", "cursor": cursor}):
            refused("invalid_argument", store.subscribe, **options)
        refused("version_mismatch", store.subscribe, after=6)
        refused("foreign_store", other.subscribe, cursor=cursor)
        damaged = bytearray(cursor)
        damaged[-1] ^= 1
        for wrong in (damaged, b"", cursor[:-1], cursor + b"\0"):
            refused("corruption", store.subscribe, cursor=wrong)
            refused("corruption", subscription.acknowledge, wrong)
        refused("invalid_argument", subscription.acknowledge, cursor)  # it has no name
        for timeout in (-1, float("nan")):
            refused("invalid_argument", subscription.next, timeout)
        for call in (lambda: store.subscribe(cursor=7), lambda: store.subscribe("durable"),
                     lambda: subscription.next("1"), lambda: subscription.acknowledge(None),
                     lambda: store.changes("1"), lambda: store.drop_cursor(None)):
            with pytest.raises(TypeError):
                call()
        assert store.named_cursors() == {} and [event for _, event in take(subscription)] == [3, 4, 5]
    for call in (store.subscribe, store.named_cursors, lambda: store.drop_cursor("a"), lambda: subscription.next(0)):
        closed(call)


def test_a_subscription_keeps_its_store(tmp_path):
    subscription = make_store(tmp_path / "store", "mixed", last=3, durability="sync").subscribe(after=0)
    blocks = open_store(tmp_path / "other", create=True).changes(1)
    gc.collect()
    assert [event for _, event in take(subscription)] == [1, 2, 3] and list(blocks) == []
    refused("locked", flatkv.open, tmp_path / "store")
    subscription.close()
    open_store(tmp_path / "store").close()
