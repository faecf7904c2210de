#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""digest and verify, spread over processes."""

import json
import shutil
import subprocess
import unittest

from compare_test import altered, slots
from support import *


class Spread(Case):
    def make(self, store, text):
        self.run_ok("apply", store, "-", "--create", "--durability", "process", stdin=text)

    def parts(self, verb: str, of: int, store=None, name: str = "part", **more) -> list:
        made = []
        for index in range(1, of + 1):
            made.append(self.folder / f"{name}-{index}")
            self.run_ok(verb, store or self.store, "--part", f"{index}/{of}", "--out", made[-1], **more)
        return made

    def test_any_number_of_parts_is_one_digest(self):
        self.make(self.store, text_of(MAINNET))
        whole = self.folder / "whole"
        self.run_ok("digest", self.store, "--out", whole)
        for of in (1, 3):
            merged = self.folder / f"merged-{of}"
            said = json.loads(self.run_ok("digest", "--merge", *reversed(self.parts("digest", of)), "--out", merged,
                                          "--json").out)
            self.assertEqual(merged.read_bytes(), whole.read_bytes())
            self.assertTrue(said["proven"])
        self.assertEqual(self.run_ok("diff", self.store, merged).out, "equal\n")

    def test_the_merged_report_is_that_of_one_process(self):
        self.make(self.store, text_of(MAINNET))
        whole = self.run_ok("verify", self.store, "--json").out
        parts = self.parts("verify", 3)
        self.assertEqual(self.run_ok("verify", "--merge", *parts, "--json").out, whole)
        people = self.run_ok("verify", "--merge", *parts).out
        self.assertIn("3 parts", people)
        self.assertIn("good", people)
        self.assertEqual(self.run_ok("verify", "--merge", *self.parts("digest", 2), "--json").out, whole)

    def test_an_empty_store(self):
        self.run_ok("init", self.store)
        self.run_ok("verify", "--merge", *self.parts("verify", 2))
        whole = self.folder / "whole"
        self.run_ok("digest", self.store, "--out", whole)
        self.run_ok("digest", "--merge", *self.parts("digest", 2), "--out", self.folder / "merged")
        self.assertEqual((self.folder / "merged").read_bytes(), whole.read_bytes())

    def test_what_a_part_says(self):
        self.make(self.store, slots(1))
        first, second = (json.loads(self.run_ok("verify", self.store, "--part", f"{i}/2", "--json").out) for i in (1, 2))
        self.assertEqual((first["part"], first["of"], first["complete"]), (1, 2, True))
        for name in DATABASES:
            one, other = first["databases"][name], second["databases"][name]
            self.assertIsNone(one["start"])
            self.assertEqual(one["end"], other["start"])
            self.assertIsNone(other["end"])
        self.assertEqual(sum(p["databases"]["storage"]["rows"] for p in (first, second)), 2200)

    def test_one_wrong_row_is_in_one_part(self):
        lines = json_lines(slots(1))
        self.make(self.store, slots(1))
        other = self.folder / "other"
        self.make(other, altered(lines, 1, lambda sets: sets[0]["pairs"][700].update(value="ab" * 32)))
        mine = [json.loads(self.run_ok("verify", self.store, "--part", f"{i}/8", "--json").out) for i in range(1, 9)]
        theirs = [json.loads(self.run_ok("verify", other, "--part", f"{i}/8", "--json").out) for i in range(1, 9)]
        differ = [a["part"] for a, b in zip(mine, theirs) if a["databases"] != b["databases"]]
        self.assertEqual(len(differ), 1)
        mixed = self.parts("verify", 2)[:1] + self.parts("verify", 2, other, "other")[1:]
        self.run_exit(REFUSED, "verify", "--merge", *mixed, says="different states")

    def test_refusals_name_the_parts(self):
        self.make(self.store, blocks(1, 9))
        parts = self.parts("digest", 4)
        for given, says in ((parts[:1] + parts[3:], "missing: 2 to 3"), (parts + parts[:1], "more than once: 1"),
                            (parts[:2] + self.parts("digest", 3, name="third")[2:], "do not belong together")):
            for verb in ("digest", "verify"):
                self.run_exit(USAGE, verb, "--merge", *given, says=says)
        old = self.folder / "old"
        self.run_ok("digest", self.store, "--part", "2/4", "--at", 5, "--out", old)
        self.run_exit(REFUSED, "verify", "--merge", parts[0], old, *parts[2:], says="of versions")
        self.run_exit(USAGE, "digest", "--merge", *self.parts("verify", 2, name="v"), says="without ranges")
        text = self.file("nothing of ours", "text")
        result = self.run_exit(REFUSED, "verify", "--merge", text, *parts[1:], says=str(text))
        self.assertIn("offset", result.err)

    def test_wrong_use(self):
        self.make(self.store, blocks(1, 2))
        for part in ("", "1", "0/2", "3/2", "1/", "/2", "1/2/3", "-1/2", "1/65537", "a/b"):
            self.run_exit(USAGE, "digest", self.store, "--part", part)
        for verb in ("digest", "verify"):
            self.run_exit(USAGE, verb)
            self.run_exit(USAGE, verb, self.store, "--merge", "x")
            self.run_exit(USAGE, verb, "--part", "1/2")
        self.run_exit(USAGE, "verify", self.store, "--out", self.folder / "x")
        self.run_exit(USAGE, "digest", self.store, "--part", "1/2", "--db", "code", "--start", "00")

    @unittest.skipUnless(shutil.which("parallel"), "no GNU parallel")
    def test_with_gnu_parallel(self):
        # As docs/operations.md has it.
        self.make(self.store, text_of(MAINNET))
        script = """
            parallel flatkv verify STORE --part {}/4 --out part-{} ::: 1 2 3 4 2> /dev/null &&
            flatkv verify --merge part-1 part-2 part-3 part-4"""
        folder = self.folder / "bin"
        folder.mkdir()
        (folder / "flatkv").symlink_to(FLATKV)
        ended = subprocess.run(["bash", "-c", script.replace("STORE", str(self.store))], cwd=self.folder, text=True,
                               capture_output=True, env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}",
                                                         "HOME": str(self.folder)})
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertIn("full scan in 4 parts", ended.stdout)


if __name__ == "__main__":
    unittest.main()
