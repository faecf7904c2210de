#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""digest, diff and bisect: where two nodes differ."""

import json
import subprocess
import time
import unittest

from support import *

HEAVY = "77" * 20


def altered(lines: list, version: int, change) -> str:
    """The lines with one pair of that version changed."""
    out = []
    for entry in lines:
        entry = json.loads(json.dumps(entry))
        if entry["version"] == version:
            change(entry["changesets"])
        out.append(json.dumps(entry) + "\n")
    return "".join(out)


def slots(version: int, count: int = 2000) -> str:
    """A block of one contract with most slots, and others."""
    pairs = [("03" + HEAVY + f"{i:064x}", f"{i + version:064x}") for i in range(count)]
    pairs += [("03" + f"{i * 7919:040x}" + "00" * 32, "01") for i in range(200)]
    pairs += [("ff" + "61" * i, "") for i in range(40)]
    return line(version, *pairs)


class Compare(Case):
    def setUp(self):
        super().setUp()
        self.other = self.folder / "other"

    def make(self, store, text, *more):
        self.run_ok("apply", store, "-", "--create", "--durability", "process", *more, stdin=text)

    def diff(self, a, b, *more, code=NO, **rest) -> dict:
        return json.loads(self.run_exit(code, "diff", a, b, "--json", *more, **rest).out)

    def digest(self, store, name, *more, code=DONE) -> pathlib.Path:
        path = self.folder / name
        self.run_exit(code, "digest", store, "--out", path, *more)
        return path


class Digest(Compare):
    def test_equal_states_give_equal_bytes(self):
        lines = json_lines(text_of(MAINNET))
        self.make(self.store, "".join(json.dumps(entry) + "\n" for entry in lines))
        for entry in lines:  # one process a block, so other flushes
            if entry["version"] % 7 == 0 or entry is lines[-1]:
                self.make(self.other, "".join(json.dumps(e) + "\n" for e in lines), "--until", entry["version"])
        one = self.digest(self.store, "a.digest")
        self.assertEqual(one.read_bytes(), self.digest(self.other, "b.digest").read_bytes())
        self.assertLess(one.stat().st_size, 300_000)
        piped = subprocess.run([FLATKV, "digest", self.store], capture_output=True, check=True)
        self.assertEqual(piped.stdout, one.read_bytes())
        told = json.loads(self.run_ok("digest", self.store, "--json").out)
        self.assertTrue(told["proven"])
        self.assertEqual(told["roots"], {name: roots_of("mainnet")[-1][name] for name in CHECKSUMS})
        for name in DATABASES:
            self.assertEqual(told["databases"][name]["checksum"], told["roots"][name])
        packed = self.digest(self.store, "a.digest.zst")
        self.assertLess(packed.stat().st_size, one.stat().st_size)
        for a, b in ((one, packed), (packed, self.other), (self.store, self.other)):
            self.assertTrue(self.diff(a, b, code=DONE)["equal"])
        self.assertEqual(self.run_ok("diff", one, self.other).out, "equal\n")

    def test_an_older_version_and_other_options(self):
        self.make(self.store, blocks(1, 30))
        old = self.digest(self.store, "old", "--at", 12, "--rate", 100000)
        self.make(self.other, blocks(1, 12))
        self.assertEqual(self.diff(old, self.other, code=DONE)["ranges"], [])
        self.assertTrue(self.diff(self.store, self.other, "--at", 12, code=DONE)["equal"])
        result = self.run_exit(NO, "diff", self.store, self.other, says="versions differ: 30 and 12")
        self.assertIn("differ", result.out)
        self.run_exit(REFUSED, "digest", self.store, "--at", 31)
        self.run_exit(REFUSED, "digest", self.folder / "nothing")
        self.run_exit(USAGE, "digest", self.store, "--start", "00")
        self.run_exit(USAGE, "digest", self.store, "--db", "storage", "--start", "0g")
        self.run_exit(USAGE, "diff", old, old, "--at", 3)
        self.run_exit(USAGE, "diff", "-", "-")

    def test_a_file_that_is_no_digest(self):
        self.make(self.store, blocks(1, 3))
        good = self.digest(self.store, "good").read_bytes()
        for bad in (b"", b"text", good[:-1], good[:200], good + b"x", good[:90] + b"\xff" + good[91:]):
            path = self.file(bad, "bad")
            result = self.run_exit(REFUSED, "diff", self.store, path, says=str(path))
            self.assertIn("offset", result.err)
        self.run_exit(REFUSED, "diff", self.store, "-", stdin=b"", says="standard input")

    def test_an_interrupt_leaves_no_file(self):
        self.make(self.store, slots(1))
        out = self.folder / "late"
        process = subprocess.Popen([FLATKV, "digest", self.store, "--rate", "100", "--out", out],
                                   stderr=subprocess.PIPE)
        time.sleep(1)
        interrupt(process)
        self.assertEqual(process.wait(30), 130, process.stderr.read())
        process.stderr.close()
        self.assertFalse(out.exists())


