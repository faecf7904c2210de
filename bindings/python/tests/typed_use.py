# SPDX-License-Identifier: Apache-2.0
"""Never run: mypy reads it. A line with WRONG must be an error, all others must not."""

import io
import pathlib

import numpy
import numpy.typing

import flatkv


def use(path: pathlib.Path) -> None:
    flatkv.create(path, account_rows="prune_empty")
    flatkv.create(path, account_rows="other")  # WRONG
    flatkv.open(path, scrub="never")  # WRONG
    flatkv.open(path, nothing=1)  # WRONG
    with flatkv.open(path, create=True, durability="group", on_durable=print, scrub="by_hand", max_lag_blocks=5,
                     log=lambda level, message: print(level.upper(), message)) as store:
        block = flatkv.Block().set_nonce("0x00", 1).set_balance(bytes(20), 10**18)
        store.apply(block)
        store.apply([("evm", [(b"key", None), ("00", "ff")])])
        store.apply([b"key"])  # WRONG
        roots: flatkv.Roots = store.commit()
        line: dict[str, str] = roots.hex()
        print(line, store.version + 1, store.commit(7).root[0])
        account = store.account(bytes(20))
        account.balance  # WRONG
        if account is not None:
            balance: int = account.balance
            print(balance, account.code_hash)
        value = store.get(b"key")
        value[0]  # WRONG
        store.nothing()  # WRONG
        for key, row in store.rows("storage", prefix="ab"):
            print(key[:20], row[0])
        keys, values = store.columns("storage", limit=10)
        data: numpy.typing.NDArray[numpy.uint8] = keys.matrix
        offsets: numpy.typing.NDArray[numpy.int64] = values.offsets
        print(data, offsets, values.part(0, 32).sum(), [item.hex() for item in keys])
        report = store.verify(database="storage", progress=lambda step, done, total: print(step, done / total))
        print(report.good, [verdict.database.upper() for verdict in report.databases])
        with store.view(3) as view, flatkv.open_read_only(path, at=3) as reader:
            for row_difference in flatkv.diff(view, reader):
                print(row_difference.key.hex(), row_difference.a)
        with store.overlay() as overlay, overlay.child() as child:
            child.apply(block)
            print(child.version + 1, child.working_roots().root.hex(), overlay.account(bytes(20)))
            child.prefetch([b"key"])
            store.commit_overlay(child, child.version)
            store.commit_overlay(store)  # WRONG
            overlay.verify()  # WRONG
        with store.subscribe(cursor=b"", name="index") as subscription:
            for event in subscription:
                print(event.version + 1, event.chain.hex())
                event.block.version  # WRONG
                if not event.undo and event.block is not None:
                    print(event.block.change_sets[0][0].upper())
                subscription.acknowledge(subscription.cursor())
            later = subscription.next(timeout=0.5)
            later.version  # WRONG
        store.subscribe(deliver="never")  # WRONG
        print([committed.roots for committed in store.changes(1)], store.named_cursors()["index"] + 1)
        metrics = store.metrics()
        print(metrics.undo_floor + metrics.flushed["account"].bytes + metrics.prefetch.loaded)
        print(store.open_report().backfilled, store.scrub(100).findings[0].verdict.good)
        status = store.scrub_status()
        status.round  # WRONG
        print(flatkv.checksum(store.lt_hash("storage") - store.lt_hash("code")).hex())
        print(store.last_timings().hash + 1, metrics.nothing)  # WRONG
        store.export(path / "state")
        store.export(io.BytesIO())
        store.export(7)  # WRONG
    for repaired in flatkv.repair(path, ["storage"], stream_file=path):
        print(repaired.source.upper(), repaired.damage, repaired.checksum.hex())
    flatkv.rollback(path, 3)
    print([command.split() for command in flatkv.remedies(path)])
    with flatkv.open_read_only(path) as other, other.overlay() as idea:
        print(idea.working_roots())
    summary = flatkv.import_state(io.BytesIO(), path, expect=roots)
    print(summary.stats["account"].rows)
    for entry in flatkv.log(path, first=1, changes=True):
        print(entry.version, entry.chain.hex(), entry.change_sets[0][1][0][0].hex())
    for version, change_sets in flatkv.read_blocks(path):
        print(version + 1, change_sets[0][0].upper())
    try:
        version, newest = flatkv.roots(path)
    except flatkv.NotFoundError as error:
        print(error.code.upper(), error.filename, error.errno, error.version)
