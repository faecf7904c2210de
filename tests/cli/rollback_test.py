#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""rollback: by hand, refused, interrupted, and of a store that does not open."""

import json
import shutil
import unittest

from support import *


class Rollback(Case):
    def setUp(self):
        super().setUp()
        self.apply(blocks(1, 20))
        self.run_ok("snapshot", self.store)
        self.apply(blocks(21, 30))

    def root(self, *arguments):
        return json.loads(self.run_ok("root", self.store, *arguments).out)

    def test_back_and_on(self):
        want = {version: self.root("--at", version) for version in (0, 7, 20, 25, 30)}
        for version in (30, 25, 20, 7, 0):
            said = json.loads(self.run_ok("rollback", self.store, version, "--json").out)
            self.assertEqual(said["version"], version)
            self.assertEqual(self.root(), want[version])
            self.run_ok("verify", self.store)
        self.apply(blocks(1, 30))
        self.assertEqual(self.root(), want[30])
        self.assertIn("version 12", self.run_ok("rollback", self.store, 12).out)
        self.apply(blocks(13, 16, salt=5))
        self.assertEqual(self.root()["version"], 16)
        self.run_ok("verify", self.store)

    def test_refused(self):
        before = self.root()
        refused = self.run_exit(REFUSED, "rollback", self.store, 31)
        self.assertIn("0 to 30", refused.err)
        self.assertEqual(refused.out, "")
        self.run_exit(USAGE, "rollback", self.store, "-1")
        self.run_exit(USAGE, "rollback", self.store, "x")
        self.run_exit(USAGE, "rollback", self.store)
        self.assertEqual(self.root(), before)
        self.run_exit(REFUSED, "rollback", self.store.parent / "nothing", 1)

    def test_of_a_store_that_does_not_open(self):
        want = self.root("--at", 20)
        generation = next(self.store.glob("gen-*"))
        shutil.rmtree(generation / "changelog")
        shutil.rmtree(generation / "working" / "code")
        info = self.run_exit(REFUSED, "info", self.store, "--json")
        remedies = json.loads(info.out)["remedies"]
        self.assertIn(f"flatkv rollback {self.store} 20", remedies)
        self.run_exit(REFUSED, "snapshot", self.store)
        self.run_exit(REFUSED, "rollback", self.store, 21)
        self.run_ok("rollback", self.store, 20)
        self.assertEqual(self.root(), want)
        self.run_ok("verify", self.store)


if __name__ == "__main__":
    unittest.main()
