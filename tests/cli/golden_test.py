#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every golden trace through the program: roots of every version, final rows, and a full scan."""

import json
import subprocess
import unittest

from support import *

TRACES = ("edge", "mixed", "accounts", "wide", "balances", "metakeys", "mainnet")


class Golden(Case):
    def trace(self, name: str, mode: str = "keep"):
        suffix = "" if mode == "keep" else f".{mode}"
        want = roots_of(name, suffix)
        out = self.folder / "roots.jsonl"
        if mode != "keep":
            self.run_ok("init", self.store, "--account-rows", mode)
        self.run_ok("apply", self.store, trace(name), "--create", "--expect",
                    GOLDEN / f"{name}{suffix}.roots.jsonl", "--roots", out)
        self.assertEqual(json_lines(out.read_text()), want)
        lines = json_lines(text_of(trace(name)))
        rows = self.run_ok("rows", self.store)
        self.assertEqual(json_lines(rows.out), final_rows(lines, prune=mode != "keep"))
        self.assertEqual(self.root_line(), want[-1])
        self.run_ok("verify", self.store)
        # And once more: everything is held, nothing changes, all roots are written from the log.
        again = self.run_ok("apply", self.store, trace(name), "--roots", out, "--json")
        self.assertEqual(json.loads(again.out)["held"], len(want))
        self.assertEqual(json.loads(again.out)["committed"], 0)
        self.assertEqual(json_lines(out.read_text()), want)

    def test_rows_are_those_of_the_golden_files(self):
        for name in ("edge", "balances"):
            path = next(GOLDEN.glob(f"{name}.rows.jsonl*"))
            self.assertEqual(json_lines(text_of(path)), final_rows(json_lines(text_of(trace(name)))))

    def test_prune_empty(self):
        self.trace("balances", "prune_empty")

    def test_mainnet_prune_empty(self):
        self.trace("mainnet", "prune_empty")

    def test_protobuf_gives_the_same(self):
        for name in ("edge", "mixed"):
            with self.subTest(name):
                stream = self.file(to_pb(json_lines(text_of(trace(name)))), f"{name}.pb")
                subprocess.run(["zstd", "-q", stream], check=True)
                store = self.folder / name
                self.run_ok("apply", store, f"{stream}.zst", "--format", "pb", "--create", "--expect",
                            GOLDEN / f"{name}.roots.jsonl")
                self.assertEqual(json.loads(self.run_ok("root", store).out), roots_of(name)[-1])

    def test_log_changes_make_the_same_store(self):
        self.run_ok("apply", self.store, trace("mixed"), "--create")
        changes = self.run_ok("log", self.store, "--changes")
        copy = self.folder / "copy"
        self.run_ok("apply", copy, "-", "--create", "--expect", GOLDEN / "mixed.roots.jsonl",
                    stdin=changes.out)
        # The same blocks with the same payloads: the store takes them for its own.
        self.run_ok("apply", self.store, "-", stdin=changes.out)

    def test_older_versions(self):
        self.run_ok("apply", self.store, trace("edge"), "--create")
        lines = json_lines(text_of(trace("edge")))
        for want in roots_of("edge"):
            version = want["version"]
            self.assertEqual(self.root_line("--at", version), want)
            if version % 6 == 3:
                rows = self.run_ok("rows", self.store, "--at", version)
                self.assertEqual(json_lines(rows.out),
                                 final_rows([l for l in lines if l["version"] <= version]))
                self.run_ok("verify", self.store, "--at", version)


def add(name: str):
    setattr(Golden, f"test_{name}", lambda self: self.trace(name))


for each in TRACES:
    add(each)

if __name__ == "__main__":
    unittest.main()
