#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`log --follow` beside a writer."""

import json
import signal
import subprocess
import unittest

from support import FLATKV, REFUSED, Case, blocks, interrupt


class Follow(Case):
    def follow(self, *more) -> subprocess.Popen:
        process = subprocess.Popen([FLATKV, "log", self.store, "--follow", *more], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def read(self, process: subprocess.Popen, first: int, last: int) -> None:
        for version in range(first, last + 1):
            self.assertEqual(json.loads(process.stdout.readline())["version"], version)

    def test_later_blocks_come_as_they_are_committed(self):
        self.apply(blocks(1, 3))
        process = self.follow()
        self.read(process, 1, 3)
        self.apply(blocks(4, 6))
        self.read(process, 4, 6)
        self.apply(blocks(7, 7))
        self.read(process, 7, 7)
        interrupt(process, signal.SIGTERM)
        self.assertEqual(process.wait(30), 143)

    def test_from_the_next_block_to_one_that_is_to_come(self):
        self.apply(blocks(1, 3))
        process = self.follow("--from", "4", "--to", "5", "--changes")
        self.apply(blocks(4, 6))
        self.read(process, 4, 5)
        self.assertEqual(process.wait(30), 0)
        self.assertEqual(process.stdout.read(), "")
        self.run_exit(REFUSED, "log", self.store, "--follow", "--from", "8", says="holds 1 to 6")

    def test_a_rollback_below_what_was_printed_ends_it(self):
        self.apply(blocks(1, 5))
        process = self.follow()
        self.read(process, 1, 5)
        self.run_ok("rollback", self.store, 3)
        self.assertEqual(process.wait(30), REFUSED)
        self.assertIn("version_mismatch", process.stderr.read())

    def test_without_it_the_log_ends(self):
        self.apply(blocks(1, 3))
        self.assertEqual(len(self.run_ok("log", self.store).out.splitlines()), 3)


if __name__ == "__main__":
    unittest.main()
