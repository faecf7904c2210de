#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the fixtures beside it, as README.md says. They are kept as they are: they show what programs of their day wrote.

  make_fixtures.py first PROGRAM   what every program writes, by the first release's
  make_fixtures.py today TREE      what came later, by the programs of a tree with the tests; needs scripts/cluster-test's
                                   broker, in KAFKA_LIBS"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / part) for part in ("cli", "cluster")]
from support import text_of, trace  # noqa: E402

PRUNED, CLOSED, KILLED = 6, 14, 17  # versions
DEPTH = 4  # how far the topic goes back


def lines_of(name: str, last: int, first: int = 1) -> str:
    return "".join(line + "\n" for line in text_of(trace(name)).splitlines() if first <= json.loads(line)["version"] <= last)


class Maker:
    def __init__(self, program: str, into: pathlib.Path, work: pathlib.Path):
        self.program, self.into, self.work = program, into, work
        into.mkdir(exist_ok=True)

    def run(self, *arguments, stdin: str = ""):
        subprocess.run([self.program, *map(str, arguments)], input=stdin.encode(), check=True, stdout=subprocess.DEVNULL)

    def apply(self, store, name: str, last: int, first: int = 1, *more):
        self.run("apply", store, "-", *more, stdin=lines_of(name, last, first))

    def pack(self, folder: pathlib.Path, name: str):
        """Without what says nothing: RocksDB's reports and locks."""
        subprocess.run(["tar", "--create", "--zstd", "--sort=name", "--owner=0", "--group=0", "--numeric-owner",
                        "--exclude=LOG", "--exclude=LOG.old.*", "--exclude=LOCK", "--directory", folder.parent, "--file",
                        self.into / f"{name}.tar.zst", folder.name], check=True)

    def closed(self, name: str, trace_name: str = "edge", last: int = CLOSED) -> pathlib.Path:
        store = self.work / name
        self.apply(store, trace_name, PRUNED, 1, "--create")
        self.run("snapshot", store)
        self.apply(store, trace_name, last, PRUNED + 1)
        return store

    def stores(self):
        self.pack(self.closed("closed"), "closed")
        self.pack(self.closed("accounts", "accounts", 10), "accounts")
        rolled_back = self.closed("rolled-back")
        self.run("rollback", rolled_back, CLOSED - 3)
        self.pack(rolled_back, "rolled-back")
        pruning = self.work / "prune-empty"
        self.run("init", pruning, "--account-rows", "prune_empty", "--initial-version", 1)
        self.apply(pruning, "balances", 4)
        self.pack(pruning, "prune-empty")

    def killed(self):
        """The store as it lies there when KILLED was acknowledged: its databases are behind its log."""
        store = self.closed("killed")
        process = subprocess.Popen([self.program, "apply", store, "-", "--roots", "-"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        process.stdin.write(lines_of("edge", KILLED + 1, CLOSED + 1))  # the last line tells that the one before is whole
        process.stdin.flush()
        while json.loads(process.stdout.readline())["version"] < KILLED:
            pass
        process.kill()
        process.wait()
        self.pack(store, "killed")

    def stream(self):
        self.run("export", self.work / "closed", self.into / "state.flatkv.zst")

    def parts(self):
        store = self.closed("whole")
        shutil.rmtree(self.work / "parts", True)
        self.run("export", store, "--to", f"file:{self.work}/parts")
        self.pack(self.work / "parts", "parts")
        scans = self.work / "scans"
        scans.mkdir()
        for verb in ("digest", "verify"):
            for i in (1, 2):
                self.run(verb, store, "--part", f"{i}/2", "--out", scans / f"{verb}-{i}")
        self.pack(scans, "scans")

    def topic(self):
        """A leader that goes back, what is published of it, and a replica, whose last blocks are in its log alone."""
        from cluster_test import Cluster, wait_for

        class Shallow(Cluster):
            def run(self, name, *arguments):
                return super().run(name, *arguments, *(("--depth", DEPTH) if arguments[0] == "publish" else ()))

        cluster = Shallow(self.work)
        try:
            replica = cluster.follow("replica")
            self.apply(cluster.leader.store, "edge", CLOSED)
            cluster.leader.version = CLOSED
            cluster.wait_until_equal()
            self.run("export", cluster.leader.store, "--to", cluster.snapshots, "--at", CLOSED - 3)
            self.run("rollback", cluster.leader.store, CLOSED - 3)
            self.apply(cluster.leader.store, "edge", KILLED, CLOSED - 2)
            cluster.leader.version = KILLED
            cluster.wait_until_equal()
            wait_for("the snapshot is announced", lambda: cluster.publisher.status()["markers"] > 0)
            for runner in (cluster.publisher, replica):
                runner.stop()
            self.pack(replica.store, "replica")
            dumped = subprocess.run([os.environ["TOPIC_TOOL"], "dump", cluster.broker.address, "state"], check=True,
                                    capture_output=True).stdout
            subprocess.run(["zstd", "-q", "-f", "-19", "-o", self.into / "topic.jsonl.zst"], input=dumped, check=True)
        finally:
            cluster.end()


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("first", "today"):
        sys.exit(__doc__)
    which, where = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
    with tempfile.TemporaryDirectory(prefix="flatkv-fixtures-") as work:
        if which == "first":
            maker = Maker(str(where), HERE / which, pathlib.Path(work))
            maker.stores()
            maker.killed()
            maker.stream()
        else:
            program = str(where / "bin/flatkv")
            os.environ |= {"FLATKV": program, "TOPIC_TOOL": str(where / "bin/topic_tool"), "LIBRARY_TEST": "none",
                           "MEMORY_TEST": "none"}
            maker = Maker(program, HERE / which, pathlib.Path(work))
            maker.parts()
            maker.topic()


if __name__ == "__main__":
    main()
