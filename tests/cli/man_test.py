#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The manual pages of `flatkv man`: they are compared with the help, and read by man and groff."""

import os
import re
import shutil
import subprocess
import unittest

from pages_support import Help, ok, verbs
from support import USAGE, Case


def spaced(text: str) -> str:
    return " ".join(text.split())


def tags(page: str) -> list:
    """What stands at the left of each entry, without fonts."""
    found = re.findall(r"^\.TP\n(.*)", page, re.MULTILINE)
    return [re.sub(r"\\f[BIR]", "", tag).replace(r"\-", "-") for tag in found]


class Pages(Case):
    def test_all_that_the_help_has(self):
        page = tags(ok("man"))
        for verb in verbs():
            self.assertIn(f"flatkv-{verb}(1)", page)
        for option in Help("").options:
            self.assertTrue([tag for tag in page if option in tag.split(", ")], option)
        for verb in verbs():
            help_text = Help(verb)
            page = tags(ok("man", verb))
            names = {name for tag in page if tag.startswith("-")
                     for name in re.findall(r"(?:^|, )(-[\w-]+)", tag)}
            self.assertEqual(names, set(help_text.options), verb)
            self.assertEqual([tag for tag in page if not tag.startswith("-")], list(help_text.arguments), verb)
            for option, choices in help_text.options.items():
                if choices:
                    self.assertIn(f"{option} {'|'.join(choices)}", page, verb)

    def test_all_into_a_folder(self):
        self.run_ok("man", "--all", self.folder)
        names = {"flatkv.1"} | {f"flatkv-{verb}.1" for verb in verbs()}
        self.assertEqual({path.name for path in self.folder.iterdir()}, names)
        self.assertEqual((self.folder / "flatkv.1").read_text(), ok("man"))
        self.assertEqual((self.folder / "flatkv-apply.1").read_text(), ok("man", "apply"))

    def test_wrong_use(self):
        self.run_exit(USAGE, "man", "aply", says='did you mean "apply"?')
        self.run_exit(USAGE, "man", "apply", "--all", self.folder, says="excludes")
        self.run_exit(USAGE, "man", "--all", self.folder / "missing", says="cannot create the output file")
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_exit_statuses(self):
        page = tags(ok("man"))
        for status in ("0", "1", "2", "3", "4", "130", "141", "143"):
            self.assertIn(status, page)
            self.assertRegex(ok("help"), rf"\n  {status} +\w")


@unittest.skipUnless(shutil.which("man") and shutil.which("groff"), "no man-db")
class Read(Case):
    """By the programs that people read them with."""

    def setUp(self):
        super().setUp()
        self.run_ok("man", "--all", self.folder)

    def read(self, *command, **environment) -> str:
        done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, env={**os.environ, "LC_ALL": "C.UTF-8", "TERM": "dumb", **environment})
        self.assertEqual((done.returncode, done.stderr), (0, ""), command)
        return done.stdout

    def test_no_warnings(self):
        for page in sorted(self.folder.iterdir()):
            self.read("groff", "-ww", "-man", "-Tutf8", "-rF0", page)
            for width in ("60", "200"):
                self.read("man", "--warnings", "-l", page, MANWIDTH=width, MANPAGER="cat")

    def test_the_text_is_that_of_the_help(self):
        for verb in ["", *verbs()]:
            help_text = Help(verb)
            path = self.folder / (f"flatkv-{verb}.1" if verb else "flatkv.1")
            shown = self.read("man", "--nh", "--nj", "-l", path, MANWIDTH="200", MANPAGER="col -bx")
            self.assertIn(spaced(help_text.text.replace("`", "")), spaced(shown), verb)
            for example in help_text.examples:
                self.assertRegex(shown, rf"(?m)^ +{re.escape(example)}$", verb)


if __name__ == "__main__":
    unittest.main()
