#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `apply` and `what-if` take, what they refuse, and that refusing changes nothing."""

import json
import subprocess
import unittest

from support import *


class Input(Case):
    def refused(self, code: int, text, version: int, *more, says: str = ""):
        """Applies to a store at `version`, which has to stay there and stay whole."""
        self.apply(blocks(1, version))
        before = self.root_line()
        self.apply(text, *more, code=code, says=says)
        self.assertEqual(self.root_line(), before)
        self.apply(blocks(1, version + 2))  # and it goes on
        self.assertEqual(self.version(), version + 2)

    def test_garbage(self):
        for text in ("garbage\n", "{}\n", "[]\n", "\x00\x01\x02", '{"version":4', '{"version":4}\n',
                     '{"version":"4","changesets":[]}\n', '{"version":4.5,"changesets":[]}\n',
                     '{"version":4,"changesets":[]} x\n', '{"version":99999999999999999999,"changesets":[]}\n'):
            with self.subTest(text):
                self.setUp()
                self.refused(USAGE, text, 3, says="line 1")

    def test_the_last_version_there_can_be(self):
        last = 2 ** 63 - 1
        self.run_ok("init", self.store, "--initial-version", last - 1)
        self.apply(blocks(last - 1, last), "--until", last)
        self.assertEqual(self.version(), last)
        self.apply(blocks(last - 1, last))  # held, and compared
        again = self.file(line(last, (slot_key(1), "01")))
        self.run_exit(REFUSED, "what-if", self.store, again, says=f"none: {last} is the last")
        self.apply(blocks(last, last) + line(1, (slot_key(1), "01")), code=REFUSED, says=f"none: {last} is the last")
        self.apply(line(last + 1, (slot_key(1), "01")), code=USAGE, says="not a 64-bit integer")
        for verb in ("root", "export", "rows", "get"):
            more = {"export": [self.file("", "out"), "--force"], "get": [slot_key(1)]}.get(verb, [])
            self.run_exit(USAGE, verb, self.store, *more, "--at", last + 1)
        self.assertEqual([entry["version"] for entry in
                          json_lines(self.run_ok("log", self.store, "--from", last - 1, "--to", last).out)],
                         [last - 1, last])
        self.run_exit(REFUSED, "log", self.store, "--from", 1, says=f"{last - 1} to {last}")
        self.run_ok("rollback", self.store, last - 1)
        self.apply(blocks(last, last))
        self.assertEqual(self.version(), last)

    def test_malformed_pairs_name_line_and_version(self):
        for pair, says in (('{"key":"0a1"}', "key has an odd"), ('{"key":"zz"}', "key is not hex"),
                           ('{"value":"01"}', "no key"), ('{"key":5}', "key is not a string"),
                           ('{"key":"01","value":"0x0"}', "value has an odd"),
                           ('{"key":"01","delete":1}', "delete is neither")):
            with self.subTest(pair):
                self.setUp()
                bad = f'{{"version":4,"changesets":[{{"name":"evm","pairs":[{pair}]}}]}}\n'
                self.refused(USAGE, bad, 3, says=f"line 1, version 4: change set 1, pair 1: {says}")

    def test_a_bad_second_line_leaves_the_block_uncommitted(self):
        self.refused(USAGE, line(4, (slot_key(1), "01")) + '{"version":4,"changesets":[{}]}\n', 3,
                     says="line 2")

    def test_a_block_before_the_bad_one_stays(self):
        self.apply(blocks(1, 3))
        self.apply(blocks(4, 5) + "garbage\n", code=USAGE, says="line 3")
        self.assertEqual(self.version(), 4)  # 5 was not known to be complete

    def test_what_the_store_refuses(self):
        for key, value, says in (("", "01", "empty key"), ("0a" + "11" * 20, "01", "nonce of 1 bytes"),
                                 ("08" + "11" * 20, "01" * 31, "code hash of 31 bytes"),
                                 ("21" + "11" * 20, "01" * 33, "balance of 33 bytes"),
                                 ("ff" * (65536 + 1), "01", "key of 65537 bytes")):
            with self.subTest(key[:4]):
                self.setUp()
                text = line(4, (slot_key(1), "01")) + line(4, (slot_key(2), "02"), (key, value))
                self.refused(REFUSED, text, 3, says=f"line 2, version 4: invalid_argument: change set 1, pair 2: {says}")

    def test_an_oversized_value(self):
        self.refused(REFUSED, line(4, ("ff01", "00" * ((64 << 20) + 1))), 3, says="version 4")

    def test_an_empty_name_is_refused_and_other_modules_are_ignored(self):
        self.refused(REFUSED, line(4, (slot_key(1), "01"), name=""), 3, says="line 1, version 4")
        result = self.apply(line(6, ("0a01", "02"), name="bank"), "--json")
        self.assertEqual(json.loads(result.out)["ignored_change_sets"], 1)

    def test_gaps(self):
        self.refused(REFUSED, blocks(5, 6), 3, says="version 5")
        self.setUp()
        self.apply(blocks(1, 3) + blocks(5, 6), code=REFUSED, says="line 4, version 5")
        self.assertEqual(self.version(), 3)
        self.setUp()
        self.apply(blocks(1, 3) + blocks(2, 2), code=REFUSED, says="line 4, version 2")

    def test_versions_below_one(self):
        for version in (0, -1, -(2 ** 63)):
            self.apply(f'{{"version":{version},"changesets":[]}}\n', code=USAGE, says="line 1")
        self.assertFalse(self.store.exists() and any(self.store.iterdir()))

    def test_below_the_initial_version(self):
        self.run_ok("init", self.store, "--initial-version", 10)
        self.assertEqual(self.version(), 9)
        self.apply(blocks(9, 12), code=REFUSED, says="first version 10")
        self.assertEqual(self.version(), 9)
        self.apply(blocks(10, 12))
        self.assertEqual(self.version(), 12)
        self.apply(blocks(9, 12), code=REFUSED)

    def test_create(self):
        self.run_exit(REFUSED, "apply", self.store, self.file(blocks(1, 2)), says="not_found")
        self.assertFalse(self.store.exists())
        self.apply(blocks(2, 3), code=REFUSED, says="version 2")
        self.assertFalse(self.store.exists())
        self.apply("garbage", code=USAGE)
        self.assertFalse(self.store.exists())
        self.apply(blocks(1, 2))
        self.apply(blocks(1, 4))
        self.assertEqual(self.version(), 4)
        self.run_exit(REFUSED, "init", self.store)
        self.assertEqual(self.version(), 4)

    def test_empty_input(self):
        for text in ("", "\n", " \n\r\n"):
            self.apply(text)
        self.assertEqual(self.version(), 0)

    def test_byte_order_mark_carriage_returns_and_no_last_newline(self):
        text = blocks(1, 3).replace("\n", "\r\n\r\n").rstrip()
        self.apply(b"\xef\xbb\xbf" + text.encode())
        self.assertEqual(self.version(), 3)

    def test_another_chains_file_never_continues_a_store(self):
        self.apply(blocks(1, 5))
        before = self.root_line()
        self.apply(blocks(1, 9, salt=1), code=REFUSED, says="version 1")
        other = blocks(1, 4) + blocks(5, 9, salt=1)
        self.apply(other, code=REFUSED, says="version 5")
        self.assertEqual(self.root_line(), before)

    def test_held_blocks_count_apply_calls_together(self):
        one = line(1, (slot_key(1), "01"), (slot_key(2), "02"))
        two = line(1, (slot_key(1), "01")) + line(1, (slot_key(2), "02"))
        self.apply(two)
        self.apply(two)
        self.apply(one, code=REFUSED)  # the log keeps the sets as they came

    def test_until(self):
        self.apply(blocks(1, 9), "--until", 4)
        self.assertEqual(self.version(), 4)
        self.apply(blocks(1, 9), "--until", 3)
        self.assertEqual(self.version(), 4)
        self.apply(blocks(1, 9) + "garbage after\n", "--until", 6)
        self.assertEqual(self.version(), 6)
        self.apply(blocks(7, 7), "--until", 7)
        self.assertEqual(self.version(), 7)

    def test_roots_are_written_for_held_and_new_blocks(self):
        self.apply(blocks(1, 3))
        out = self.folder / "roots"
        self.apply(blocks(2, 6), "--roots", out)
        got = json_lines(out.read_text())
        self.assertEqual([root["version"] for root in got], [2, 3, 4, 5, 6])
        for root in got:
            self.assertEqual(self.root_line("--at", root["version"]), root)
        packed = self.folder / "roots.zst"
        self.apply(blocks(2, 6), "--roots", packed)
        self.assertEqual(json_lines(text_of(packed)), got)
        self.assertEqual(json_lines(self.apply(blocks(2, 6), "--roots", "-").out), got)
        self.assertEqual(json_lines(self.apply(blocks(2, 6), "--roots", "-", "--json").out), got)

    def test_roots_never_overwrite_an_input(self):
        file = self.file(blocks(1, 3))
        self.run_exit(USAGE, "apply", self.store, file, "--create", "--roots", file)
        self.assertEqual(file.read_text(), blocks(1, 3))

    def expectation(self, last: int) -> list:
        model = self.folder / "model"
        out = self.folder / "model.roots"
        self.run_ok("apply", model, "-", "--create", "--roots", out, stdin=blocks(1, last))
        return out.read_text().splitlines(True)

    def test_expect_stops_before_the_first_block_that_differs(self):
        want = self.expectation(8)
        for checksum in CHECKSUMS:
            with self.subTest(checksum):
                self.setUp()
                lines = list(want)
                changed = json.loads(lines[4])
                changed[checksum] = ("0" if changed[checksum][0] != "0" else "1") + changed[checksum][1:]
                lines[4] = json.dumps(changed) + "\n"
                expected = self.file("".join(lines), "expected")
                self.apply(blocks(1, 8), "--expect", expected, code=NO, says="version 5")
                self.assertEqual(self.version(), 4)
                self.apply(blocks(1, 8), "--expect", self.file("".join(want), "right"))
                self.assertEqual(self.version(), 8)
                # Held blocks are compared as well.
                self.apply(blocks(1, 8), "--expect", expected, code=NO, says="version 5")

    def test_expect_that_lacks_a_version(self):
        want = self.expectation(8)
        self.apply(blocks(1, 8), "--expect", self.file("".join(want[:5]), "short"), code=NO, says="version 6")
        self.assertEqual(self.version(), 5)
        self.apply(blocks(1, 8), "--expect", self.file("".join(want[:6] + want[7:]), "gap"), code=NO,
                   says="version 7")
        self.assertEqual(self.version(), 6)
        self.apply(blocks(1, 8), "--expect", self.file("", "empty"), code=NO)
        self.apply(blocks(1, 8), "--expect", self.file("garbage\n", "garbage"), code=USAGE, says="line 1")
        self.apply(blocks(1, 8), "--expect", self.folder / "nothing", code=USAGE)
        self.assertEqual(self.version(), 6)

    def test_compressed_input(self):
        whole = subprocess.run(["zstd", "-cq"], input=blocks(1, 2000).encode(), check=True,
                               capture_output=True).stdout
        for cut in (len(whole) // 2, len(whole) - 1, 3, 0):
            short = self.file(whole[:cut], f"short{cut}.jsonl.zst")
            result = self.run_exit(USAGE, "apply", self.store, short, "--create", "--durability", "process",
                                   says="compressed")
        version = self.version() if self.store.exists() else 0
        self.assertLess(version, 2000)
        self.run_ok("apply", self.store, self.file(whole, "whole.jsonl.zst"), "--create", "--durability",
                    "process")
        self.assertEqual(self.version(), 2000)
        self.run_exit(USAGE, "apply", self.store, self.file("plain", "plain.zst"), says="compressed")

    def test_protobuf(self):
        stream = to_pb(json_lines(blocks(1, 5)))
        self.apply(stream, "--format", "pb")
        self.assertEqual(self.version(), 5)
        more = to_pb(json_lines(blocks(6, 7)))
        self.apply(more[:-3], "--format", "pb", code=USAGE, says="record 2")
        self.assertEqual(self.version(), 5)
        self.apply(varint(1 << 40), "--format", "pb", code=USAGE)
        self.apply(varint(1 << 30) + b"x", "--format", "pb", code=USAGE)
        self.apply(blocks(6, 6), "--format", "pb", code=USAGE)
        self.apply(to_pb(json_lines(blocks(8, 8))), "--format", "pb", code=REFUSED, says="version 8")
        self.apply(to_pb([{"version": 0, "changesets": []}]), "--format", "pb", code=USAGE)
        self.assertEqual(self.version(), 5)

    def test_what_if(self):
        self.apply(blocks(1, 4))
        two = line(5, (slot_key(1), "01")) + line(5, (slot_key(2), "02"))
        before = self.root_line()
        result = self.run_ok("what-if", self.store, "-", stdin=blocks(1, 4) + two + blocks(6, 6))
        got = json_lines(result.out)
        self.assertEqual([root["version"] for root in got], [5, 5])
        self.assertEqual(self.root_line(), before)
        self.run_exit(REFUSED, "what-if", self.store, "-", stdin=blocks(6, 6), says="version 6")
        self.run_exit(REFUSED, "what-if", self.store, "-", stdin=blocks(4, 4))
        self.run_exit(USAGE, "what-if", self.store, "-", stdin="garbage")
        self.run_exit(REFUSED, "what-if", self.store, "-", stdin=line(5, ("", "01")), says="line 1, version 5")
        self.apply(two)
        self.assertEqual(self.root_line(), got[1])

    def test_what_if_lines_that_build_on_one_another(self):
        self.apply(blocks(1, 4))
        more = blocks(5, 5) + line(6, (slot_key(1), "01")) + line(6, (slot_key(2), "02")) + blocks(7, 70)
        result = self.run_ok("what-if", self.store, "-", "--on", stdin=blocks(1, 4) + more)
        got = json_lines(result.out)
        self.assertEqual([root["version"] for root in got], [5, 6, 6, *range(7, 71)])
        self.assertEqual(self.version(), 4)
        for wrong in (blocks(6, 7), blocks(5, 5) + blocks(7, 7), blocks(5, 6) + blocks(5, 5)):
            self.run_exit(REFUSED, "what-if", self.store, "-", "--on", stdin=wrong, says="the next version is")
        self.apply(more)
        self.assertEqual(self.root_line(), got[-1])


if __name__ == "__main__":
    unittest.main()
