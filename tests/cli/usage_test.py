#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a stranger meets: words that are no verb, failures as JSON, closed pipes, odd inputs."""

import gzip
import json
import os
import pathlib
import subprocess
import unittest

from support import (BROKEN_PIPE, FAILED, FLATKV, NO, REFUSED, USAGE, Case, blocks, interrupt, json_lines, line,
                     slot_key, to_pb)

VERBS = ("init apply what-if root info get rows log snapshot snapshots rollback verify repair export check import "
         "import-log digest diff bisect report bench man completion").split()


class Words(Case):
    def test_the_nearest_verb_is_named(self):
        self.run_exit(USAGE, "inf", self.store, says='did you mean "info"?')
        self.run_exit(USAGE, "rolback", self.store, "1", says='did you mean "rollback"?')
        self.run_exit(USAGE, "frobnicate", says="flatkv help")
        self.run_exit(USAGE, says="a verb is missing")
        self.run_exit(USAGE, "info", self.store, "--jsn", says="did you mean --json?")

    def test_help(self):
        whole = self.run_ok("--help").out
        self.assertEqual(self.run_ok("help").out, whole)
        for verb in VERBS:
            self.assertIn(f"\n  {verb} ", whole)
            self.assertEqual(self.run_ok("help", verb).out, self.run_ok(verb, "--help").out)
        self.run_exit(USAGE, "help", "inf", says='did you mean "info"?')

    def test_version(self):
        answer = json.loads(self.run_ok("--version", "--json").out)
        self.assertEqual(set(answer), {"version", "commit", "rocksdb", "kernel"})
        self.assertEqual(json.loads(self.run_ok("--json", "--version").out), answer)
        self.assertIn(answer["commit"], self.run_ok("--version").out)

    def test_json_may_stand_before_the_verb(self):
        self.run_ok("init", self.store)
        self.assertEqual(json.loads(self.run_ok("--json", "info", self.store).out)["version"], 0)

    def test_arguments_that_are_no_text(self):
        odd = b"\xff\xfe/\x80"
        for arguments in ([odd], [b"info", odd, b"--json"], [b"apply", b"store", odd, b"--json"],
                          [b"help", odd, b"--json"]):
            process = subprocess.run([FLATKV.encode(), *arguments], capture_output=True, timeout=60)
            self.assertIn(process.returncode, (USAGE, REFUSED), arguments)
            if b"--json" in arguments:
                self.assertIn("error", json.loads(process.stdout))

    def test_json_of_what_is_done_in_a_place_that_is_no_text(self):
        odd = bytes(self.store) + b"\xff"
        for arguments in ([b"init", odd], [b"snapshot", odd], [b"export", odd, odd + b".state"], [b"export", odd,
                          b"--to", b"file:" + odd + b".parts"], [b"check", odd + b".state"], [b"report", odd, b"--out", odd + b".html"]):
            process = subprocess.run([FLATKV.encode(), *arguments, b"--json"], capture_output=True, timeout=60)
            self.assertEqual(process.returncode, 0, process.stderr)
            self.assertNotIn("error", json.loads(process.stdout.splitlines()[-1]))


