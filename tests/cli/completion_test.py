#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The scripts of `flatkv completion`: they are compared with the help, and run by their shells."""

import os
import pathlib
import pty
import re
import shutil
import signal
import struct
import subprocess
import fcntl
import termios
import time
import unittest

from pages_support import Help, ok, verbs
from support import USAGE, Case

needs = lambda shell: unittest.skipUnless(shutil.which(shell), f"no {shell}")


class Terminal:
    """An interactive shell in which flatkv shows the arguments that it was given."""

    def __init__(self, command: list, setup: str, folder: pathlib.Path):
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            environment = {"PATH": os.environ["PATH"], "TERM": "vt100", "INPUTRC": "/dev/null", "HOME": str(folder),
                           "LANG": "C.UTF-8"}
            os.execvpe(command[0], command, environment)
        # Lines must not wrap.
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 2000, 0, 0))
        self.seen = ""
        self.run(setup + "\nflatkv() { printf 'got'; printf '<%s>' \"$@\"; echo '!'; }\necho set''up\n", r"setup\r")

    def run(self, keys: str, until: str) -> re.Match:
        os.write(self.descriptor, keys.encode())
        deadline = time.monotonic() + 60
        while not (found := re.search(until, self.seen)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{keys!r}: {self.seen[-2000:]!r}")
            self.seen += os.read(self.descriptor, 65536).decode(errors="replace")
        self.seen = self.seen[found.end():]
        return found

    def completed(self, keys: str) -> list:
        """The arguments after a Tab at the end of the keys. Zsh takes the slash of a folder away again."""
        return re.findall(r"<([^>]*?)/?>", self.run(f"flatkv {keys}\t\n", r"got((<[^>]*>)*)!\r")[1])

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.descriptor)


class Script(Case):
    shell = ""

    def setUp(self):
        super().setUp()
        self.script = self.file(ok("completion", self.shell), "script")

    def parses(self):
        subprocess.run([self.shell, "-n", self.script], check=True, stdin=subprocess.DEVNULL)

    def in_terminal(self, command: list, setup: str):
        (self.folder / "a store").mkdir()
        self.file("", "a file.jsonl")
        terminal = Terminal(command, setup, self.folder)
        self.addCleanup(terminal.close)
        self.assertEqual(terminal.completed("roll"), ["rollback"])
        self.assertEqual(terminal.completed("apply --durab"), ["apply", "--durability"])
        self.assertEqual(terminal.completed("apply --durability pr"), ["apply", "--durability", "process"])
        self.assertEqual(terminal.completed("apply --durability=pr"), ["apply", "--durability=process"])
        self.assertEqual(terminal.completed("--json help import-l"), ["--json", "help", "import-log"])
        # Only a folder can be a store, and the file is another argument.
        self.assertEqual(terminal.completed("info a"), ["info", "a store"])
        self.assertEqual(terminal.completed("apply s --until 7 a\\ f"), ["apply", "s", "--until", "7", "a file.jsonl"])