class Diff(Compare):
    def test_the_keys_with_both_values(self):
        lines = json_lines(slots(1))
        self.make(self.store, slots(1))

        def change(sets):
            pairs = sets[0]["pairs"]
            pairs[700]["value"] = "ab" * 32
            pairs[701] = {"key": "07" + pairs[2100]["key"][2:42], "value": "6001"}
            del pairs[-1]  # a row without a value

        self.make(self.other, altered(lines, 1, change))
        key = HEAVY + f"{700:064x}"
        gone = HEAVY + f"{701:064x}"
        code = f"{100 * 7919:040x}"
        want = [{"db": "code", "key": code, "a": None, "b": "6001"},
                {"db": "storage", "key": key, "a": f"{701:064x}", "b": "ab" * 32},
                {"db": "storage", "key": gone, "a": f"{702:064x}", "b": None},
                {"db": "legacy", "key": "ff" + "61" * 39, "a": "", "b": None}]
        found = self.diff(self.store, self.other)
        self.assertEqual(found["keys"], want)
        self.assertEqual((found["differing_keys"], found["equal"]), (4, False))
        people = self.run_exit(NO, "diff", self.store, self.other).out
        for text in (key, gone, "only in A", "no row", "empty", "4 keys differ"):
            self.assertIn(text, people)
        limited = self.diff(self.store, self.other, "--limit", 1)
        self.assertEqual((limited["keys"], limited["differing_keys"]), (want[:1], 4))
        self.assertEqual(len(limited["ranges"]), 1)
        self.assertIn("3 more", self.run_exit(NO, "diff", self.store, self.other, "--limit", 1).out)

    def test_by_exchanged_files_down_to_the_key(self):
        lines = json_lines(slots(1))
        self.make(self.store, slots(1))
        self.make(self.other, altered(lines, 1, lambda sets: sets[0]["pairs"][700].update(value="ab" * 32)))
        options = ["--leaf-rows", "500"]
        for exchange in range(6):
            files = [self.digest(store, name, *options).read_bytes()
                     for store, name in ((self.store, "a"), (self.other, "b"))]
            self.assertLess(max(map(len, files)), 20_000)
            found = self.diff(self.folder / "a", "-", stdin=files[1])
            self.assertEqual(found["differing_ranges"], 1)
            span = found["ranges"][0]
            self.assertEqual(span["db"], "storage")
            # The same against the store itself, which has its own rows to show.
            beside = self.diff(self.store, self.folder / "b")
            self.assertEqual(beside["ranges"], found["ranges"])
            if span["rows_a"] == 1:
                break
            advice = self.run_exit(NO, "diff", self.folder / "a", self.folder / "b").err
            self.assertIn(f"--start {span['start']} --end {span['end']}", advice)
            options = ["--db", "storage", "--start", span["start"], "--end", span["end"], "--leaf-rows", "10"]
            if exchange:
                options = options[:-2]
        self.assertEqual(span["start"], HEAVY + f"{700:064x}")

    def test_other_account_rows(self):
        text = line(1, ("0a" + "11" * 20, "0000000000000000"))
        for store, rows in ((self.store, "keep"), (self.other, "prune_empty")):
            self.run_ok("init", store, "--account-rows", rows)
            self.run_ok("apply", store, "-", stdin=text)
        result = self.run_exit(NO, "diff", self.store, self.other, says="account_rows differs")
        self.assertIn("11" * 20, result.out)
        parted = self.run_exit(NO, "bisect", self.store, self.other, says="account_rows differs")
        self.assertIn("version 1", parted.out)


