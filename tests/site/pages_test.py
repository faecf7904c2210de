#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every code block of the site is run, by this test or by another one, or declared.toml says why not.

  sessions    blocks that show `$ COMMAND` and what it prints are run here, in the order of their page, and print that
  run         blocks that declared.toml names so are run here
  by          blocks that another test runs
  why         blocks that nothing runs

The program is FLATKV, and DAMAGE_ROW that of examples/damaged-row."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import blocks

sys.path.insert(0, str(blocks.ROOT / "tests" / "cli"))
from support import FLATKV, MAINNET, json_lines, text_of  # noqa: E402

DAMAGE_ROW = os.environ.get("DAMAGE_ROW", str(blocks.ROOT / "build-test" / "bin" / "damage_row"))

# What differs from run to run: times, sizes on disk, speeds and a store's id.
VARIES = re.compile(r"\b\d+(?:\.\d+)? (?:s|ms|B|KiB|MiB|GiB|k/s|M/s)\b|\bstore [0-9a-f]{32}\b")


def plain(text: str) -> str:
    """Without what varies, and in one line: pages break long ones."""
    return " ".join(VARIES.sub("~", text).split())


def pattern(shown: str) -> re.Pattern:
    """What a page shows, of which it leaves parts out by an ellipsis."""
    return re.compile(".*?".join(re.escape(part.strip()) for part in plain(shown).split("…")), re.DOTALL)