class Bash(Script):
    shell = "bash"

    def offered(self, *words) -> list:
        """What the function answers where the last of the words is being typed; ["dirnames"] and ["default"]
        where it leaves paths to bash."""
        run = ('source "$1"; shift; compopt() { COMPREPLY+=("${@: -1}"); }; COMP_WORDS=("$@"); '
               'COMP_CWORD=$(($# - 1)); _flatkv; printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(["bash", "-c", run, "bash", self.script, "flatkv", *words], check=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        return done.stdout.split()

    def test_it_parses(self):
        self.parses()

    def test_all_that_the_help_has(self):
        self.assertEqual(self.offered(""), verbs())
        self.assertEqual(set(self.offered("-")), set(Help("").options))
        for verb in verbs():
            help_text = Help(verb)
            self.assertEqual(set(self.offered(verb, "-")), set(help_text.options), verb)
            for option, choices in help_text.options.items():
                if choices:
                    self.assertEqual(self.offered(verb, option, ""), choices, f"{verb} {option}")
            for place, choices in enumerate(help_text.arguments.values()):
                if choices:
                    self.assertEqual(self.offered(verb, *["x"] * place, ""), choices, verb)

    def test_values_are_no_arguments(self):
        for verb in verbs():
            help_text = Help(verb)
            for option in help_text.options:
                count = 2 if option == "--storage" else 1 if option in help_text.takes_value else 0
                self.assertEqual(self.offered(verb, option, *["x"] * count, ""), self.offered(verb, ""),
                                 f"{verb} {option}")

    def test_places(self):
        self.assertEqual(self.offered("apply", ""), ["dirnames"])
        self.assertEqual(self.offered("apply", "store", ""), ["default"])
        self.assertEqual(self.offered("apply", "store", "-", ""), [])
        self.assertEqual(self.offered("apply", "--roots", ""), ["default"])
        self.assertEqual(self.offered("get", "store", ""), [])
        self.assertEqual(self.offered("get", "--storage", "aa", "--", "sto"), ["dirnames"])
        self.assertEqual(self.offered("help", "snap"), ["snapshot", "snapshots"])
        self.assertEqual(self.offered("apply", "--", "-"), ["dirnames"])
        self.assertEqual(self.offered("apply", "--format", "=", ""), ["jsonl", "pb"])
        self.assertEqual(self.offered("apply", "--format", "="), ["jsonl", "pb"])
        self.assertEqual(self.offered("apply", "--format", "=", "p"), ["pb"])
        self.assertEqual(self.offered("apply", "--format", "=", "pb", ""), ["dirnames"])
        self.assertEqual(self.offered("nonsense", ""), [])

    def test_in_a_terminal(self):
        self.in_terminal(["bash", "--norc", "--noprofile", "-i"],
                         f"PS1=; bind 'set enable-bracketed-paste off'; source '{self.script}'")


class Zsh(Script):
    shell = "zsh"

    def test_all_that_the_help_has(self):
        text = self.script.read_text()
        self.assertEqual(re.findall(r"^        '([\w-]+):", text, re.MULTILINE), verbs())
        blocks = dict(re.findall(r"^        ([\w-]+)\)\n(.*?)\n          ;;", text, re.MULTILINE | re.DOTALL))
        self.assertEqual(list(blocks), verbs())
        for verb, block in blocks.items():
            help_text = Help(verb)
            names = re.findall(r"^ +'(?:\([^)]*\)'\{|\*)?(-[\w,-]+)", block, re.MULTILINE)
            self.assertEqual({name for few in names for name in few.split(",")}, set(help_text.options), verb)
            self.assertEqual(len(re.findall(r"^ +'\d:", block, re.MULTILINE)), len(help_text.arguments), verb)
            for choices in [*help_text.options.values(), *help_text.arguments.values()]:
                self.assertIn(f"({' '.join(choices)})" if choices else "", block)

    @needs("zsh")
    def test_it_parses(self):
        self.parses()

    @needs("zsh")
    def test_in_a_terminal(self):
        self.in_terminal(["zsh", "-f", "-i"], "PS1=; setopt no_prompt_sp; autoload -Uz compinit; compinit -u -D; "
                         f"source '{self.script}'")


class Fish(Script):
    shell = "fish"

    def test_all_that_the_help_has(self):
        text = self.script.read_text()
        self.assertEqual(re.findall(r"-n __flatkv_verb_is -a ([\w-]+)", text), verbs())
        for verb in verbs():
            lines = re.findall(rf"^complete -c flatkv -n '__flatkv_verb_is {verb}'(.*)", text, re.MULTILINE)
            names = {("--" if kind == "l" else "-") + name for line in lines
                     for kind, name in re.findall(r" -([ls]) ([\w-]+)", line)}
            self.assertEqual(names, set(Help(verb).options), verb)

    def offered(self, line: str) -> list:
        done = subprocess.run(["fish", "--no-config", "-c", f"source '{self.script}'; complete -C \"$argv\"", line],
                              check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, cwd=self.folder,
                              env={**os.environ, "HOME": str(self.folder)})
        return [answer.split("\t")[0] for answer in done.stdout.splitlines()]

    @needs("fish")
    def test_it_parses(self):
        self.parses()

    @needs("fish")
    def test_it_completes(self):
        (self.folder / "a-store").mkdir()
        self.file("", "a-file.jsonl")
        self.assertEqual(set(self.offered("flatkv ")), set(verbs()))
        self.assertEqual(self.offered("flatkv roll"), ["rollback"])
        self.assertEqual(self.offered("flatkv --json roll"), ["rollback"])
        self.assertEqual(self.offered("flatkv apply --durab"), ["--durability"])
        self.assertEqual(self.offered("flatkv apply --durability pr"), ["process"])
        self.assertEqual(self.offered("flatkv apply --durability=pr"), ["--durability=process"])
        self.assertEqual(self.offered("flatkv help import-"), ["import-log"])
        self.assertEqual(self.offered("flatkv info a-"), ["a-store/"])
        self.assertIn("a-file.jsonl", self.offered("flatkv apply a-store a-"))
        self.assertEqual(self.offered("flatkv rollback s "), ["a-store/"])


class Completion(Case):
    def test_wrong_use(self):
        self.run_exit(USAGE, "completion", says="SHELL is required")
        self.run_exit(USAGE, "completion", "tcsh", says="tcsh not in {bash,zsh,fish}")


del Script

if __name__ == "__main__":
    unittest.main()
