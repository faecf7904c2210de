#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What earlier programs wrote (README.md) is read to the last byte, with the roots of then, and goes on."""

import json
import pathlib
import shutil
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "cli"))
from support import *  # noqa: E402, F403
from make_fixtures import CLOSED, KILLED, PRUNED  # noqa: E402

LAST = 27  # of the trace `edge`


class Compatibility(Case):
    def unpack(self, name: str) -> pathlib.Path:
        subprocess.run(["tar", "--extract", "--zstd", "--file", HERE / f"{name}.tar.zst", "--directory", self.folder],
                       check=True)
        return self.folder / pathlib.Path(name).name

    def picture(self, store) -> dict:
        return {path.relative_to(store): path.read_bytes() for path in store.rglob("*") if path.is_file()}

    def reads(self, store, version: int, name: str = "edge", suffix: str = "", first: int = 1):
        """It is at this version, with the golden roots of all its log; nothing changes by that."""
        want = {line["version"]: line for line in roots_of(name, suffix)}
        before = self.picture(store)
        self.assertEqual(json.loads(self.run_ok("root", store).out), want[version])
        info = json.loads(self.run_ok("info", store, "--json").out)
        self.assertEqual(info["version"], version)
        logged = json_lines(self.run_ok("log", store).out)
        self.assertEqual([line["version"] for line in logged], list(range(first, version + 1)))
        for line in logged:
            self.assertEqual({key: line[key] for key in want[version]}, want[line["version"]])
        self.assertEqual({path: data for path, data in self.picture(store).items() if path.name != "LOCK"}, before)
        self.run_ok("verify", store)
        lines = [line for line in json_lines(text_of(trace(name))) if line["version"] <= version]
        rows = json_lines(self.run_ok("rows", store).out)
        self.assertEqual(rows, final_rows(lines, prune=suffix != ""))

    def goes_on(self, store, last: int, name: str = "edge", suffix: str = ""):
        """Every further block has the golden root, also after a rollback into what was written then."""
        golden = GOLDEN / f"{name}{suffix}.roots.jsonl"
        for back in (None, CLOSED - 2):
            if back:
                self.run_ok("rollback", store, back)
            self.run_ok("apply", store, trace(name), "--expect", golden, "--until", last)
            self.assertEqual(json.loads(self.run_ok("root", store).out), roots_of(name, suffix)[last - 1])
            self.run_ok("verify", store)
            if last < CLOSED:
                break

    def test_a_closed_store(self):
        store = self.unpack("first/closed")
        self.reads(store, CLOSED)
        self.assertEqual(json.loads(self.run_ok("root", store, "--at", PRUNED).out), roots_of("edge")[PRUNED - 1])
        snapshots = json_lines(self.run_ok("snapshots", store, "--json").out)
        self.assertIn(PRUNED, [snapshot["version"] for snapshot in snapshots])
        self.goes_on(store, LAST)

    def test_a_store_of_accounts(self):
        store = self.unpack("first/accounts")
        self.reads(store, 10, "accounts")
        self.goes_on(store, 40, "accounts")

    def test_a_killed_store_replays(self):
        store = self.unpack("first/killed")
        self.assertEqual(list(store.glob("gen-*/CLEAN")), [])
        self.reads(store, KILLED)
        self.goes_on(store, LAST)

    def test_a_torn_record_is_dropped(self):
        store = self.unpack("first/killed")
        segment = max(store.glob("gen-*/changelog/*.log"))
        data = segment.read_bytes().rstrip(b"\0")
        segment.write_bytes(data[:-5])
        self.run_ok("apply", store, self.file(""))
        self.assertEqual(json.loads(self.run_ok("root", store).out), roots_of("edge")[KILLED - 2])
        self.goes_on(store, LAST)

    def test_a_store_that_was_rolled_back(self):
        store = self.unpack("first/rolled-back")
        self.reads(store, CLOSED - 3)
        self.goes_on(store, LAST)

    def test_a_store_that_prunes_empty_accounts(self):
        store = self.unpack("first/prune-empty")
        self.reads(store, 4, "balances", ".prune_empty")
        self.goes_on(store, 12, "balances", ".prune_empty")

    def test_a_lost_database_is_made_of_snapshot_and_log(self):
        for database in ("storage", "account", "metadata"):
            store = self.unpack("first/closed")
            shutil.rmtree(next(store.glob(f"gen-*/working/{database}")))
            self.run_ok("apply", store, self.file(""))
            self.assertEqual(json.loads(self.run_ok("root", store).out), roots_of("edge")[CLOSED - 1])
            self.goes_on(store, LAST)
            shutil.rmtree(store)

    def test_a_stream(self):
        golden = GOLDEN / "edge.roots.jsonl"
        plain = self.folder / "state.flatkv"
        plain.write_bytes(subprocess.run(["zstd", "-dcq", HERE / "first/state.flatkv.zst"], check=True,
                                         capture_output=True).stdout)
        for stream in (plain, HERE / "first/state.flatkv.zst"):
            checked = json.loads(self.run_ok("check", stream, "--root", golden, "--json").out)
            self.assertEqual(checked["version"], CLOSED)
            store = self.folder / f"of-{stream.name}"
            self.run_ok("import", stream, store, "--root", golden)
            again = self.folder / "again"
            self.run_ok("export", store, again)
            self.assertEqual(again.read_bytes(), plain.read_bytes())
            self.run_ok("apply", store, trace("edge"), "--expect", golden)
            self.run_ok("verify", store)

    def test_a_stream_of_a_newer_format_is_refused(self):
        data = bytearray(subprocess.run(["zstd", "-dcq", HERE / "first/state.flatkv.zst"], check=True,
                                        capture_output=True).stdout)
        data[8] += 1  # the number behind the magic
        newer = self.folder / "newer"
        newer.write_bytes(data)
        for verb in (("check", newer), ("import", newer, self.store)):
            refused = self.run_exit(REFUSED, *verb, says="format 2, this program reads 1")
            self.assertIn("newer FlatKV that wrote", refused.err)
        self.assertFalse(self.store.exists())

    def test_parts_in_object_storage(self):
        parts = self.unpack("today/parts")
        golden = GOLDEN / "edge.roots.jsonl"
        self.run_ok("check", "--from", f"file:{parts}", "--root", golden)
        self.run_ok("import", "--from", f"file:{parts}", self.store, "--root", golden)
        self.run_ok("apply", self.store, trace("edge"), "--expect", golden)
        self.run_ok("verify", self.store)

    def test_parts_of_scans(self):
        scans = self.unpack("today/scans")
        merged = self.folder / "merged"
        self.run_ok("digest", "--merge", scans / "digest-1", scans / "digest-2", "--out", merged)
        whole = self.folder / "whole"
        self.run_ok("digest", self.unpack("first/closed"), "--out", whole)
        self.assertEqual(merged.read_bytes(), whole.read_bytes())
        self.run_ok("verify", "--merge", scans / "verify-1", scans / "verify-2")

    def test_a_replica(self):
        """Its last blocks are in the log alone, and can be undone at once."""
        store = self.unpack("today/replica")
        clean, = store.glob("gen-*/CLEAN")
        self.assertTrue(clean.read_text().startswith("flatkv-clean 2\n"))
        self.reads(store, KILLED)
        self.goes_on(store, LAST)


if __name__ == "__main__":
    unittest.main()