class Failures(Case):
    """With --json a failure is an object on standard output, whatever the verb."""

    def error(self, code: int, *arguments, stdin="") -> dict:
        result = self.run_exit(code, *arguments, "--json", stdin=stdin)
        lines = result.out.splitlines()
        answer = json.loads(lines[-1])
        self.assertEqual(list(answer), ["error"])
        error = answer["error"]
        self.assertLessEqual({"code", "message", "remedies"}, set(error))
        self.assertIsInstance(error["remedies"], list)
        self.assertIn("error: ", result.err)
        return error

    def test_every_verb_without_its_store(self):
        missing = self.folder / "missing"
        text = self.file(blocks(1, 1))
        more = {"apply": [text], "what-if": [text], "get": ["00"], "rollback": ["1"], "repair": ["--db", "code"],
                "export": [self.folder / "out"], "diff": [missing], "bisect": [missing]}
        for verb in ("apply what-if root info get rows log snapshot snapshots rollback verify repair export digest "
                     "diff bisect").split():
            error = self.error(REFUSED, verb, missing, *more.get(verb, []))
            self.assertEqual(error["code"], "not_found", verb)
            self.assertEqual(error["path"], str(missing), verb)
        self.assertEqual(list(self.folder.iterdir()), [text])

    def test_every_verb_used_wrongly(self):
        more = {"apply": ["x"], "what-if": ["x"], "rollback": ["1"], "repair": ["--db", "code"], "export": ["x"],
                "diff": ["x"], "bisect": ["x"]}
        for verb in VERBS:
            error = self.error(USAGE, verb, "--no-such-option")
            self.assertEqual(error["code"], "invalid_argument", verb)
            if verb not in ("check", "import", "import-log", "bench", "completion"):
                # An empty path is what a shell variable without a value gives.
                error = self.error(USAGE, verb, "", *more.get(verb, []))
                self.assertIn("it is empty", error["message"], verb)
        self.assertEqual(self.error(USAGE, "inf")["code"], "invalid_argument")
        self.assertEqual(self.error(USAGE, "root", self.store, "--at", "9" * 30)["code"], "invalid_argument")

    def test_every_file_that_is_missing_or_a_directory(self):
        self.run_ok("init", self.store)
        for wrong in (self.folder / "nothing", self.folder):
            for arguments in (["apply", self.store, wrong], ["what-if", self.store, wrong], ["check", wrong],
                              ["import", wrong, self.folder / "new"],
                              ["apply", self.store, "-", "--expect", wrong], ["check", "-", "--root", wrong],
                              ["repair", self.store, "--db", "code", "--from", wrong]):
                self.assertEqual(self.error(USAGE, *arguments)["remedies"] is not None, True, arguments)
        file = self.file("text")
        for verb in ("root", "info", "rows", "log", "snapshot", "snapshots", "verify", "digest"):
            self.assertIn(self.error(REFUSED, verb, file)["code"], ("corruption", "not_found"), verb)

    def test_the_members_that_apply(self):
        self.apply(blocks(1, 3))
        error = self.error(REFUSED, "apply", self.store, "-", stdin=line(4, (slot_key(1)[:4], "01"), ("", "02")))
        self.assertEqual((error["code"], error["version"]), ("invalid_argument", 4))
        self.assertIn("line 1, version 4", error["message"])
        error = self.error(REFUSED, "root", self.store, "--at", "9")
        self.assertEqual((error["code"], error["version"], error["path"]),
                         ("version_mismatch", 9, str(self.store)))

    def test_an_answer_that_is_no_stands_alone(self):
        self.apply(blocks(1, 3))
        answer = self.run_exit(NO, "get", self.store, "0a" + "00" * 20, "--json").out
        self.assertFalse(json.loads(answer)["found"])
        stream = self.folder / "state"
        self.run_ok("export", self.store, stream)
        data = bytearray(stream.read_bytes())
        data[-40] ^= 1
        stream.write_bytes(data)
        error = self.error(NO, "check", stream)
        self.assertEqual((error["code"], error["path"]), ("corruption", str(stream)))
        self.assertIn("offset", error)

    def test_data_on_standard_output_is_data_only(self):
        result = self.run_exit(REFUSED, "export", self.folder / "missing", "-", "--json")
        self.assertEqual(result.out, "")


