#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""repair: what it rebuilds, what it refuses, what it says; and the advice of verify and info."""

import json
import shutil
import signal
import subprocess
import time
import unittest

from support import *


class Repair(Case):
    def setUp(self):
        super().setUp()
        self.apply(blocks(1, 20, rows=50))
        self.run_ok("snapshot", self.store)
        self.apply(blocks(21, 30, rows=100))
        self.before = self.root_line()

    def generation(self) -> pathlib.Path:
        return self.store / json.loads(self.run_ok("info", self.store, "--json").out)["generation"]

    def tables(self, shared: bool, database: str = "storage") -> list:
        """Live tables that some snapshot shares, or that none does."""
        found = sorted((self.generation() / "working" / database).glob("*.sst"))
        return [path for path in found if (path.stat().st_nlink > 1) == shared]

    def flip(self, path: pathlib.Path):
        """A bit in the second block: the first holds LocalMeta, without which nothing opens at all."""
        data = bytearray(path.read_bytes())
        data[5000 if len(data) > 9000 else len(data) // 2] ^= 1
        with path.open("r+b") as file:  # in place: the other links of the file see it
            file.write(data)

    def tree(self) -> dict:
        return {str(path.relative_to(self.store)): path.read_bytes() for path in self.store.rglob("*")
                if path.is_file() and path != self.store / "LOCK"}

    def test_a_damaged_table(self):
        self.flip(self.tables(shared=False)[0])
        said = self.run_exit(NO, "verify", self.store, says="storage")
        self.assertIn(f"flatkv repair {self.store} --db storage", said.err)
        done = self.run_ok("repair", self.store, "--db", "storage")
        for words in ("storage was damaged", "snapshot at version 20", "proven at     version 30"):
            self.assertIn(words, done.out)
        self.run_ok("verify", self.store)
        self.assertEqual(self.root_line(), self.before)
        self.apply(blocks(31, 33))
        self.run_ok("verify", self.store)

    def test_json(self):
        shutil.rmtree(self.generation() / "working" / "storage")
        done = json.loads(self.run_ok("repair", self.store, "--db", "storage", "--json").out)
        self.assertEqual((done["database"], done["repaired"], done["version"]), ("storage", True, 30))
        self.assertEqual((done["source"], done["source_version"]), ("snapshot", 20))
        self.assertEqual(done["checksum"], self.before["storage"])
        self.assertEqual(done["damage"]["database"], "storage")
        self.assertEqual(done["dropped_snapshots"], [])
        self.assertIn(30, done["kept_snapshots"])
        again = json.loads(self.run_ok("repair", self.store, "--db", "storage", "--json").out)
        self.assertEqual((again["repaired"], again["checksum"]), (False, self.before["storage"]))
        self.assertNotIn("source", again)
        self.run_ok("verify", self.store)

    def test_what_verifies_is_left_alone(self):
        before = self.tree()
        for database in DATABASES + ("metadata",):
            self.assertIn("nothing was changed", self.run_ok("repair", self.store, "--db", database).out)
        self.assertEqual(self.tree(), before)

    def test_shared_damage_and_a_stream(self):
        stream = self.folder / "state.flatkv.zst"
        self.run_ok("export", self.store, stream, "--at", 25)
        for path in sorted(self.generation().glob("snapshot-*")):
            if path.name.endswith("0" * 20):
                shutil.rmtree(path)  # the empty state, from which the whole log would lead
        for path in self.tables(shared=True):
            self.flip(path)
        before = self.tree()
        self.run_exit(REFUSED, "repair", self.store, "--db", "storage", says="hard links")
        self.assertEqual(self.tree(), before)
        (self.folder / "short").write_bytes(b"FLATKVX\nno")
        self.run_exit(REFUSED, "repair", self.store, "--db", "storage", "--from", self.folder / "short")
        self.run_exit(USAGE, "repair", self.store, "--db", "storage", "--from", self.folder / "none")
        self.assertEqual(self.tree(), before)
        done = json.loads(self.run_ok("repair", self.store, "--db", "storage", "--from", stream, "--json").out)
        self.assertEqual((done["source"], done["source_version"], done["version"]), ("stream", 25, 30))
        self.assertEqual(done["dropped_snapshots"], [20])
        self.assertEqual(done["kept_snapshots"], [30])
        self.run_ok("verify", self.store)
        self.assertEqual(self.root_line(), self.before)

    def test_a_stream_on_standard_input(self):
        stream = self.folder / "state.flatkv"
        self.run_ok("export", self.store, stream)
        shutil.rmtree(self.generation() / "working" / "storage")
        self.run_ok("repair", self.store, "--db", "storage", "--from", "-", stdin=stream.read_bytes())
        self.run_ok("verify", self.store)

    def test_metadata_of_a_store_that_does_not_open(self):
        other = self.folder / "other"
        self.run_ok("apply", other, self.file(blocks(1, 30, salt=7)), "--create")
        theirs = next(other.glob("gen-*")) / "working" / "metadata"
        ours = self.generation() / "working" / "metadata"
        shutil.rmtree(ours)
        shutil.copytree(theirs, ours)
        for path in ours.parent.parent.glob("snapshot-*"):  # from which an open would rebuild all five
            shutil.rmtree(path)
        self.run_exit(REFUSED, "apply", self.store, self.file(blocks(31, 31)))
        said = self.run_exit(REFUSED, "info", self.store, says="could help")
        self.assertIn(f"flatkv repair {self.store} --db metadata", said.err)
        right = self.run_exit(REFUSED, "repair", self.store, "--db", "storage", says="does not open")
        self.assertIn("nothing was changed", right.out)
        self.run_ok("repair", self.store, "--db", "metadata")
        self.run_ok("verify", self.store)
        self.assertEqual(self.root_line(), self.before)

    def test_two_that_do_not_open(self):
        stream = self.folder / "state.flatkv"
        self.run_ok("export", self.store, stream, "--at", 25)
        generation = self.generation()
        for path in generation.glob("snapshot-*"):
            shutil.rmtree(path)
        for database in ("account", "storage"):
            shutil.rmtree(generation / "working" / database)
        before = self.tree()
        both = f"flatkv repair {self.store} --db account --db storage"
        for database in ("account", "storage"):
            self.run_exit(REFUSED, "repair", self.store, "--db", database, says=both)
        said = self.run_exit(REFUSED, "info", self.store, says="could help")
        self.assertIn(both, said.err)
        self.run_exit(REFUSED, "repair", self.store, "--db", "account", "--db", "storage",
                      says="--db account --db storage --from STREAM")
        self.assertEqual(self.tree(), before)
        done = json.loads(self.run_ok("repair", self.store, "--db", "account", "--db", "storage",
                                      "--from", stream, "--json").out)["databases"]
        self.assertEqual([one["database"] for one in done], ["account", "storage"])
        for one in done:
            self.assertEqual((one["repaired"], one["source"], one["version"]), (True, "stream", 30))
            self.assertEqual(one["checksum"], self.before[one["database"]])
        self.run_ok("verify", self.store)
        self.assertEqual(self.root_line(), self.before)
        left = self.run_ok("repair", self.store, "--db", "account", "--db", "metadata").out
        self.assertEqual(left.count("nothing was changed"), 2)

    def test_wrong_use(self):
        self.run_exit(USAGE, "repair", self.store)
        self.run_exit(USAGE, "repair", self.store, "--db", "everything")
        self.run_exit(USAGE, "repair", self.store, "--db", "metadata", "--from", "-", stdin=b"")
        self.run_exit(REFUSED, "repair", self.folder / "nothing", "--db", "code")
        help_text = self.run_ok("repair", "--help").out
        for words in ("--from", "metadata", "hard links", "Example"):
            self.assertIn(words, help_text)

    def names(self, folder) -> set:
        return {path.relative_to(folder) for path in folder.rglob("*")}

    def test_interrupted_and_killed(self):
        self.store = self.folder / "large"
        self.apply(blocks(1, 300, rows=200))
        self.before = self.root_line()
        shutil.rmtree(self.generation() / "working" / "storage")
        damaged = self.folder / "damaged"
        shutil.copytree(self.store, damaged)
        started = time.monotonic()
        self.run_ok("repair", self.store, "--db", "storage")
        whole = time.monotonic() - started
        middle = 0
        for attempt in range(12):
            shutil.rmtree(self.store)
            shutil.copytree(damaged, self.store)
            process = subprocess.Popen([FLATKV, "repair", self.store, "--db", "storage"],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(whole * attempt / 11)
            interrupt(process) if attempt % 2 else process.kill()
            code = process.wait(timeout=60)
            self.assertIn(code, (0, 130, -signal.SIGKILL))
            middle += code != 0 and self.names(self.store) != self.names(damaged)
            self.run_ok("repair", self.store, "--db", "storage")
            self.assertEqual(self.root_line(), self.before)
            self.run_ok("verify", self.store)
        self.assertGreater(middle, 0, "no repair had begun when it was ended")


if __name__ == "__main__":
    unittest.main()