class Folder(unittest.TestCase):
    """A folder in which commands run as in a terminal, with the program in PATH."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="flatkv-site-"))
        self.addCleanup(shutil.rmtree, self.folder, True)

    def shell(self, command: str, folder: str = ".") -> subprocess.CompletedProcess:
        environment = {**os.environ, "HOME": str(self.folder), "PATH": f"{pathlib.Path(FLATKV).parent}:{os.environ['PATH']}"}
        done = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=self.folder / folder, env=environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=300, check=False)
        done.stdout = done.stdout.decode(errors="replace").replace(f"{self.folder}/", "")
        return done

    def must(self, command: str) -> str:
        done = self.shell(command)
        self.assertEqual(done.returncode, 0, f"{command}\n{done.stdout}")
        return done.stdout

    def sessions(self, page: str) -> list:
        return [block for block in blocks.blocks_of(blocks.ROOT / page) if block.is_session()]

    def session(self, block: blocks.Block) -> None:
        """Commands behind prompts. What a page shows of the output is compared. A command of which it shows none
        has to succeed, and one of which it shows no error must answer: exit 0 or 1."""
        for command, shown in re.findall(r"^((?:here|there)?\$ .*\n)((?:(?!(?:here|there)?\$ ).*\n)*)", block.text, re.MULTILINE):
            place, command = command.rstrip("\n").split("$ ", 1)
            done = self.shell(command, place or ".")
            where = f"{block.page}:{block.line}: {command}\n{done.stdout}"
            if shown.strip():
                self.assertIsNotNone(pattern(shown).fullmatch(plain(done.stdout)), f"{where}\nbut the page shows\n{shown}")
            if "error" not in shown:
                self.assertLessEqual(done.returncode, 1 if shown else 0, where)


class Declared(unittest.TestCase):
    def test_every_block_is_run_or_declared(self):
        declared, found = blocks.declared(), blocks.all_blocks()
        for block in found:
            with self.subTest(str(block)):
                if block.is_session():
                    self.assertIn(block.page, (Start.PAGE, Operations.PAGE), "nothing runs the sessions of this page")
                else:
                    self.assertEqual(sum(entry.is_of(block) for entry in declared), 1, "its entries in declared.toml")
        for entry in declared:
            with self.subTest(entry):
                self.assertTrue(any(entry.is_of(block) for block in found), "there is no such block")
                self.assertEqual([bool(entry.run), bool(entry.by), bool(entry.why)].count(True), 1)

    def test_other_tests_read_the_page(self):
        for entry in blocks.declared():
            if entry.by:
                with self.subTest(entry):
                    self.assertIn(entry.names or entry.page, (blocks.ROOT / entry.by).read_text())


class Start(Folder):
    """docs/start.md, in a folder that looks like a checkout."""

    PAGE = "docs/start.md"

    def test_sessions(self):
        (self.folder / "examples").symlink_to(blocks.ROOT / "examples")
        sessions = self.sessions(self.PAGE)
        self.assertTrue(sessions)
        for block in sessions:
            self.session(block)


class Operations(Folder):
    """docs/operations.md, from above: one store of mainnet blocks, and what happens to it."""

    PAGE = "docs/operations.md"

    def setUp(self):
        super().setUp()
        (self.folder / "blocks.jsonl").write_text(text_of(MAINNET))
        shutil.copy(blocks.ROOT / "tests" / "golden" / "mainnet.roots.jsonl", self.folder / "trusted.roots.jsonl")

    def to_20(self):
        self.must("flatkv apply STORE blocks.jsonl --create --durability process && flatkv rollback STORE 20")

    def interrupted_import(self):
        self.must("rm -r STORE2 && mkdir -p STORE2/gen-00000001-import-tmp")

    def sei_log(self):
        self.must("mv STORE kept")
        shutil.copytree(blocks.ROOT / "tests" / "golden" / "reference-changelog-accounts", self.folder / "packed")
        self.must("mkdir CHANGELOG_DIR && zstd -dcq packed/*.zst > CHANGELOG_DIR/00000000000000000001")

    def no_sei_log(self):
        self.must("rm -r STORE && mv kept STORE")

    def damaged_row(self):
        self.must("cp -a STORE good && flatkv export good other-node.flatkv.zst")
        row, = json_lines(self.must("flatkv rows STORE --db storage --limit 1 --json 2> /dev/null"))
        self.must(f"{DAMAGE_ROW} STORE storage {row['key']}")

    def damaged_tables(self, *databases: str):
        """A byte of every table, which the store and its snapshots share."""
        self.must("rm -r STORE && cp -a good STORE")
        for database in databases:
            tables = {table.stat().st_ino: table for table in self.folder.glob(f"STORE/gen-*/*/{database}/*.sst")}
            for table in tables.values():
                data = bytearray(table.read_bytes())
                data[len(data) // 2] ^= 1
                table.write_bytes(data)

    def two_nodes(self):
        """OTHER went another way in block 18, by one slot that no later block writes."""
        lines = json_lines((self.folder / "blocks.jsonl").read_text())
        last = {pair["key"]: (line["version"], pair) for line in lines for change_set in line["changesets"]
                for pair in change_set["pairs"]}
        pair = min((pair for version, pair in last.values() if version == 18 and pair["key"].startswith("03")
                    and "value" in pair), key=lambda pair: pair["key"])
        pair["value"] = f"{int(pair['value'], 16) ^ 1:064x}"
        (self.folder / "other.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        self.must("rm -r STORE && cp -a good STORE")
        self.must("flatkv apply OTHER other.jsonl --create --durability process")

    def two_places(self):
        self.must("mkdir here there && cp -a STORE here && cp -a OTHER there/STORE && ln -s ../there/there.digest.zst here")

    def test_sessions(self):
        story = [
            ("root STORE --at 99", self.to_20),
            ("info STORE", None),
            ("snapshot STORE", None),
            ("rollback STORE 20", None),
            ("apply STORE blocks.jsonl", None),
            ("export STORE", None),
            ("check state.flatkv.zst", None),
            ("root STORE2", self.interrupted_import),
            ("export STORE --to", None),
            ("import-log CHANGELOG_DIR", self.sei_log),
            ("verify STORE", self.no_sei_log),
            ("repair STORE --db storage", self.damaged_row),
            ("repair STORE --db storage", lambda: self.damaged_tables("storage")),
            ("repair STORE --db storage --from", None),
            ("repair STORE --db account", lambda: self.damaged_tables("account", "storage")),
            ("bisect STORE OTHER", self.two_nodes),
            ("digest STORE", self.two_places),
            ("verify STORE --part", None),
            ("report STORE", None),
        ]
        sessions = self.sessions(self.PAGE)
        self.assertEqual(len(sessions), len(story), "sessions of the page, and of its story here")
        for block, (begins, before) in zip(sessions, story):
            with self.subTest(str(block)):
                self.assertRegex(block.first, rf"\$ +(?:parallel )?flatkv {re.escape(begins)}")
                if before:
                    before()
                self.session(block)


class Others(Folder):
    """The blocks that declared.toml gives to this test."""

    def test_blocks(self):
        for entry in blocks.declared():
            for block in blocks.all_blocks():
                if entry.run and entry.is_of(block):
                    with self.subTest(str(block)):
                        way, _, file = entry.run.partition(" of ")
                        {"shell": self.run_it, "bench": self.bench, "c++": self.compiled, "part": self.part_of}[way](block, file)

    def compiled(self, block, _):
        headers = "".join(f"#include <{header.relative_to(blocks.ROOT / 'include')}>\n"
                          for header in sorted((blocks.ROOT / "include/flatkv").glob("*.hpp")))
        (self.folder / "block.cpp").write_text(f"{headers}int main() {{\n{block.text}}}\n")
        self.must(f"c++ -std=c++23 -fsyntax-only -I{blocks.ROOT}/include block.cpp")

    def part_of(self, block, file):
        whole = " ".join(re.sub(r"^\s*//.*", "", (blocks.ROOT / file).read_text(), flags=re.MULTILINE).split())
        for line in block.text.splitlines():
            self.assertIn(" ".join(line.split()), whole)

    def bench(self, block, _):
        """A few blocks on few rows: whether it is understood is the question."""
        command = re.sub(r"--rows \d+", "--rows 2000", block.text.rstrip())
        self.must(f"{command} --blocks 5 --dir bench")

    def run_it(self, block, _):
        self.must("mkdir -p ~/.local/share/man/man1")
        self.must(block.text)


class Commands(unittest.TestCase):
    """Commands in the text and in tables: the verbs and options are there, and so are the scripts."""

    def test_program(self):
        help_of = {}
        for page in blocks.pages():
            for code in re.findall(r"`(flatkv [a-z][^`]*)`", page.read_text()):
                verb, *words = code.split("|")[0].split()[1:]
                if verb not in help_of:
                    done = subprocess.run([FLATKV, verb, "--help"], capture_output=True, text=True, check=False)
                    help_of[verb] = done.stdout if done.returncode == 0 else ""
                with self.subTest(f"{page.name}: {code}"):
                    self.assertTrue(help_of[verb], "there is no such verb")
                    for word in words:
                        if word.startswith("--"):
                            self.assertRegex(help_of[verb], rf"{re.escape(word)}\b")

    def test_scripts(self):
        for page in blocks.pages():
            if page.name == "CHANGELOG.md":
                continue  # it names what is gone
            for script in re.findall(r"(?<![\w/[])(?:scripts|examples)/[\w./-]*\w", page.read_text()):
                with self.subTest(f"{page.name}: {script}"):
                    self.assertTrue((blocks.ROOT / script).exists())


if __name__ == "__main__":
    unittest.main()
