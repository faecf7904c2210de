# SPDX-License-Identifier: Apache-2.0
"""Readers in threads beside a writer, and writers that take turns."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import flatkv
from support import open_store

BLOCKS = 150
ACCOUNTS = 40
READERS = 4


def address(i: int) -> bytes:
    return i.to_bytes(20, "big")


def block(version: int) -> flatkv.Block:
    """Every account has the version as its nonce; slot `i` of it is set in versions that `i` divides."""
    writes = flatkv.Block()
    for i in range(1, ACCOUNTS + 1):
        writes.set_nonce(address(i), version).set_storage(address(i), i, version if version % i == 0 else 0)
    return writes


def check(view: flatkv.View) -> None:
    """A view is of one version in all that it shows."""
    version = view.version
    for i in range(1, ACCOUNTS + 1):
        account = view.account(address(i))
        assert (account.nonce if account else 0) == version
        slot = view.storage(address(i), i)
        assert (int.from_bytes(slot, "big") if slot else 0) == (version if version and version % i == 0 else 0)
    accounts, rows = view.columns("account")
    assert len(accounts) == (ACCOUNTS if version else 0)
    assert all(int.from_bytes(row[32:40], "big") == version for row in rows)
    assert sum(1 for _ in view.rows("storage")) == view.stats("storage").rows


def test_readers_beside_a_writer(tmp_path):
    done = threading.Event()
    roots = {}

    def read(store: flatkv.Store) -> int:
        last, seen = -1, 0
        while not done.is_set() or seen == 0:
            with store.view() as view:
                check(view)
                assert view.version >= last
                last = view.version
                if view.version in roots:
                    assert view.roots == roots[view.version]
                seen += 1
        return seen

    def scan(store: flatkv.Store) -> int:
        seen = 0
        while not done.is_set() or seen == 0:
            assert store.verify(threads=1).good
            seen += 1
        return seen

    # A small buffer: flushes and compactions run, too.
    with open_store(tmp_path / "store", create=True, durability="process", write_buffer_bytes=1 << 16) as store:
        with ThreadPoolExecutor(READERS + 1) as threads:
            readers = [threads.submit(read, store) for _ in range(READERS)] + [threads.submit(scan, store)]
            try:
                for version in range(1, BLOCKS + 1):
                    store.apply(block(version))
                    roots[version] = store.commit(version)
            finally:
                done.set()
            assert all(reader.result() > 0 for reader in readers)
        with store.view() as view:
            check(view)


def test_writers_take_turns(tmp_path):
    """Without a guard these calls would race in the library."""
    with open_store(tmp_path / "store", create=True, durability="process") as store:
        shared = flatkv.Block()

        def write(thread: int) -> None:
            for i in range(100):
                store.apply([("evm", [(flatkv.nonce_key(address(1000 * thread + i + 1)), (7).to_bytes(8, "big"))])])
                shared.set_nonce(address(1000 * thread + i + 501), 8)
                store.apply(shared)
                assert store.account(address(1000 * thread + i + 1)).nonce == 7
                if i % 10 == thread:
                    store.commit()
                assert store.has_pending in (True, False) and store.working_roots()

        with ThreadPoolExecutor(4) as threads:
            for writer in [threads.submit(write, thread) for thread in range(4)]:
                writer.result()
        store.commit()
        assert store.version == 41 and store.view().stats("account").rows == 800
        assert store.verify().good


def test_close_beside_readers(tmp_path):
    """A reader sees the state or that the store is closed, nothing else."""
    for _ in range(10):
        store = open_store(tmp_path / "store", create=True, durability="process")
        if store.version == 0:
            store.apply(block(1))
            store.commit()
        ready = threading.Barrier(READERS + 1)

        def read(store: flatkv.Store) -> None:
            ready.wait()
            with pytest.raises(flatkv.StoreFailedError):
                while True:
                    with store.view() as view:
                        check(view)
                    store.get(flatkv.nonce_key(address(1)))

        with ThreadPoolExecutor(READERS) as threads:
            readers = [threads.submit(read, store) for _ in range(READERS)]
            ready.wait()
            store.close()
            for reader in readers:
                reader.result()


def test_one_view_closed_under_its_readers(tmp_path):
    with open_store(tmp_path / "store", create=True) as store:
        store.apply(block(1))
        store.commit()
        view = store.view()
        ready = threading.Barrier(READERS + 1)

        def read() -> None:
            ready.wait()
            with pytest.raises(flatkv.StoreFailedError):
                while True:
                    check(view)

        with ThreadPoolExecutor(READERS) as threads:
            readers = [threads.submit(read) for _ in range(READERS)]
            ready.wait()
            view.close()
            for reader in readers:
                reader.result()


def test_one_iterator_in_two_threads(tmp_path):
    """Each row comes once, or the second thread is told that the first one reads."""
    with open_store(tmp_path / "store", create=True) as store:
        store.apply([("evm", [(b"\xff" + i.to_bytes(4, "big"), b"x") for i in range(20000)])])
        store.commit()
        expected = [key for key, _ in store.rows("legacy")]
        rows = store.rows("legacy")

        def take() -> list[bytes]:
            taken = []
            while True:
                try:
                    taken.append(next(rows)[0])
                except StopIteration:
                    return taken
                except flatkv.InvalidArgumentError:
                    pass

        with ThreadPoolExecutor(2) as threads:
            both = [threads.submit(take) for _ in range(2)]
            assert sorted(both[0].result() + both[1].result()) == expected