class Bisect(Compare):
    def bisect(self, *more, code=NO, **rest) -> dict:
        return json.loads(self.run_exit(code, "bisect", self.store, self.other, "--json", *more, **rest).out)

    def test_an_altered_block_of_mainnet(self):
        lines = json_lines(text_of(MAINNET))
        first = lines[0]["version"]
        self.make(self.store, text_of(MAINNET))
        at = lines[17]["version"]
        pair = next(pair for pair in lines[17]["changesets"][0]["pairs"] if pair["key"].startswith("03"))

        def change(sets):
            for one in sets[0]["pairs"]:
                if one["key"] == pair["key"]:
                    one["value"] = "ee" * 32

        self.make(self.other, altered(lines, at, change))
        found = self.bisect()
        self.assertTrue(found["parted"])
        self.assertFalse(found["older"])
        self.assertFalse(found["same_block"])
        self.assertEqual((found["version"], found["databases"]), (at, ["storage"]))
        self.assertEqual([(row["db"], row["key"], row["b"]) for row in found["keys"]],
                         [("storage", pair["key"][2:], "ee" * 32)])
        want = json_lines(self.run_ok("get", self.store, pair["key"], "--at", at, "--json").out)[0]["value"]
        self.assertEqual(found["keys"][0]["a"], want)
        people = self.run_exit(NO, "bisect", self.store, self.other).out
        for text in (f"diverge at version {at}", "storage (expected", pair["key"][2:], "1 key differs"):
            self.assertIn(text, people)
        self.assertEqual(found["compared"]["first"], first - 1)

    def test_roots_that_meet_again(self):
        one, other = "aa" * 32, "bb" * 32
        for store, value in ((self.store, one), (self.other, other)):
            self.make(store, line(1, (slot_key(1), one)) + line(2, (slot_key(2), value))
                      + line(3, (slot_key(2), one)) + blocks(4, 9))
        self.assertEqual(self.run_ok("root", self.store).out, self.run_ok("root", self.other).out)
        self.assertEqual(self.bisect()["version"], 2)

    def test_no_parting(self):
        self.make(self.store, blocks(1, 20))
        self.make(self.other, blocks(1, 14))
        found = self.bisect(code=DONE)
        self.assertEqual((found["parted"], found["compared"]), (False, {"first": 0, "last": 14}))
        self.run_exit(DONE, "bisect", self.other, self.store, says="B goes on to version 20")
        self.run_exit(DONE, "bisect", self.store, self.store)

    def imported(self, text, at):
        """The other store begins at an imported state."""
        made = self.folder / "made"
        self.make(made, text, "--until", at)
        self.run_ok("export", made, self.folder / "stream")
        self.run_ok("import", self.folder / "stream", self.other)
        self.run_ok("apply", self.other, "-", stdin=text)

    def test_older_than_what_both_keep(self):
        self.make(self.store, blocks(1, 20))
        self.imported(blocks(1, 4) + blocks(5, 20, salt=1), 8)
        found = self.bisect()
        self.assertEqual((found["older"], found["version"], found["same_block"]), (True, 8, None))
        rows = self.diff(self.store, self.other, "--at", 8)
        self.assertEqual(found["keys"], rows["keys"])
        self.assertGreater(found["differing_keys"], 3)
        self.assertIn("or earlier", self.run_exit(NO, "bisect", self.store, self.other).out)

    def test_an_import_that_is_equal_parts_later(self):
        self.make(self.store, blocks(1, 20))
        self.imported(blocks(1, 11) + blocks(12, 20, salt=1), 8)
        found = self.bisect()
        self.assertEqual((found["older"], found["version"]), (False, 12))
        self.assertEqual(found["compared"]["first"], 8)
        self.assertEqual(found["differing_keys"], 3)

    def test_an_import_above_the_other_log(self):
        self.make(self.store, blocks(1, 5))
        self.imported(blocks(1, 20), 8)
        self.run_exit(REFUSED, "bisect", self.store, self.other, says="1 to 5")

    def test_other_initial_versions(self):
        self.make(self.store, blocks(1, 9))
        self.run_ok("init", self.other, "--initial-version", 5)
        self.run_ok("apply", self.other, "-", stdin=blocks(5, 9))
        result = self.run_exit(NO, "bisect", self.store, self.other, says="versions differ: 1 and 5")
        self.assertIn("version 4 already", result.out)

    def test_beside_writers(self):
        self.make(self.store, blocks(1, 6))
        self.make(self.other, blocks(1, 6, salt=1))
        writers = []
        for store, salt in ((self.store, 0), (self.other, 1)):
            writer = subprocess.Popen([FLATKV, "apply", store, "-"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL)
            writer.stdin.write(blocks(7, 12, salt=salt).encode())
            writer.stdin.flush()
            writers.append(writer)
        deadline = time.monotonic() + 60
        while self.version() < 10 and time.monotonic() < deadline:
            time.sleep(0.1)
        found = self.bisect()
        self.assertEqual((found["version"], found["differing_keys"]), (1, 3))
        for writer in writers:
            writer.stdin.close()
            self.assertEqual(writer.wait(60), DONE)

    def test_stores_that_are_none(self):
        self.make(self.store, blocks(1, 3))
        self.run_exit(REFUSED, "bisect", self.store, self.other)
        self.run_exit(USAGE, "bisect", self.store)


if __name__ == "__main__":
    unittest.main()
