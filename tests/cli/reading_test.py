#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The reading verbs: what they print, that they change nothing, and that a writer does not matter."""

import hashlib
import json
import os
import subprocess
import unittest

from support import *

ADDRESS = "11" * 20
OTHER = "22" * 20
SLOT = "00" * 31 + "07"

STATE = (
    line(1, ("0a" + ADDRESS, "00000000000000ff"), ("21" + ADDRESS, f"{10 ** 18:064x}"))
    + line(2, ("03" + ADDRESS + SLOT, "2a" * 32), ("07" + ADDRESS, "600160"), ("ff01", ""), ("ff02", "aabb"))
    + line(3, ("0a" + ADDRESS, "0000000000000100"), ("08" + ADDRESS, "cd" * 32), ("ff02", None),
           ("0a" + OTHER, "0000000000000001"))
)


def fingerprint(folder: pathlib.Path) -> dict:
    """Every file with its bytes; LOCK names whoever holds the store and is only for people."""
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "LOCK"}


class Reading(Case):
    def setUp(self):
        super().setUp()
        if not self.store.exists():
            self.apply(STATE)

    def test_get_account(self):
        got = json.loads(self.run_ok("get", self.store, "--account", "0x" + ADDRESS.upper(), "--json").out)
        self.assertEqual(got["version"], 3)
        self.assertEqual(got["nonce"], 256)
        self.assertEqual(got["balance"], f"{10 ** 18:064x}")
        self.assertEqual(got["code_hash"], "cd" * 32)
        old = json.loads(self.run_ok("get", self.store, "--account", ADDRESS, "--json", "--at", 1).out)
        self.assertEqual((old["version"], old["nonce"], old["code_hash"]), (1, 255, None))
        people = self.run_ok("get", self.store, "--account", ADDRESS).out
        self.assertIn("1000000000000000000", people)
        self.run_exit(NO, "get", self.store, "--account", OTHER, "--at", 2)
        missing = self.run_exit(NO, "get", self.store, "--account", "33" * 20, "--json")
        self.assertFalse(json.loads(missing.out)["found"])

    def test_get_values(self):
        for arguments, want in ((["--storage", ADDRESS, SLOT], "2a" * 32), (["--code", ADDRESS], "600160"),
                                (["ff01"], ""), (["0a" + ADDRESS], "0000000000000100"),
                                (["0x03" + ADDRESS + SLOT], "2a" * 32), (["21" + ADDRESS], f"{10 ** 18:064x}")):
            self.assertEqual(self.run_ok("get", self.store, *arguments).out, want + "\n")
            self.assertEqual(json.loads(self.run_ok("get", self.store, *arguments, "--json").out)["value"], want)
        for arguments in (["ff02"], ["ff03"], ["--code", OTHER], ["--storage", OTHER, SLOT], ["21" + OTHER],
                          ["--storage", ADDRESS, SLOT, "--at", "1"]):
            self.assertEqual(self.run_exit(NO, "get", self.store, *arguments).out, "")
        self.assertEqual(self.run_ok("get", self.store, "ff02", "--at", 2).out, "aabb\n")

    def test_rows(self):
        everything = json_lines(self.run_ok("rows", self.store).out)
        self.assertEqual(everything, final_rows(json_lines(STATE)))
        self.assertEqual(json_lines(self.run_ok("rows", self.store, "--limit", 2).out), everything[:2])
        self.assertEqual(self.run_ok("rows", self.store, "--limit", 0).out, "")
        accounts = [row for row in everything if row["db"] == "account"]
        self.assertEqual(json_lines(self.run_ok("rows", self.store, "--db", "account").out), accounts)
        for more, want in ((["--prefix", "22"], accounts[1:]), (["--start", OTHER], accounts[1:]),
                           (["--end", OTHER], accounts[:1]), (["--start", "11", "--end", "12"], accounts[:1])):
            got = self.run_ok("rows", self.store, "--db", "account", *more)
            self.assertEqual(json_lines(got.out), want)
        self.assertEqual(json_lines(self.run_ok("rows", self.store, "--at", 1).out),
                         final_rows(json_lines(STATE)[:1]))

    def test_log(self):
        records = json_lines(self.run_ok("log", self.store).out)
        self.assertEqual([record["version"] for record in records], [1, 2, 3])
        for record in records:
            self.assertEqual({name: record[name] for name in ("version",) + CHECKSUMS},
                             self.root_line("--at", record["version"]))
            self.assertGreater(record["bytes"], 0)
            self.assertIn("read_us", record)
        self.assertEqual([r["version"] for r in json_lines(self.run_ok("log", self.store, "--from", 2).out)], [2, 3])
        self.assertEqual([r["version"] for r in
                          json_lines(self.run_ok("log", self.store, "--from", 2, "--to", 2).out)], [2])
        changes = json_lines(self.run_ok("log", self.store, "--changes").out)
        self.assertEqual(changes, json_lines(STATE))
        self.run_exit(REFUSED, "log", self.store, "--from", 4, says="1 to 3")
        self.run_exit(REFUSED, "log", self.store, "--to", 9, says="1 to 3")
        self.run_exit(USAGE, "log", self.store, "--from", 3, "--to", 2)

    def test_versions_out_of_reach_are_refused_with_the_range(self):
        for verb in (["root"], ["rows"], ["verify"], ["get", "ff01"]):
            self.run_exit(REFUSED, verb[0], self.store, *verb[1:], "--at", 4, says="0 to 3")

    def test_verify(self):
        self.run_ok("verify", self.store)
        report = json.loads(self.run_ok("verify", self.store, "--json", "--rate", 100000).out)
        self.assertTrue(report["good"])
        self.assertEqual(set(report["databases"]), set(DATABASES))
        one = json.loads(self.run_ok("verify", self.store, "--json", "--db", "code").out)
        self.assertEqual(set(one["databases"]), {"code"})
        self.assertNotIn("roots", one)
        self.assertNotIn("sum_good", one)
        people = self.run_ok("verify", self.store, "--db", "code").out
        self.assertNotIn(self.root_line()["root"], people)
        self.assertIn("not proved", people)
        self.assertIn(self.root_line()["root"], self.run_ok("verify", self.store).out)

    def test_answers_from_a_log_that_lost_its_end_come_with_a_warning(self):
        for verb in (["root"], ["root", "--at", "2"], ["log"], ["log", "--changes"]):
            self.assertNotIn("warning", self.run_ok(verb[0], self.store, *verb[1:]).err.lower())
        generation = next(self.store.glob("gen-*"))
        (generation / "CLEAN").unlink()
        segment = max((generation / "changelog").iterdir())
        segment.write_bytes(segment.read_bytes()[:-1])
        before = fingerprint(self.store)
        for verb in (["root", "--at", "2"], ["log"], ["log", "--changes", "--to", "2"]):
            self.run_exit(DONE, verb[0], self.store, *verb[1:], says="ends at version 2")
        self.assertEqual(fingerprint(self.store), before)

    def test_a_log_that_is_damaged_below_the_databases(self):
        store, other = self.folder / "long", self.folder / "same"
        for path in (store, other):
            self.run_ok("apply", path, "-", "--create", "--durability", "process", stdin=blocks(1, 50))
        newest = self.run_ok("root", store).out
        rows = self.run_ok("rows", store).out
        damage_record(store, 20)
        for mark in ("with CLEAN", "without"):
            if mark == "without":
                next(store.glob("gen-*/CLEAN")).unlink()
            before = fingerprint(store)
            self.assertEqual(self.run_exit(DONE, "root", store, says="1 to 19").out, newest, mark)
            self.assertEqual(self.run_ok("rows", store).out, rows, mark)
            info = json.loads(self.run_exit(DONE, "info", store, "--json", says="history is lost").out)
            self.assertEqual((info["version"], info["opens"], info["log"]["last"]), (50, True, 19), mark)
            self.assertEqual(info["log_problem"]["version"], 20)
            self.assertIn("1 to 19", self.run_ok("info", store).out)
            for pair in ((store, other), (other, store)):
                self.run_exit(REFUSED, "bisect", *pair, says="1 to 19")
            self.run_exit(REFUSED, "root", store, "--at", 30)
            self.assertEqual(fingerprint(store), before)
        self.run_ok("apply", store, "-", stdin=blocks(51, 52))
        self.assertEqual(json.loads(self.run_ok("root", store).out)["version"], 52)

    def test_damage_in_an_older_segment_leaves_what_is_above_it(self):
        big = lambda version: line(version, *((slot_key(i), f"{version:064x}") for i in range(2000)))
        store = self.folder / "long"
        self.run_ok("apply", store, "-", "--create", "--durability", "process",
                    stdin="".join(big(version) for version in range(1, 501)))
        segments = sorted(store.glob("gen-*/changelog/*.log"))
        self.assertGreater(len(segments), 1)
        second = int(segments[1].stem)
        damage_record(store, 3)
        info = json.loads(self.run_exit(DONE, "info", store, "--json", says=f"1 to 2, {second} to 500").out)
        self.assertEqual(info["version"], 500)
        self.run_exit(DONE, "root", store, "--at", second + 1)

    def test_a_cut_log_of_a_closed_store(self):
        segment = next(self.store.glob("gen-*/changelog/*.log"))
        newest = self.run_ok("root", self.store).out
        segment.write_bytes(segment.read_bytes()[:-1])
        self.assertEqual(self.run_exit(DONE, "root", self.store, says="ends at version 2").out, newest)
        self.assertEqual(json.loads(self.run_ok("info", self.store, "--json").out)["version"], 3)
        self.apply(line(4, ("ff01", "")))
        self.assertEqual(self.version(), 4)

    def test_a_working_copy_that_is_unusable_does_not_verify(self):
        self.run_ok("snapshot", self.store)
        current = next(self.store.glob("gen-*/working/code/CURRENT"))
        current.unlink()
        before = fingerprint(self.store)
        report = self.run_exit(NO, "verify", self.store, "--json", says="working copy does not verify")
        report = json.loads(report.out)
        self.assertTrue(report["good"])  # snapshot and log
        self.assertEqual(report["working_copy"]["database"], "code")
        self.run_exit(NO, "verify", self.store, says="rebuilds the working copy")
        self.run_exit(DONE, "verify", self.store, "--at", 3, says="rebuilt")
        self.assertEqual(fingerprint(self.store), before)
        self.apply(line(4, ("ff01", "")))
        self.run_ok("verify", self.store)

    def test_what_is_no_store(self):
        plain = self.file("no store", "plain")
        for verb in (["info"], ["root"], ["rows"], ["log"], ["snapshots"], ["snapshot"], ["verify"]):
            refused = self.run_exit(REFUSED, verb[0], plain, *verb[1:], says="not a directory")
            self.assertNotIn("info STORE", refused.err)
        (self.folder / "begun" / "gen-00000001-import-tmp").mkdir(parents=True)
        people = self.run_exit(REFUSED, "info", self.folder / "begun", says="import_incomplete")
        self.assertEqual(people.out, "generation       none that is complete\n")
        begun = json.loads(self.run_exit(REFUSED, "info", self.folder / "begun", "--json").out)
        self.assertEqual((begun["generation"], begun["opens"]), (None, False))

    def test_a_bad_segment_names_its_path(self):
        segment = next(self.store.glob("gen-*/changelog/*.log"))
        segment.write_bytes(b"x" + segment.read_bytes()[1:])
        for verb in (["info"], ["verify"], ["apply", "-"]):
            self.run_exit(REFUSED, verb[0], self.store, *verb[1:], says=f"magic [path {segment}")

    def test_a_missing_file_is_told_in_readable_words(self):
        self.run_ok("apply", self.store, "-", stdin=blocks(4, 5))
        for table in self.store.glob("gen-*/working/storage/*.sst"):
            table.unlink()
        said = self.run_ok("info", self.store).err
        self.assertIn("No such file or directory", said)
        self.assertNotRegex(said, r"directory[A-Za-z]")

    def test_empty_options_are_refused(self):
        for arguments in (["digest", self.store, "--out", ""], ["rows", self.store, "--scratch", ""],
                          ["diff", self.store, self.store, "--scratch", ""], ["export", self.store, ""],
                          ["bisect", self.store, self.store, "--scratch", ""],
                          ["repair", self.store, "--db", "code", "--from", ""]):
            self.run_exit(USAGE, *arguments, says="empty")

    def test_snapshots(self):
        first = json_lines(self.run_ok("snapshots", self.store, "--json").out)
        self.run_ok("snapshot", self.store)
        self.run_ok("snapshot", self.store)  # one is there: nothing to do
        got = json_lines(self.run_ok("snapshots", self.store, "--json").out)
        self.assertEqual(len(got), len(first) + 1)
        self.assertEqual(got[-1]["version"], 3)
        self.assertTrue(got[-1]["valid"])
        self.assertEqual(got[-1]["roots"]["root"], self.root_line()["root"])
        self.assertIn(self.root_line()["root"], self.run_ok("snapshots", self.store).out)

    def test_info(self):
        info = json.loads(self.run_ok("info", self.store, "--json").out)
        self.assertEqual(info["version"], 3)
        self.assertEqual(info["account_rows"], "keep")
        self.assertEqual(info["initial_version"], 1)
        self.assertEqual(info["roots"]["root"], self.root_line()["root"])
        self.assertEqual(set(info["databases"]), set(DATABASES) | {"metadata"})
        self.assertEqual(info["databases"]["account"]["rows"], 2)
        self.assertEqual(info["databases"]["account"]["flushed_version"], 3)
        self.assertEqual(info["log"]["last"], 3)
        self.assertTrue(info["opens"])
        self.assertFalse(info["locked"])
        self.assertIn("committed", self.run_ok("info", self.store).out)

    def test_no_store(self):
        for verb in (["root"], ["info"], ["rows"], ["log"], ["verify"], ["snapshots"], ["snapshot"],
                     ["get", "ff01"], ["what-if", "-"]):
            for path in (self.folder / "nothing", self.folder):
                result = self.run_exit(REFUSED, verb[0], path, *verb[1:])
                self.assertEqual(result.out if verb[0] != "info" else "", "")
                self.assertFalse((self.folder / "nothing").exists())

    def test_nothing_that_reads_changes_the_store(self):
        before = fingerprint(self.store)
        for verb in (["root"], ["root", "--at", "1"], ["info"], ["rows"], ["rows", "--at", "2"], ["log"],
                     ["log", "--changes"], ["verify"], ["snapshots"], ["get", "ff01"], ["what-if", "-"]):
            self.run_ok(verb[0], self.store, *verb[1:])
            self.assertEqual(fingerprint(self.store), before, verb)

    def test_a_broken_store_is_said_to_be_broken_and_left_alone(self):
        current = self.store / "CURRENT"
        data = bytearray(current.read_bytes())
        manifest = next(self.store.glob("gen-*/MANIFEST.json"))
        broken = bytearray(manifest.read_bytes())
        broken[len(broken) // 2] ^= 1
        manifest.write_bytes(broken)
        before = fingerprint(self.store)
        for verb in (["root"], ["info"], ["rows"], ["verify"], ["get", "ff01"], ["snapshot"]):
            self.run_exit(REFUSED, verb[0], self.store, *verb[1:])
        self.assertEqual(fingerprint(self.store), before)
        self.assertEqual(current.read_bytes(), bytes(data))

    def test_every_reading_verb_beside_a_writer(self):
        writer = subprocess.Popen([FLATKV, "apply", self.store, "-", "--durability", "process", "--roots", "-"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        more = line(4, ("ff05", "05")) + line(5, ("ff06", "06")) + line(6, ("ff07", "07"))
        writer.stdin.write((STATE + more).encode())
        writer.stdin.flush()
        while json.loads(writer.stdout.readline())["version"] != 5:
            pass
        lines = json_lines(STATE + more)[:5]
        self.assertEqual(self.root_line()["version"], 5)
        self.assertEqual(self.root_line("--at", 2)["version"], 2)
        info = json.loads(self.run_ok("info", self.store, "--json").out)
        self.assertTrue(info["locked"])
        self.assertTrue(info["databases_from_snapshot"])
        self.assertEqual(info["version"], 5)
        self.assertEqual(len(json_lines(self.run_ok("log", self.store).out)), 5)
        self.run_ok("snapshots", self.store)
        self.assertEqual(json_lines(self.run_ok("rows", self.store).out), final_rows(lines))
        self.assertEqual(json_lines(self.run_ok("rows", self.store, "--at", 4).out), final_rows(lines[:4]))
        self.assertEqual(self.run_ok("get", self.store, "ff06").out, "06\n")
        report = json.loads(self.run_ok("verify", self.store, "--json").out)
        self.assertEqual((report["version"], report["good"]), (5, True))
        what_if = json_lines(self.run_ok("what-if", self.store, "-", stdin=more).out)
        self.run_exit(REFUSED, "snapshot", self.store, says="locked")
        writer.stdin.close()
        self.assertEqual(json.loads(writer.stdout.readline()), what_if[0])
        self.assertEqual(writer.wait(60), 0)
        writer.stdout.close()
        writer.stderr.close()
        self.assertEqual(self.version(), 6)
        self.assertEqual([path.name for path in self.store.iterdir() if path.name.startswith("readonly")], [])


if __name__ == "__main__":
    unittest.main()
