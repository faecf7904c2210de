# SPDX-License-Identifier: Apache-2.0
"""What the help of the program says, for tests of what is made of the same declarations."""

import re

from support import DONE, flatkv


def ok(*arguments) -> str:
    result = flatkv(*arguments)
    assert result.exit == DONE, f"{arguments}: {result}"
    return result.out


def verbs() -> list:
    listed = ok("help").split("\nSubcommands:\n")[1].split("\n\n")[0]
    return [line.split()[0] for line in listed.splitlines()]


class Help:
    """The help of a verb; of the program for an empty one."""

    def __init__(self, verb: str):
        self.whole = ok(*([verb] if verb else []), "--help")
        self.text = self.whole.split("\nUsage:")[0]
        self.examples = [line.strip() for line in self.whole.partition("\nExample:\n")[2].splitlines() if line]
        #: "--format" to the list of its choices; empty for those that list none
        self.options = {}
        #: "FILE" to the same
        self.arguments = {}
        self.takes_value = set()
        for names, rest in re.findall(r"^  (-[\w,-]+)([^\n]*)", self.whole, re.MULTILINE):
            for name in names.split(","):
                self.options[name] = self.choices(rest)
                if re.match(r" [A-Z_]", rest) and not rest.startswith(" Needs"):
                    self.takes_value.add(name)
        block = self.whole.partition("\nPositionals:\n")[2].partition("\n\n")[0]
        for name, rest in re.findall(r"^  ([A-Z]+)([^\n]*)", block, re.MULTILINE):
            self.arguments[name] = self.choices(rest)

    @staticmethod
    def choices(text: str) -> list:
        found = re.match(r" [A-Z]+:\{([^}]*)\}", text)
        return found[1].split(",") if found else []
