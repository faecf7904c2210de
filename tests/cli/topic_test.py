#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`publish` and `follow` without a broker; scripts/cluster-test has one."""

import json
import signal
import subprocess
import time
import unittest

from support import FLATKV, REFUSED, USAGE, Case, blocks, interrupt

NOBODY = "kafka://127.0.0.1:1/state"


class Topic(Case):
    def run_away(self, *arguments) -> list:
        """Runs until it says that the broker is away, then stops it; the status lines."""
        process = subprocess.Popen([FLATKV, *map(str, arguments), "--json"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.kill)
        while "the broker is away, trying again in" not in (line := process.stderr.readline()):
            self.assertNotEqual(line, "", "it ended")
        interrupt(process, signal.SIGTERM)
        began = time.monotonic()
        out, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 143)
        self.assertLess(time.monotonic() - began, 30)
        return [json.loads(line) for line in out.splitlines()]

    def test_publish_waits_for_a_broker_and_changes_nothing(self):
        self.apply(blocks(1, 3))
        before = self.root_line()
        lines = self.run_away("publish", self.store, "--to", NOBODY, "--follow")
        self.assertEqual(lines[-1]["state"], "stopped")
        self.assertGreaterEqual(lines[-1]["reconnects"], 1)
        self.assertEqual(self.root_line(), before)

    def test_follow_waits_for_a_broker_and_makes_no_store(self):
        lines = self.run_away("follow", self.store, "--from", NOBODY)
        self.assertIsNone(lines[-1]["version"])
        self.assertFalse(self.store.exists())

    def test_publish_needs_a_store(self):
        self.run_exit(REFUSED, "publish", self.store, "--to", NOBODY, says="not_found")

    def test_a_client_file_that_is_wrong_is_not_shown(self):
        self.apply(blocks(1, 1))
        file = self.file("# ours\n\nsasl.username=me\nmy secret\n", "client")
        result = self.run_exit(USAGE, "publish", self.store, "--to", NOBODY, "--client", file, says="line 4")
        self.assertNotIn("secret", result.err)
        self.run_exit(REFUSED, "publish", self.store, "--to", NOBODY, "--client", self.folder / "none",
                      says="cannot read")
        file = self.file("no.such.setting=1\n", "client")
        self.run_exit(USAGE, "publish", self.store, "--to", NOBODY, "--client", file, says="no.such.setting")


if __name__ == "__main__":
    unittest.main()
