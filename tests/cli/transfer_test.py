#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""export, check, import and import-log: round trips, forgeries, interruptions, kills."""

import json
import os
import pathlib
import random
import signal
import subprocess
import time
import unittest

from support import *


class Transfer(Case):
    def setUp(self):
        super().setUp()
        self.stream = self.folder / "state.flatkv"
        self.other = self.folder / "other"

    def line_of(self, store, *more) -> dict:
        return json.loads(self.run_ok("root", store, *more).out)

    def test_mainnet_travels_and_goes_on(self):
        lines = text_of(MAINNET).splitlines(keepends=True)
        self.apply("".join(lines[:21]))
        self.run_ok("export", self.store, self.stream)
        compressed = self.folder / "state.flatkv.zst"
        self.run_ok("export", self.store, compressed)
        self.assertLess(compressed.stat().st_size, self.stream.stat().st_size)
        roots = self.file(json.dumps(self.root_line()), "roots.json")
        for root in (roots, roots.read_text(), self.root_line()["root"]):
            self.run_ok("check", compressed, "--root", root)
        checked = json.loads(self.run_ok("check", self.stream, "--json").out)
        self.assertEqual(checked["version"], 21)
        self.run_ok("import", compressed, self.other, "--root", roots)
        self.assertEqual(self.line_of(self.other), self.root_line())
        self.run_ok("verify", self.other)
        self.run_ok("export", self.other, self.folder / "again")
        self.assertEqual((self.folder / "again").read_bytes(), self.stream.read_bytes())
        rest = self.file("".join(lines[21:]), "rest.jsonl")
        for store in (self.store, self.other):
            self.run_ok("apply", store, rest)
        self.assertEqual(self.line_of(self.other), self.root_line())
        self.assertEqual(self.root_line(), roots_of("mainnet")[-1])

    def test_an_older_version_and_a_pipe(self):
        self.apply(blocks(1, 30))
        self.run_ok("export", self.store, self.stream, "--at", 12)
        piped = subprocess.run([FLATKV, "export", self.store, "-", "--at", "12"], capture_output=True, check=True)
        self.assertEqual(piped.stdout, self.stream.read_bytes())
        self.run_ok("import", "-", self.other, stdin=piped.stdout)
        self.assertEqual(self.line_of(self.other), self.root_line("--at", 12))
        self.run_exit(REFUSED, "root", self.other, "--at", 11)
        self.run_exit(REFUSED, "rollback", self.other, 11)

    def test_a_lone_root_is_warned_about(self):
        self.apply(blocks(1, 3))
        self.run_ok("export", self.store, self.stream)
        self.run_exit(DONE, "check", self.stream, "--root", self.root_line()["root"], says="in which database")

    def test_only_files_are_replaced(self):
        self.apply(blocks(1, 2))
        pipe = self.folder / "pipe"
        os.mkfifo(pipe)
        self.run_exit(USAGE, "export", self.store, pipe, says="other than a file")
        self.assertTrue(pipe.is_fifo())
        self.run_exit(USAGE, "check", pipe, "--root", "", says="empty")

    def test_what_is_not_trusted_is_refused(self):
        self.apply(blocks(1, 3))
        self.run_ok("export", self.store, self.stream)
        wrong = self.root_line()
        wrong["storage"] = "00" * 32
        for root in (json.dumps(wrong), "ab" * 32):
            self.run_exit(NO, "check", self.stream, "--root", root)
            self.run_exit(REFUSED, "import", self.stream, self.other, "--root", root)
        self.run_exit(USAGE, "check", self.stream, "--root", "{}")
        self.run_exit(REFUSED, "info", self.other)

    def test_a_file_of_roots_lines(self):
        self.apply(blocks(1, 6))
        self.run_ok("export", self.store, self.stream, "--at", 4)
        lines = self.run_ok("log", self.store).out
        self.run_ok("check", self.stream, "--root", self.file(lines, "roots"))
        self.run_ok("import", self.stream, self.other, "--root", self.folder / "roots")
        fourth = json.loads(lines.splitlines()[3])
        without = self.file("".join(one + "\n" for one in lines.splitlines() if json.loads(one)["version"] != 4))
        later = json.dumps({**fourth, "version": 5})
        for root in (without, later):
            missing = self.run_exit(NO, "check", self.stream, "--root", root, says="of the state's version")
            self.assertIn("roots line of the stream's version", missing.err)
            self.run_exit(REFUSED, "import", self.stream, self.folder / "none", "--root", root)
            self.assertFalse((self.folder / "none").exists())
        wrong = self.file(lines.replace(fourth["storage"], "00" * 32), "wrong")
        self.run_exit(NO, "check", self.stream, "--root", wrong, says="storage checksum")
        for bad, says in ((lines + "{}\n", "line 7"), (lines + later + "\n", "second line of version 5"), ("", "no roots")):
            self.run_exit(USAGE, "check", self.stream, "--root", self.file(bad, "bad"), says=says)

    def test_a_cut_stream_is_the_same_with_compression(self):
        self.apply(blocks(1, 40, rows=40))
        for name in ("state", "state.zst"):
            self.run_ok("export", self.store, self.folder / name)
            cut = self.file((self.folder / name).read_bytes()[:-30], "cut-" + name)
            refused = self.run_exit(NO, "check", cut, says="get the file again")
            self.assertIn(str(cut), refused.err)
            self.assertNotIn("info STORE", refused.err)
            self.run_exit(REFUSED, "import", cut, self.other, says="get the file again")

    def test_an_export_has_a_place_to_go(self):
        self.apply(blocks(1, 2))
        refused = self.run_exit(USAGE, "export", self.store, self.folder / "none" / "file", says="make that directory")
        self.assertNotIn("init", refused.err)

    def test_an_import_takes_no_directory_of_others(self):
        self.apply(blocks(1, 2))
        self.run_ok("export", self.store, self.stream)
        self.other.mkdir()
        (self.other / "photos").mkdir()
        for more in ([], ["--force"]):
            self.run_exit(REFUSED, "import", self.stream, self.other, *more, says="photos")
            self.assertEqual([path.name for path in self.other.iterdir()], ["photos"])
        (self.other / "photos").rename(self.other / "lost+found")
        self.run_ok("import", self.stream, self.other)

    def test_damaged_streams(self):
        self.apply(blocks(1, 40, rows=40))
        self.run_ok("export", self.store, self.stream)
        good = self.stream.read_bytes()
        chance = random.Random(7)
        for _ in range(40):
            bad = bytearray(good)
            at = chance.randrange(len(bad))
            bad[at] ^= 1 << chance.randrange(8)
            damaged = self.file(bytes(bad), "damaged")
            self.assertIn(flatkv("check", damaged).exit, (NO, REFUSED), f"byte {at}")
            self.assertEqual(flatkv("import", damaged, self.other).exit, REFUSED, f"byte {at}")
            cut = self.file(good[:at], "cut")
            self.assertEqual(flatkv("check", cut).exit, NO, f"cut at {at}")
            self.assertEqual(flatkv("import", cut, self.other).exit, REFUSED, f"cut at {at}")
        self.run_exit(NO, "check", self.file(good + b"x", "longer"), says=str(self.folder / "longer"))
        self.run_exit(REFUSED, "import", self.folder / "longer", self.other, says=str(self.folder / "longer"))
        self.run_exit(NO, "check", self.file(b"garbage" * 5000, "garbage"))
        self.run_exit(USAGE, "check", self.folder / "missing")
        self.run_exit(REFUSED, "info", self.other)

    def test_force_replaces_and_nothing_else_does(self):
        self.apply(blocks(1, 5))
        self.run_ok("export", self.store, self.stream)
        self.run_ok("apply", self.other, self.file(blocks(1, 9, salt=3)), "--create")
        before = self.line_of(self.other)
        self.run_exit(REFUSED, "import", self.stream, self.other, says="--force")
        self.assertEqual(self.line_of(self.other), before)
        self.run_ok("import", self.stream, self.other, "--force")
        self.assertEqual(self.line_of(self.other), self.root_line())
        self.run_ok("verify", self.other)
        self.assertEqual(len(list(self.other.glob("gen-*"))), 1)

    def test_killed_at_any_moment(self):
        self.apply(blocks(1, 300, rows=200))
        self.run_ok("export", self.store, self.stream)
        imported = self.root_line()
        old = self.file(blocks(1, 4, salt=9))
        chance = random.Random(11)
        started = time.monotonic()
        self.run_ok("import", self.stream, self.folder / "timed")
        whole = time.monotonic() - started
        outcomes = {"old": 0, "new": 0, "incomplete": 0, "nothing": 0}
        for attempt in range(24):
            shutil.rmtree(self.other, True)
            over = attempt % 2 == 0
            if over:
                self.run_ok("apply", self.other, old, "--create", "--durability", "process")
                before = self.line_of(self.other)
            process = subprocess.Popen([FLATKV, "import", self.stream, self.other, "--force"],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(chance.random() * whole * 1.2)
            process.send_signal(signal.SIGKILL)
            process.wait()
            result = flatkv("root", self.other)
            if result.exit == DONE:
                found = json.loads(result.out)
                self.assertIn(found, [imported] + ([before] if over else []))
                outcomes["new" if found == imported else "old"] += 1
                self.run_ok("verify", self.other)
            else:
                self.assertFalse(over, result)
                self.assertEqual(result.exit, REFUSED, result)
                outcomes["incomplete" if "import" in result.err else "nothing"] += 1
            self.run_ok("import", self.stream, self.other, "--force")
            self.assertEqual(self.line_of(self.other), imported)
            self.run_ok("verify", self.other)
        print("killed imports:", outcomes)
        self.assertGreater(outcomes["old"] + outcomes["incomplete"], 0)

    def test_no_output_into_a_store(self):
        self.apply(blocks(1, 5))
        generation = next(pathlib.Path(self.store).glob("gen-*"))
        link = pathlib.Path(self.folder) / "link"
        link.symlink_to(generation)
        before = self.root_line()
        for target in (generation / "MANIFEST.json", next((generation / "changelog").iterdir()), link / "CLEAN",
                       pathlib.Path(self.store) / "CURRENT", pathlib.Path(self.store) / "new"):
            for words in (("export", self.store, target), ("digest", self.store, "--out", target)):
                result = self.run_exit(USAGE, *words)
                self.assertIn("lies in the store", result.err)
        self.assertEqual(self.root_line(), before)
        self.run_ok("verify", self.store)

    def test_interrupted(self):
        self.apply(blocks(1, 300, rows=200))
        process = subprocess.Popen([FLATKV, "import", "-", self.other], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(0.3)
        interrupt(process)
        self.assertEqual(process.wait(timeout=60), 130)  # with its input open
        process.communicate()
        self.run_exit(REFUSED, "root", self.other)

    def test_the_reference_log(self):
        log = GOLDEN / "reference-changelog-accounts"
        self.run_exit(REFUSED, "import-log", log, self.store)
        report = json.loads(self.run_ok("import-log", log, self.store, "--create", "--json").out)
        self.assertEqual(report["committed"], 200)
        self.assertEqual(self.root_line(), roots_of("accounts")[-1])
        self.assertEqual(json.loads(self.run_ok("import-log", log, self.store, "--json").out)["held"], 200)
        self.run_ok("verify", self.store)
        self.run_exit(REFUSED, "import-log", self.folder, self.store)

    def log(self, name: str, **segments) -> pathlib.Path:
        """A log directory; a segment is named by its first index, `z` after it compresses."""
        folder = self.folder / name
        folder.mkdir()
        for index, content in segments.items():
            path = folder / f"{int(index[1:].rstrip('z')):020d}"
            path.write_bytes(content)
            if index.endswith("z"):
                subprocess.run(["zstd", "-q", "--rm", path], check=True)
        return folder

    def test_reference_logs_of_every_kind(self):
        lines = json_lines(blocks(1, 8))
        whole = to_pb(lines)
        first = to_pb(lines[:5])
        mixed = self.log("mixed", _1z=first, _6=whole[len(first):-1])
        torn = self.run_exit(DONE, "import-log", mixed, self.store, "--create", says="inside an entry")
        self.assertIn("version 7", torn.out)
        self.apply(blocks(8, 8))
        for name, segments, says in (("gap", {"_1": first, "_7": to_pb(lines[6:])}, "begins at 7"),
                                     ("pruned", {"_6": to_pb(lines[5:])}, "pruned"),
                                     ("torn", {"_1": first[:-1], "_6": to_pb(lines[5:])}, "ends inside an entry")):
            before = self.root_line()
            self.run_exit(REFUSED, "import-log", self.log(name, **segments), self.store, says=says)
            self.run_exit(REFUSED, "import-log", self.folder / name, self.folder / "fresh", "--create", says=says)
            self.assertEqual(self.root_line(), before)
            self.assertFalse((self.folder / "fresh").exists(), "a store was made for a log that gives none")

    def test_a_log_that_is_none_leaves_no_store(self):
        empty = self.log("empty")
        for directory in (empty, self.folder / "missing"):
            refused = self.run_exit(REFUSED, "import-log", directory, self.store, "--create", says=str(directory))
            self.assertIn("node's log", refused.err)
            self.assertNotIn("init", refused.err)
            self.assertFalse(self.store.exists())
        cut = self.log("cut", _1=to_pb(json_lines(blocks(1, 3)))[:-1], _3=b"")
        refused = self.run_exit(REFUSED, "import-log", cut, self.store, "--create", says="get the node's log again")
        self.assertNotIn("info STORE", refused.err)
        self.assertFalse(self.store.exists())
        self.run_exit(REFUSED, "import-log", self.log("good", _1=to_pb(json_lines(blocks(1, 3)))), self.store)
        self.run_ok("import-log", self.folder / "good", self.store, "--create")

    def test_a_reference_log_with_balances(self):
        text = line(1, ("21" + "aa" * 20, f"{5:064x}"))
        log = self.log("balances", _1=to_pb(json_lines(text)))
        self.run_exit(REFUSED, "import-log", log, self.store, "--create", says="--balances")
        self.assertFalse(self.store.exists())
        self.run_ok("import-log", log, self.store, "--create", "--balances")
        self.apply(text)  # the same block: held
        self.assertEqual(self.version(), 1)


if __name__ == "__main__":
    unittest.main()
