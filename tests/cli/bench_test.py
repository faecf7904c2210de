#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The benchmark verb and its scripts at tiny sizes: that they run, agree with themselves, and tidy up."""

import json
import os
import subprocess
import time
import unittest
import xml.etree.ElementTree

from support import *

SMALL = ("--blocks", 6, "--warm-up", 2, "--cache", 1 << 20)
PHASES = ("lookup", "route", "read", "hash", "log", "buffer", "publish", "wait", "other")


class Bench(Case):
    def bench(self, workload, *more) -> dict:
        result = self.run_ok("bench", workload, "--dir", self.folder / "dir", "--json", *more)
        self.assertFalse((self.folder / "dir").exists(), "the stores were left behind")
        return json.loads(result.out)

    def check_run(self, report: dict, blocks: int):
        self.assertEqual(report["store"]["blocks"], blocks)
        self.assertGreater(report["store"]["writes_per_s"], 0)
        self.assertGreater(report["store"]["load_rows_per_s"], 0)
        whole = report["phases_us"]["block"]
        self.assertLessEqual(whole["p50"], whole["max"])
        self.assertAlmostEqual(sum(report["phases_us"][phase]["mean"] for phase in PHASES), whole["mean"],
                               delta=whole["mean"] * 0.01)
        self.assertIn(report["longest_stall"]["phase"], PHASES)
        self.assertGreater(report["memory"]["peak"], 1 << 20)
        self.assertEqual(len(report["roots"]["root"]), 64)

    def test_every_workload(self):
        for workload in ("slots", "transfer", "constantinople", "erc20"):
            with self.subTest(workload):
                report = self.bench(workload, "--rows", 300, "--writes", 50, *SMALL)
                self.check_run(report, 6)
                self.assertGreater(report["written"]["payload"], 0)
                self.assertGreater(report["floors"]["raw_us"], 0)
                self.assertGreater(report["floors"]["hash_us"], 0)

    def test_mainnet(self):
        report = self.bench("mainnet", "--file", MAINNET, "--blocks", 30, "--warm-up", 0)
        self.check_run(report, 30)
        # One round of the recorded chain: what every store comes to.
        self.assertEqual(report["roots"]["root"], roots_of("mainnet")[-1]["root"])

    def test_the_seed_fixes_the_root(self):
        one = ("slots", "--rows", 200, "--writes", 20, "--no-floors", *SMALL)
        first = self.bench(*one, "--seed", 7)
        again = self.bench(*one, "--seed", 7, "--write-buffer", 1 << 16, "--durability", "sync")
        other = self.bench(*one, "--seed", 8)
        self.assertEqual(first["roots"], again["roots"])
        self.assertNotEqual(first["roots"], other["roots"])
        self.assertNotIn("floors", first)
        self.assertGreater(again["written"]["flushed"] + again["written"]["log"], 0)

    def test_rocksdb_and_the_table(self):
        result = self.run_ok("bench", "slots", "--rows", 200, "--writes", 20, "--rocksdb", *SMALL)
        self.assertIn("RocksDB as it comes", result.out)
        self.assertIn("writes/s", result.out)
        self.assertIn("p99", result.out)

    def test_a_limit_of_memory_and_the_device(self):
        limit = 512 << 20
        result = self.run_ok("bench", "slots", "--rows", 20000, "--writes", 200, "--memory", limit, "--device", 0.05,
                             "--in-flight", 8, "--prefetch", 1, "--block-cache", 1 << 20, "--no-floors",
                             "--dir", self.folder / "dir", "--json", *SMALL)
        report = json.loads(result.out)
        self.check_run(report, 6)
        self.assertEqual(report["in_flight"], 8)
        if report["memory_limit"] is None:
            self.assertIn("memory is not limited", result.err)
        else:
            self.assertEqual(report["memory_limit"], limit)
            self.assertLessEqual(report["machine"]["memory"], limit)
        reads = report["table_reads"]
        self.assertEqual(reads["prefetch"]["asked"], 6 * 200)
        self.assertGreaterEqual(reads["amplification"], 0)
        self.assertNotEqual("device" in reads, "device_trouble" in reads)
        if "device" in reads:
            self.assertGreater(reads["device"]["many_in_flight"], 0)
        shown = self.run_ok("bench", "slots", "--rows", 20000, "--writes", 200, "--device", 0.05, *SMALL)
        self.assertIn("rows from tables", shown.out)

    def test_the_shape_of_tables(self):
        for more, partitioned in (([], None), (["--table-partitioned"], True)):
            report = self.bench("slots", "--rows", 20000, "--writes", 200, "--table-block", 8192,
                                "--table-compression", "none", "--table-filter-bits", 16, "--recent-versions", 0,
                                "--no-floors", *more, *SMALL)
            self.assertEqual(report["tables"], {"block": 8192, "compression": "none", "filter_bits": 16,
                                                "partitioned": partitioned})
            space = report["space"]
            self.assertGreaterEqual(space["rows"], 20000)
            self.assertEqual(space["payload"], space["rows"] * (52 + 32))
            self.assertAlmostEqual(space["amplification"], space["tables"] / space["payload"])
            self.assertGreater(space["amplification"], 1)  # nothing of it can be compressed

    def test_state(self):
        report = self.bench("state", "--rows", 2000, "--writes", 50, "--log-blocks", 30, "--blocks", 20,
                            "--seconds", 0.01)
        steps = report["steps"]
        for name in ("load", "log", "open_clean", "commits_beside_snapshot", "snapshot", "export", "check",
                     "import", "verify", "same_blocks", "commits_before_kill", "catch_up"):
            self.assertGreater(steps[name]["peak_memory"], 1 << 20, name)
            self.assertGreater(steps[name]["seconds"], 0, name)
        self.assertEqual(steps["check"]["rows"], steps["import"]["rows"])
        self.assertEqual(steps["catch_up"]["blocks"], 20)

    def test_forks(self):
        report = self.bench("forks", "--rows", 2000, "--writes", 50, "--blocks", 6, "--warm-up", 3)
        steps = report["steps"]
        for name in ("by_handle", "by_overlay", "two_siblings"):
            self.assertGreaterEqual(steps[name]["blocks"], 6, name)
            self.assertGreater(steps[name]["p50_us"], 0, name)
        for name in ("lookups_through_1", "lookups_through_64"):
            self.assertGreater(steps[name]["get_ns"], 0, name)
            self.assertGreater(steps[name]["get_many_ns"], 0, name)
        for name in ("undo_1", "undo_3", "undo_100"):
            self.assertEqual(steps[name]["undos"], 6, name)
            self.assertGreater(steps[name]["processor_p50_us"], 0, name)
            self.assertGreaterEqual(steps[name]["syncs"], 5, name)
        self.assertGreater(steps["chain"]["reads_per_second"], 0)
        self.assertGreater(steps["chain"]["undo_p50_us"], 0)
        self.assertGreater(steps["views"]["view_127_ago_ns"], 0)

    def test_nothing_but_its_own_is_touched(self):
        mine = self.folder / "dir"
        mine.mkdir()
        (mine / "store").write_text("precious")
        self.run_exit(REFUSED, "bench", "slots", "--rows", 10, "--dir", mine, *SMALL, says="neither empty")
        self.assertEqual((mine / "store").read_text(), "precious")
        kept = self.folder / "kept"
        for _ in range(2):  # the second clears away what the first left
            self.run_ok("bench", "slots", "--rows", 10, "--dir", kept, "--keep", *SMALL)
            self.assertTrue((kept / "store" / "CURRENT").exists())
        self.run_ok("verify", kept / "store")
        (kept / "mine.txt").write_text("precious")
        self.run_ok("bench", "slots", "--rows", 10, "--dir", kept, "--keep", *SMALL)
        self.assertTrue((kept / "mine.txt").exists())

    def test_an_interrupt_leaves_nothing(self):
        for workload in ("slots", "state"):
            with self.subTest(workload):
                process = subprocess.Popen([FLATKV, "bench", workload, "--rows", "5000000", "--dir",
                                            self.folder / "dir"], stderr=subprocess.DEVNULL)
                store = self.folder / "dir" / "store" / "CURRENT"
                for _ in range(600):
                    if store.exists():
                        break
                    time.sleep(0.05)
                interrupt(process)
                self.assertEqual(process.wait(timeout=120), 130)
                self.assertFalse((self.folder / "dir").exists())

    def test_growth_and_plots(self):
        growth = self.folder / "growth"
        env = {**os.environ, "FLATKV": FLATKV, "BENCH_SECONDS": "0.05", "BENCH_RUNS": "2",
               "BENCH_DIR": str(self.folder / "dir"), "BENCH_MORE": "--writes 50 --warm-up 1"}
        subprocess.run([ROOT / "scripts" / "bench-growth", growth, "500", "2000"], check=True, env=env,
                       capture_output=True)
        files = sorted(growth.glob("*.json"))
        self.assertEqual(len(files), 8)
        limited = json.loads(files[0].read_text())
        for share in (100, 20):
            limited["memory_limit"] = limited["space"]["payload"] * share // 100
            (growth / f"memory-{share}.json").write_text(json.dumps(limited))
        kernel = self.file("".join(
            json.dumps({"title": title, "contenders": [
                {"name": "official, AVX2", "min_ns": 1, "p10_ns": 1, "ratio": 1},
                {"name": "flatkv, avx2", "min_ns": 1, "p10_ns": 1, "ratio": 5}]}) + "\n"
            for title in ("element in a batch (92 bytes)", "two threads: 10 rows")), "kernel.jsonl")
        plot = ROOT / "scripts" / "plot"
        for number, arguments in enumerate((["growth", growth, "OUT"], ["phases", "OUT", *files],
                                            ["kernel", kernel, "OUT"], ["memory", growth, "OUT"])):
            out = self.folder / f"{number}.svg"
            subprocess.run([plot, *(out if a == "OUT" else a for a in arguments)], check=True)
            picture = xml.etree.ElementTree.parse(out).getroot()
            self.assertGreater(len(list(picture)), 10)
        nothing = subprocess.run([plot, "growth", self.folder / "absent", out], capture_output=True)
        self.assertEqual(nothing.returncode, 1)
        self.assertIn(b"no file of scripts/bench-growth", nothing.stderr)

    def test_wrong_use(self):
        self.run_exit(USAGE, "bench", "nothing")
        self.run_exit(USAGE, "bench", "slots", "--updates", "101")
        self.run_exit(USAGE, "bench", "slots", "--rows", "-1")
        self.run_exit(USAGE, "bench", "mainnet", "--file", self.folder / "absent.jsonl")


if __name__ == "__main__":
    unittest.main()
