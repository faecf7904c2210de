#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The examples of change sets in docs/formats.md are what the program reads and writes."""

import re
import unittest

from support import ROOT, Case, json_lines, to_pb


def examples(kind: str) -> list:
    return re.findall(rf"^```{kind}\n(.*?)^```$", (ROOT / "docs" / "formats.md").read_text(), re.MULTILINE | re.DOTALL)


class Formats(Case):
    def setUp(self):
        super().setUp()
        self.lines, = examples("jsonl")
        self.roots, = examples("roots")
        self.pb = bytes.fromhex("".join(examples("pb")))

    def check(self, text, *more) -> None:
        self.apply(text, "--strict", "--allow-module", "bank", "--roots", self.folder / "roots", *more)
        self.assertEqual((self.folder / "roots").read_text(), self.roots)

    def test_json_lines(self):
        self.check(self.lines)
        self.run_ok("apply", self.store, self.file(self.lines), "--expect", self.file(self.roots, "expect"))

    def test_protobuf(self):
        self.assertEqual(self.pb, to_pb(json_lines(self.lines)))
        self.check(self.pb, "--format", "pb")

    def test_the_log_gives_them_back(self):
        self.check(self.lines)
        other = self.folder / "other"
        changes = self.run_ok("log", self.store, "--changes").out
        self.run_ok("apply", other, "-", "--create", "--strict", stdin=changes)
        self.assertEqual(self.run_ok("root", other).out, self.run_ok("root", self.store).out)
        self.assertEqual([entry["version"] for entry in json_lines(changes)], [1, 2])

    def test_the_help_shows_the_form(self):
        text = self.run_ok("help", "apply").out
        for member in ('"version"', '"changesets"', '"name":"evm"', '"pairs"', '"key"', '"value"', '"delete":true'):
            self.assertIn(member, text)


if __name__ == "__main__":
    unittest.main()
