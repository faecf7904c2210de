#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Interrupts, kills, closed pipes and full disks: what a process can meet, and what is left behind."""

import gzip
import json
import os
import random
import resource
import signal
import subprocess
import time
import unittest

from support import *


class Process(Case):
    def closed(self, *arguments, descriptors=(0,)):
        """Runs the program with some of its standard descriptors closed, as some supervisors start it."""
        def close():
            for number in descriptors:
                os.close(number)
        return subprocess.run([FLATKV, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=60, preexec_fn=close)

    def test_closed_standard_descriptors(self):
        self.run_ok("init", self.store)
        text = self.file(blocks(1, 3))
        for verb in (("apply", self.store, "-"), ("check", "-"), ("import", "-", self.folder / "x"),
                     ("what-if", self.store, "-"), ("diff", self.store, "-"),
                     ("apply", self.store, text, "--expect", "-")):
            for descriptors in ((0,), (0, 1), (0, 1, 2)):
                ended = self.closed(*verb, descriptors=descriptors)
                self.assertEqual(ended.returncode, FAILED, (verb, descriptors, ended))
                if 2 not in descriptors:
                    self.assertIn(b"standard input is closed", ended.stderr, verb)
        for verb in (("apply", self.store, text, "--roots", "-"), ("export", self.store, "-")):
            ended = self.closed(*verb, descriptors=(1,))
            self.assertEqual(ended.returncode, FAILED, (verb, ended))
            self.assertIn(b"standard output is closed", ended.stderr, verb)
        self.assertEqual(self.version(), 0, "something was applied")
        # A result that nobody gets is a failure, and no file of the store gets what is printed.
        ended = self.closed("apply", self.store, text, descriptors=(0, 1, 2))
        self.assertEqual(ended.returncode, FAILED)
        self.assertEqual(self.version(), 3)
        self.run_ok("verify", self.store)

    def test_the_program_takes_all_descriptors_that_it_may(self):
        self.run_ok("init", self.store)
        def few():
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 4000))
        ended = subprocess.run([FLATKV, "info", self.store, "--json"], stdin=subprocess.DEVNULL, capture_output=True,
                               timeout=60, preexec_fn=few)
        self.assertEqual(ended.returncode, DONE, ended)
        self.assertEqual(json.loads(ended.stdout)["host"]["descriptors"], 4000)

    def test_a_line_for_which_there_is_no_memory_is_not_called_bad(self):
        self.run_ok("init", self.store)
        line = b'{"version":1,"changesets":[{"name":"evm","pairs":[{"key":"' + b"a" * (300 << 20) + b'"}]}]}\n'
        packed = self.folder / "line.gz"
        packed.write_bytes(gzip.compress(line, 1))
        def little():
            resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
        def run(*arguments):
            return subprocess.run([FLATKV, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True,
                                  timeout=120, preexec_fn=little)
        if run("--version").returncode != DONE:
            self.skipTest("this program needs more address space to start")
        ended = run("apply", self.store, packed, "--cache", 0)
        self.assertEqual(ended.returncode, FAILED, ended)
        self.assertIn(b"out of memory", ended.stderr)

    def test_a_limit_of_file_sizes_is_an_error_of_the_write(self):
        self.run_ok("apply", self.store, self.file(blocks(1, 3)), "--create")

        def small():
            resource.setrlimit(resource.RLIMIT_FSIZE, (64, resource.RLIM_INFINITY))
        ended = subprocess.run([FLATKV, "apply", str(self.store), str(self.file(blocks(1, 6)))],
                               capture_output=True, timeout=60, preexec_fn=small)
        self.assertEqual(ended.returncode, FAILED, ended)
        self.assertIn(b"File too large", ended.stderr)
        self.run_ok("apply", self.store, self.file(blocks(1, 6)))
        self.run_ok("verify", self.store)

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to become a user whose processes are limited")
    def test_without_a_thread_for_signals(self):
        def version(processes):
            # Of a user who has no other process; the limit does not hold for root.
            def become():
                resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))
                os.setuid(2_000_000_000)
            return subprocess.run([FLATKV, "--version"], capture_output=True, timeout=60, preexec_fn=become, cwd="/")
        try:
            version(1000)
        except PermissionError:
            self.skipTest("another user may not run the program where it lies")
        ended = version(1)
        self.assertEqual(ended.returncode, DONE, ended)
        self.assertIn(b"flatkv", ended.stdout)

    def test_the_row_cache_can_be_given(self):
        self.run_ok("init", self.store)
        for verb in (("apply", self.store, self.file(blocks(1, 2))), ("snapshot", self.store)):
            said = self.run_ok(*verb, "--cache", 1 << 20, "--verbose").err
            self.assertIn("row cache 1048576 bytes", said)
            self.run_exit(USAGE, *verb, "--cache", 1 << 50, says="row_cache")

    def start(self, *more, roots="-"):
        """`apply` that reads a pipe and writes a roots line for every block."""
        return subprocess.Popen(
            [FLATKV, "apply", self.store, "-", "--create", "--durability", "process", "--roots", roots, *more],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def acknowledged(self, process) -> int:
        return json.loads(process.stdout.readline())["version"]

    def feed(self, process, text):
        process.stdin.write(text.encode())
        process.stdin.flush()

    def finish(self, process) -> Result:
        out, err = process.communicate(timeout=120)
        return Result(subprocess.CompletedProcess([], process.returncode, out.decode(), err.decode()))

    def interrupted(self, number: int, code: int):
        process = self.start()
        self.feed(process, blocks(1, 4))  # 4 is not known to be complete
        while self.acknowledged(process) != 3:
            pass
        interrupt(process, number)  # while it waits for more
        process.wait(timeout=120)  # with its input open: the end of the input races with a signal
        result = self.finish(process)
        self.assertEqual(result.exit, code, result)
        self.assertIn("after version 3", result.err)
        self.assertEqual(self.version(), 3)
        info = json.loads(self.run_ok("info", self.store, "--json").out)
        self.assertTrue(info["closed_cleanly"])
        self.apply(blocks(1, 6))
        self.assertEqual(self.version(), 6)

    def test_sigint_stops_between_blocks(self):
        self.interrupted(signal.SIGINT, 130)

    def test_sigterm_stops_between_blocks(self):
        self.interrupted(signal.SIGTERM, 143)

    def test_sigint_in_the_middle_of_work(self):
        file = self.file(blocks(1, 4000, rows=20))
        process = subprocess.Popen([FLATKV, "apply", self.store, file, "--create", "--durability", "process",
                                    "--roots", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.acknowledged(process)
        interrupt(process)
        result = self.finish(process)
        if result.exit != 0:  # a fast machine may have been done already
            self.assertEqual(result.exit, 130, result)
            self.assertLess(self.version(), 4000)
            self.assertGreaterEqual(self.version(), 1)
        self.run_ok("apply", self.store, file, "--durability", "process")
        self.assertEqual(self.version(), 4000)

    def test_killed_at_random_it_ends_at_the_same_root(self):
        seed = int(os.environ.get("FLATKV_SEED", random.SystemRandom().randrange(1 << 32)))
        print(f"seed {seed}", flush=True)
        generator = random.Random(seed)
        text = "".join(
            line(version, *((slot_key(generator.randrange(400)),
                             None if generator.random() < 0.2 else f"{generator.randrange(1 << 60):064x}")
                            for _ in range(30)))
            for version in range(1, 1201))
        file = self.file(text)
        model = self.folder / "model"
        out = self.folder / "model.roots"
        self.run_ok("apply", model, file, "--create", "--durability", "process", "--roots", out)
        want = json_lines(out.read_text())
        killed = 0
        before = 0
        roots = self.folder / "roots"
        for round_number in range(200):
            durability = generator.choice(["process", "process", "sync"])
            process = subprocess.Popen(
                [FLATKV, "apply", self.store, file, "--create", "--durability", durability, "--write-buffer",
                 "65536", "--roots", roots, "--until", str(min(1200, before + generator.randrange(20, 300)))],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            try:
                process.wait(generator.random() * 0.3)
            except subprocess.TimeoutExpired:
                process.kill()
                killed += 1
            err = process.stderr.read().decode()
            process.wait()
            process.stderr.close()
            self.assertIn(process.returncode, (0, -signal.SIGKILL), err)
            acknowledged = json_lines(roots.read_text()) if roots.exists() else []
            if round_number % 10 == 9 and self.store.exists():
                state = flatkv("root", self.store)
                if state.exit == 0:
                    before = json.loads(state.out)["version"]
            if acknowledged:
                self.assertEqual(acknowledged, want[:len(acknowledged)])  # whole lines, right ones
                before = max(before, len(acknowledged))
            if before >= 1200 and killed >= 10:
                break
        self.assertGreaterEqual(killed, 5, "nothing was ever killed")
        self.run_ok("apply", self.store, file, "--create", "--durability", "process")
        self.assertEqual(self.root_line(), want[-1])
        self.run_ok("verify", self.store)

    def test_locked_names_the_holder(self):
        process = self.start()
        self.feed(process, blocks(1, 2))
        self.acknowledged(process)
        result = self.apply(blocks(1, 3), code=REFUSED, says="locked")
        self.assertIn(str(process.pid), result.err)
        process.stdin.close()
        process.stdin = None
        self.assertEqual(self.finish(process).exit, 0)

    def test_a_full_disk_is_a_failure_of_the_system_and_a_closed_pipe_none(self):
        self.apply(blocks(1, 300, rows=10))
        for arguments in (["rows", self.store], ["root", self.store], ["log", self.store], ["--version"],
                          ["--help"], ["info", self.store, "--json"], ["rows", "--help"]):
            with open("/dev/full", "w") as full:
                process = subprocess.run([FLATKV, *arguments], stdout=full, stderr=subprocess.PIPE)
            self.assertEqual(process.returncode, FAILED, (arguments, process.stderr))
            read, write = os.pipe()
            os.close(read)
            process = subprocess.run([FLATKV, *arguments], stdout=write, stderr=subprocess.PIPE)
            os.close(write)
            self.assertEqual(process.returncode, BROKEN_PIPE, (arguments, process.stderr))

    def test_a_closed_pipe_for_roots_stops_after_a_commit(self):
        read, write = os.pipe()
        os.close(read)
        process = subprocess.run([FLATKV, "apply", self.store, self.file(blocks(1, 9)), "--create", "--roots",
                                  "-"], stdout=write, stderr=subprocess.PIPE)
        os.close(write)
        self.assertEqual(process.returncode, BROKEN_PIPE, process.stderr)
        self.assertEqual(process.stderr, b"")
        self.assertEqual(self.version(), 1)
        self.apply(blocks(1, 9))

    def test_no_permission(self):
        if os.geteuid() == 0:
            self.skipTest("root may do everything")
        file = self.file(blocks(1, 2))
        file.chmod(0)
        self.run_exit(FAILED, "apply", self.store, file, "--create", says="permission")

    def test_the_kernel_can_be_forced_and_a_wrong_one_is_refused(self):
        file = self.file(blocks(1, 50))
        self.run_ok("apply", self.store, file, "--create")
        portable = self.folder / "portable"
        self.run_ok("apply", portable, file, "--create", env={"FLATKV_KERNEL": "portable"})
        self.assertEqual(self.root_line(), json.loads(self.run_ok("root", portable).out))
        self.run_exit(USAGE, "root", self.store, env={"FLATKV_KERNEL": "abacus"}, says="abacus")
        self.assertIn("portable", flatkv("--version", env={"FLATKV_KERNEL": "portable"}).out)

    def test_version_and_help(self):
        version = self.run_ok("--version").out
        for word in ("flatkv", "commit", "RocksDB", "kernel"):
            self.assertIn(word, version)
        top = self.run_ok("--help").out
        for verb in ("init", "apply", "what-if", "root", "info", "get", "rows", "log", "verify", "snapshot",
                     "snapshots"):
            self.assertIn(verb, top)
            text = self.run_ok(verb, "--help").out
            self.assertIn("Example:", text)
            self.assertIn(f"flatkv {verb}", text)

    def test_wrong_use(self):
        for arguments in ([], ["nonsense"], ["apply"], ["apply", "x"], ["root"], ["root", "a", "b"],
                          ["root", "x", "--at", "-1"], ["root", "x", "--at", "99999999999999999999"],
                          ["root", "x", "--at", "z"], ["rows", "x", "--prefix", "00"],
                          ["rows", "x", "--db", "metadata"], ["rows", "x", "--db", "code", "--prefix", "0"],
                          ["rows", "x", "--limit", "-1"], ["init", "x", "--account-rows", "some"],
                          ["init", "x", "--initial-version", "0"],
                          ["init", "x", "--initial-version", str(2 ** 63 - 1)], ["get", "x"],
                          ["get", "x", "zz"], ["get", "x", ""], ["get", "x", "00", "--account", "00"],
                          ["get", "x", "--account", "00"], ["get", "x", "--storage", "00"],
                          ["get", "x", "--storage", "aa" * 20, "00"], ["apply", "x", "-", "--format", "xml"],
                          ["apply", "x", "-", "--durability", "never"], ["apply", "x", "-", "--until", "0"],
                          ["apply", "x", "/nonexistent"], ["apply", "x", "/"], ["verify", "x", "--rate", "a"],
                          ["--no-progress"], ["root", "x", "--colour"], ["publish", "x"],
                          ["publish", "x", "--to", ""], ["publish", "x", "--to", "h:1/t"],
                          ["publish", "x", "--to", "kafka://h:1/t", "--depth", "0"],
                          ["publish", "x", "--to", "kafka://h:1/t", "--depth", "4097"], ["follow", "x"],
                          ["follow", "x", "--from", "http://h:1/t"], ["follow", "x", "--from", "kafka://h:1"],
                          ["follow", "x", "--from", "kafka://h:1/t", "--durability", "never"]):
            with self.subTest(arguments):
                result = self.run_exit(USAGE, *arguments)
                self.assertEqual(result.out, "")
        self.assertFalse((pathlib.Path.cwd() / "x").exists())


if __name__ == "__main__":
    unittest.main()
