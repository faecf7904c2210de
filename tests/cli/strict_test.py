#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Strict mode: mistakes that are taken in silence without it."""

import json
import unittest

from support import REFUSED, USAGE, Case, field, json_lines, line, slot_key, to_pb, varint

GOOD = line(1, (slot_key(1), "01"))
SHORT_KEY = line(2, (slot_key(2), "02"), (slot_key(1)[:-2], "01"))
WRONG_MODULE = line(2, (slot_key(1), "01"), name="EVM")
LEGACY = line(2, ("09" + "aa" * 20, "01"))
MISSPELT = line(2, (slot_key(1), "01")).replace('"value"', '"vaule"')
NO_VALUE = json.dumps({"version": 2, "changesets": [{"name": "evm", "pairs": [
    {"key": slot_key(1), "value": "01"}, {"key": slot_key(2)}]}]}) + "\n"


class Strict(Case):
    def setUp(self):
        super().setUp()
        self.apply(GOOD)

    def test_without_it_all_of_them_are_taken(self):
        for number, block in enumerate([SHORT_KEY, WRONG_MODULE, LEGACY, MISSPELT, NO_VALUE]):
            self.apply(block.replace('"version": 2', f'"version": {number + 2}'))
        self.assertEqual(self.version(), 6)

    def refused(self, verb, block, code, *says, options=()):
        result = self.run_exit(code, verb, self.store, "-", "--strict", *options, stdin=block, says=says[0])
        for what in says:
            self.assertIn(what, result.err)
        self.assertEqual(self.version(), 1)

    def test_each_is_refused_and_named(self):
        for verb in ("apply", "what-if"):
            self.refused(verb, SHORT_KEY, REFUSED, "line 1, version 2", "change set 1, pair 2", "a key of 52 bytes")
            self.refused(verb, WRONG_MODULE, REFUSED, "line 1, version 2", "change set 1", 'the module "EVM"')
            self.refused(verb, LEGACY, REFUSED, "line 1, version 2", "change set 1, pair 1", "legacy key")
            self.refused(verb, MISSPELT, USAGE, "line 1, version 2", "change set 1, pair 1", '"vaule"')
            self.refused(verb, NO_VALUE, USAGE, "line 1, version 2", "change set 1, pair 2", "neither a value")

    def test_what_is_allowed_is_taken(self):
        self.refused("apply", SHORT_KEY, REFUSED, "a key of 52 bytes", options=["--allow-legacy"])
        self.run_ok("apply", self.store, "-", "--strict", "--allow-legacy", stdin=LEGACY)
        self.run_ok("apply", self.store, "-", "--strict", "--allow-module", "bank", "--allow-module", "EVM",
                    stdin=WRONG_MODULE.replace('"version": 2', '"version": 3'))
        self.assertEqual(self.version(), 3)

    def test_exceptions_need_strict(self):
        for option in (["--allow-legacy"], ["--allow-module", "bank"]):
            self.run_exit(USAGE, "apply", self.store, "-", *option, stdin=LEGACY, says="--strict")
        self.run_exit(USAGE, "apply", self.store, "-", "--strict", "--allow-module", "", stdin=LEGACY)

    def test_protobuf_with_a_field_of_no_meaning(self):
        block = to_pb(json_lines(line(2, (slot_key(1), "01"))))
        length = block[0]
        self.assertLess(length, 128)
        more = varint(length + 3) + block[1:] + field(9, b"x")
        self.run_exit(USAGE, "apply", self.store, "-", "--format", "pb", "--strict", stdin=more, says="record 1")
        self.run_ok("apply", self.store, "-", "--format", "pb", stdin=more)

    def test_the_log_is_replayed_whatever_it_holds(self):
        self.apply(LEGACY)
        for clean in self.store.glob("gen-*/CLEAN"):
            clean.unlink()
        self.run_ok("apply", self.store, "-", "--strict", stdin=line(3, (slot_key(3), "03")))
        self.assertEqual(self.version(), 3)

    def test_import_log_checks_all_before_the_first_block(self):
        log = self.folder / "changelog"
        log.mkdir()
        (log / f"{1:020d}").write_bytes(to_pb(json_lines(GOOD + LEGACY)))
        other = self.folder / "other"
        self.run_exit(REFUSED, "import-log", log, other, "--create", "--strict", says="legacy key")
        self.assertFalse(other.exists())
        self.run_ok("import-log", log, other, "--create", "--strict", "--allow-legacy")
        self.assertEqual(json.loads(self.run_ok("root", other).out)["version"], 2)


if __name__ == "__main__":
    unittest.main()