class Pipes(Case):
    def setUp(self):
        super().setUp()
        self.apply(blocks(1, 400, rows=20))

    def into_closed_pipe(self, *arguments) -> subprocess.CompletedProcess:
        reading, writing = os.pipe()
        os.close(reading)
        try:
            return subprocess.run([FLATKV, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=writing,
                                  stderr=subprocess.PIPE, timeout=60)
        finally:
            os.close(writing)

    def test_a_reader_that_went_away_is_no_error(self):
        self.run_ok("digest", self.store, "--out", self.folder / "digest")
        more = self.file(blocks(401, 401))
        for arguments in (["log", self.store], ["rows", self.store], ["root", self.store], ["info", self.store],
                          ["get", self.store, slot_key(7)], ["snapshots", self.store], ["verify", self.store],
                          ["export", self.store, "-"], ["digest", self.store], ["diff", self.store, self.store],
                          ["bisect", self.store, self.store], ["what-if", self.store, more],
                          ["log", self.store, "--follow"], ["help"], ["apply", "--help"], ["--version"],
                          ["man", "apply"], ["completion", "zsh"],
                          ["apply", self.store, more, "--roots", "-"]):
            for json_too in ([], ["--json"]):
                process = self.into_closed_pipe(*arguments, *json_too)
                self.assertEqual(process.returncode, BROKEN_PIPE, arguments)
                self.assertNotIn(b"error", process.stderr, arguments)

    def test_head(self):
        process = subprocess.run(f'"{FLATKV}" rows "{self.store}" | head -n 2; echo ${{PIPESTATUS[0]}}', shell=True,
                                 executable="/bin/bash", capture_output=True, text=True, timeout=60)
        lines = process.stdout.splitlines()
        self.assertEqual(len(lines), 3, process.stdout)
        self.assertIn(lines[2], ("0", "141"))
        self.assertNotIn("error", process.stderr)

    @unittest.skipUnless(os.path.exists("/dev/full"), "no /dev/full")
    def test_a_full_disk_is_an_error(self):
        for arguments in (["log", self.store], ["rows", self.store], ["info", self.store, "--json"], ["help"],
                          ["export", self.store, "-"], ["digest", self.store], ["man"], ["completion", "bash"]):
            with open("/dev/full", "wb") as full:
                process = subprocess.run([FLATKV, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=full,
                                         stderr=subprocess.PIPE, timeout=60)
            self.assertEqual(process.returncode, FAILED, arguments)
            self.assertIn(b"no_space", process.stderr, arguments)


class Compression(Case):
    """zstd and gzip are known by their first bytes wherever something is read."""

    def packed(self, data: bytes) -> list:
        zstd = subprocess.run(["zstd", "-q"], input=data, capture_output=True, check=True).stdout
        return [gzip.compress(data), zstd]

    def test_change_sets_in_files_and_pipes(self):
        for format, data in (("jsonl", blocks(1, 5).encode()), ("pb", to_pb(json_lines(blocks(1, 5))))):
            self.apply(data, "--format", format)
            for packed in self.packed(data):
                for name in ("input", "input.gz", "input.zst", "input.jsonl"):
                    self.run_ok("apply", self.store, self.file(packed, name), "--format", format)
                self.run_ok("apply", self.store, "-", "--format", format, stdin=packed)

    def test_roots_streams_and_digests(self):
        self.apply(blocks(1, 5))
        roots = self.run_ok("log", self.store).out.encode()
        self.run_ok("export", self.store, self.folder / "state")
        self.run_ok("digest", self.store, "--out", self.folder / "digest")
        for index, packed in enumerate(self.packed(roots)):
            expect = self.file(packed, f"roots{index}")
            self.run_ok("apply", self.store, "-", "--expect", expect, stdin=blocks(1, 5))
            self.run_ok("check", self.folder / "state", "--root", expect)
        for index, packed in enumerate(self.packed((self.folder / "state").read_bytes())):
            stream = self.file(packed, f"packed{index}")
            self.run_ok("check", stream)
            self.run_ok("check", "-", stdin=packed)
            self.run_ok("import", stream, self.folder / f"copy{index}")
        for index, packed in enumerate(self.packed((self.folder / "digest").read_bytes())):
            self.run_ok("diff", self.store, self.file(packed, f"digest{index}"))
            self.run_ok("diff", self.store, "-", stdin=packed)

    def test_damage_says_what_it_is(self):
        packed = gzip.compress(blocks(1, 5).encode())
        self.run_exit(USAGE, "apply", self.store, "-", "--create", stdin=packed[:-9], says="ends in the middle")
        self.run_exit(USAGE, "apply", self.store, "-", stdin=packed[:-8] + b"\0" * 8, says="damaged")


class Info(Case):
    def test_a_fresh_import_was_closed_cleanly(self):
        self.apply(blocks(1, 5))
        self.run_ok("export", self.store, self.folder / "state")
        self.run_ok("import", self.folder / "state", self.folder / "copy")
        for store in (self.store, self.folder / "copy"):
            answer = json.loads(self.run_ok("info", store, "--json").out)
            self.assertTrue(answer["closed_cleanly"])
            self.assertEqual(answer["reachable"][-1]["last"], 5)
            size = sum({(i.st_dev, i.st_ino): i.st_size for i in (
                path.stat() for path in pathlib.Path(store).rglob("*") if path.is_file())}.values())
            self.assertEqual(answer["disk_bytes"], size)

    def test_who_has_it(self):
        self.apply(blocks(1, 5))
        self.assertNotIn("holder", json.loads(self.run_ok("info", self.store, "--json").out))
        with subprocess.Popen([FLATKV, "apply", self.store, "-", "--roots", "-"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as writer:
            writer.stdin.write((blocks(6, 6) + blocks(7, 7)).encode())
            writer.stdin.flush()
            writer.stdout.readline()
            holder = json.loads(self.run_ok("info", self.store, "--json").out)["holder"]
            self.assertEqual(holder["pid"], writer.pid)
            self.assertGreater(holder["resident_bytes"], 1 << 20)
            self.assertIn(f"open in process {writer.pid} ", self.run_ok("info", self.store).out)
            writer.stdin.close()
            writer.stdout.read()


class Cancelled(Case):
    def test_what_begins_anew_does_not_say_that_it_goes_on(self):
        self.apply(blocks(1, 400, rows=20))
        process = subprocess.Popen([FLATKV, "verify", self.store, "--rate", "1", "--json"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        interrupt(process)
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, err)
        self.assertIn("begins anew", err)
        self.assertNotIn("go on", err)
        self.assertEqual(json.loads(out)["error"]["code"], "cancelled")


class Durability(Case):
    def test_groups(self):
        self.run_ok("apply", self.store, "-", "--create", "--durability", "group", "--group-blocks", "4",
                    stdin=blocks(1, 50))
        self.assertEqual(self.version(), 50)
        self.run_exit(USAGE, "apply", self.store, "-", "--group-blocks", "4", stdin="", says="--durability group")
        for wrong in ("0", "-1", "4294967296", "x"):
            self.run_exit(USAGE, "apply", self.store, "-", "--durability", "group", "--group-blocks", wrong, stdin="")


if __name__ == "__main__":
    unittest.main()
