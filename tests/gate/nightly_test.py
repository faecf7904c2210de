#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""scripts/nightly with units that take no time: every slice together is all of it, what passed is not run again, what was
killed is, and a merge fails over what is missing or failed."""

import collections
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

UNITS = '''
import collections, pathlib
Unit = collections.namedtuple("Unit", "part name seconds command environment tree made_of", defaults=[()])
Unit.id = property(lambda unit: f"{unit.part}/{unit.name}")
HERE = pathlib.Path(__file__).parent
TREES = {"small": ("echo built >> " + str(HERE / "built"), 50)}
WAIT = {"small"}
CHECK = ["grep", "-q", "FAULT C2 R 20"]
SUPPRESSIONS = HERE / "suppressions"
OF_PAGES = {"fuzz"}
LEAVES_OUT = {"kills": ("bindings",), "kills/2": ("bindings", "source")}

def units():
    run = 'echo $0 >> "$RAN"; sleep "${SLEEP:-0}"; echo "FAULT C2 R 2"; echo "7 rounds, seed 3"; echo "  killed late: 4"'
    all = [Unit("kills", str(i), 10 * i, ("bash", "-c", run, f"kills/{i}"), (("RAN", str(HERE / "ran")),), "small")
           for i in range(1, 11)]
    fuzz = "echo '#900\\tDONE\\tcov: 12 ft: 34 corp: 5/60b'"
    all.append(Unit("fuzz", "a_fuzz-1", 30, ("bash", "-c", fuzz), (), ""))
    all.append(Unit("strange", "here", 1, ("bash", "-c", "echo skipped: nothing like it here; exit 77"), (), ""))
    all.append(Unit("late", "one", 1, ("test", "-e", str(HERE / "mended")), (), ""))
    return all
'''


class Nightly(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "units.py").write_text(UNITS)
        (self.folder / "suppressions").write_text("# All of them.\n\n# Why b.\nrace:b\nrace:c\n# Why d.\nrace:d\n")

    def command(self, *arguments):
        return [ROOT / "scripts/nightly", "--units", self.folder / "units.py", "--results", self.folder / "results.jsonl",
                "--logs", self.folder / "logs", "--commit", "0123456789ab", *map(str, arguments)]

    def results(self) -> dict:
        file = self.folder / "results.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return {record["unit"]: record for record in map(json.loads, lines)}

    def nightly(self, *arguments, code=0) -> str:
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout

    def listed(self, *arguments) -> dict:
        return {unit: int(seconds) for unit, seconds in map(str.split, self.nightly("--list", *arguments).splitlines())}

    def ran(self) -> collections.Counter:
        file = self.folder / "ran"
        return collections.Counter(file.read_text().split() if file.exists() else [])

    def test_a_fuzz_target_is_made_of_the_rooms_that_it_leads_to(self):
        sys.dont_write_bytecode = True
        sys.path.insert(0, str(ROOT / "scripts"))
        import nightly_units
        made_of = {unit.name: unit.made_of for unit in nightly_units.units() if unit.part == "fuzz"}
        entry = made_of["changelog_entry_fuzz-1"]
        self.assertLessEqual({"src/base", "src/codec", "fuzz/changelog_entry_fuzz.cpp", "include/flatkv/error.hpp"}, set(entry))
        self.assertFalse({"src/recovery", "src/fs", "include/flatkv/store.hpp"} & set(entry))
        self.assertIn("src/fs", made_of["undo_fuzz-1"])
        self.assertEqual(made_of["store_model_fuzz-1"], ())
        for path in {path for paths in made_of.values() for path in paths if path[0] != ":"}:
            self.assertTrue((ROOT / path).exists(), path)

    def test_slices_are_all_of_it_and_balanced(self):
        whole = self.listed()
        self.assertEqual(len(whole), 13)
        for count in (1, 2, 3, 20):
            slices = [self.listed("--part", f"{i}/{count}") for i in range(1, count + 1)]
            together = [unit for one in slices for unit in one]
            self.assertEqual(sorted(together), sorted(whole))
            self.assertEqual(slices, [self.listed("--part", f"{i}/{count}") for i in range(1, count + 1)])
        loads = [sum(self.listed("--part", f"{i}/3").values()) for i in (1, 2, 3)]
        self.assertLessEqual(max(loads) - min(loads), 100)
        for wrong in ("0/3", "4/3", "1", "1/0", "x/y"):
            self.nightly("--part", wrong, code=2)

    def test_what_passed_is_not_run_again(self):
        self.nightly("kills/3", "kills/4")
        self.assertEqual(self.ran(), {"kills/3": 1, "kills/4": 1})
        self.nightly("kills")
        self.assertEqual(self.ran(), {f"kills/{i}": 1 for i in range(1, 11)})
        self.assertIn("\n== \n", self.nightly("kills"))
        self.nightly("kills/3", "--again")
        self.assertEqual(self.ran()["kills/3"], 2)
        self.nightly("nothing", code=2)

    def test_another_commit_or_another_amount_is_run(self):
        self.nightly("kills/3")
        text = (self.folder / "units.py").read_text()
        (self.folder / "units.py").write_text(text.replace("echo $0 >>", "echo $0 1>>"))
        self.nightly("kills/3")
        self.nightly("kills/3", "--commit", "ba9876543210")
        self.assertEqual(self.ran()["kills/3"], 3)

    def test_what_was_killed_is_run_again(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            (self.folder / "ran").unlink(True)
            process = subprocess.Popen(self.command("kills/5"), env={**os.environ, "SLEEP": "30"}, stdout=subprocess.PIPE)
            while not self.ran():
                time.sleep(0.02)
            process.send_signal(number)
            process.communicate()
            self.assertNotEqual(process.returncode, 0)
            self.assertEqual(self.results(), {}, "it is recorded")
        self.nightly("kills/5")
        self.assertEqual(self.ran(), {"kills/5": 2})

    def test_merge_says_what_is_missing_and_fails(self):
        page = self.folder / "page.md"
        self.nightly("kills/1", "strange")
        said = self.nightly("--merge", "--page", page, code=1)
        self.assertIn("not run: 9 units of kills", said)
        self.assertIn("not run: 1 units of fuzz", said)
        self.assertIn("**Not whole:**", page.read_text())

        self.nightly(code=1)
        said = self.nightly("--merge", "--page", page, code=1)
        self.assertEqual(said.splitlines()[0], "failed: `late/one`, exit 1")

        (self.folder / "mended").touch()
        self.nightly()
        said = self.nightly("--merge", "--page", page)
        self.assertIn("skipped: `strange/here`: skipped: nothing like it here", said)
        self.assertIn("`late/one` failed at ", said)
        text = page.read_text()
        self.assertIn("Everything ran and passed.", text)
        for line in ("| C2 | 20 |  |  |  |", "| a_fuzz | 900 | 0 | 12 | 34 | 5 |", "| `race:b` | Why b. |",
                     "| `race:c` | Why b. |", "| `race:d` | Why d. |"):
            self.assertIn(line, text)
        self.assertRegex(text, r"\| kills \| 10 \| 10 \| 0 \| 0 \| 0 \| 0:00 \| 0123456789ab \| rounds 70; killed late 40 \|")

    def test_results_of_several_machines_are_added_up(self):
        (self.folder / "mended").touch()
        self.nightly("--part", "1/2")
        file, elsewhere = self.folder / "results.jsonl", self.folder / "elsewhere.jsonl"
        file.rename(elsewhere)
        self.nightly("--merge", code=1)
        self.nightly("--part", "2/2")
        self.nightly("--merge", code=1)
        self.nightly("--add", elsewhere)
        self.nightly("--merge")
        before = self.results()
        old = {**before["late/one"], "start": "2001-01-01T00:00:00+00:00", "outcome": "failed"}
        elsewhere.write_text(json.dumps(old) + "\n")
        self.nightly("--add", elsewhere)
        self.assertEqual(self.results(), before)

    def test_results_of_earlier_sources_are_shown_as_such(self):
        (self.folder / "mended").touch()
        page = self.folder / "page.md"
        self.nightly("--commit", "aaaaaaaaaaaa")
        time.sleep(1.1)  # times are whole seconds
        self.nightly("kills/1", "kills/2", "fuzz")
        said = self.nightly("--merge", "--page", page, code=1)
        self.assertIn("run on earlier sources: 8 units of kills", said)
        self.assertIn("run on earlier sources: 1 units of late", said)
        self.assertNotIn("units of fuzz", said)
        self.assertIn("aaaaaaaaaaaa (8), 0123456789ab (2)", page.read_text())
        self.nightly()
        self.nightly("--merge")

    def test_a_change_of_the_sources_is_noticed_but_not_one_of_pages(self):
        """By git: the digest is the same after a commit of pages, and in a changed tree nothing is recorded."""
        tree = self.folder / "tree"
        (tree / "docs").mkdir(parents=True)
        (tree / "scripts").mkdir()
        for name in ("scripts/nightly", "scripts/nightly_report.py", "scripts/lib.sh"):
            (tree / name).write_bytes((ROOT / name).read_bytes())
            (tree / name).chmod(0o755)
        (tree / "docs/page").write_text("a page\n")
        (tree / "source").write_text("one\n")
        (tree / ".gitignore").write_text("/build*/\n")

        def run(*command) -> str:
            done = subprocess.run(list(map(str, command)), cwd=tree, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            return done.stdout

        def commit():
            run("git", "add", "--all")
            run("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", "m")

        def nightly(*units) -> str:
            return run("scripts/nightly", "--units", self.folder / "units.py", *(units or ("kills/1", "fuzz")))

        run("git", "init", "--quiet")
        commit()
        self.assertIn("2 units to run on ", nightly())
        commit()
        self.assertIn("0 units to run on ", nightly())
        (tree / "docs/page").write_text("another page\n")
        commit()
        said = nightly()
        self.assertIn("1 units to run on ", said)
        self.assertIn("fuzz/a_fuzz-1 ", said)
        (tree / "source").write_text("two\n")
        before = (tree / "tests/nightly/results.jsonl").read_text()
        self.assertIn("2 units to run on a changed tree", nightly())
        self.assertEqual((tree / "tests/nightly/results.jsonl").read_text(), before)
        commit()
        self.assertIn("2 units to run on ", nightly())
        (tree / "bindings").mkdir()
        (tree / "bindings/source").write_text("one\n")
        commit()
        said = nightly()
        self.assertIn("1 units to run on ", said)
        self.assertIn("fuzz/a_fuzz-1 ", said)
        self.assertIn("1 units to run on ", nightly("kills/2"))
        (tree / "source").write_text("three\n")
        commit()
        said = nightly("kills/1", "kills/2")
        self.assertIn("1 units to run on ", said)
        self.assertIn("kills/1 ", said)

    def test_counts_that_may_not_be_fail_the_merge(self):
        (self.folder / "mended").touch()
        text = (self.folder / "units.py").read_text()
        (self.folder / "units.py").write_text(text.replace("FAULT C2 R 20", "FAULT C2 R 21"))
        self.nightly()
        self.nightly("--merge", code=1)

    def test_a_filter_that_matches_nothing_is_no_pass(self):
        text = (self.folder / "units.py").read_text()
        nothing = "[==========] Running 0 tests from 0 test suites."
        (self.folder / "units.py").write_text(text.replace('"#900', f'"{nothing}').replace("'#900", f"'{nothing}"))
        self.nightly("fuzz", code=1)

    def test_the_table_of_units(self):
        """That of the project: names are unique, none takes long, each program is one of a test of ours."""
        done = subprocess.run([ROOT / "scripts/nightly", "--list"], capture_output=True, text=True, check=True)
        units = dict(line.split() for line in done.stdout.splitlines())
        self.assertEqual(len(units), len(done.stdout.splitlines()))
        self.assertLessEqual(max(map(int, units.values())), 1300)
        parts = {unit.split("/")[0] for unit in units}
        for part in ("tests", "kills", "failpoints", "simdisk", "strace", "faults", "scrub", "property", "overlays", "reads",
                     "kernels", "cluster", "day", "bindings", "tsan", "site", "package", "fuzz"):
            self.assertIn(part, parts)
        fuzzed = {unit.split("/")[1].rsplit("-", 1)[0] for unit in units if unit.startswith("fuzz/")}
        self.assertEqual(fuzzed, {source.stem for source in (ROOT / "fuzz").glob("*_fuzz.cpp")})


if __name__ == "__main__":
    unittest.main()
