#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The reading verbs, with --at and without, beside processes that commit, snapshot, prune and go back: an answer is of
a state that was committed under that version, or it is a refusal that says why."""

import json
import random
import threading
import unittest

from support import *

TURNS = int(os.environ.get("FLATKV_READER_TURNS", 60))


class Writer(threading.Thread):
    """Processes one after another, so that each takes the lock anew. Keeps every roots line that was committed."""

    def __init__(self, case):
        super().__init__()
        self.case = case
        self.stop = threading.Event()
        self.version = 0
        self.seen = []
        self.failed = None
        self.counts = {"apply": 0, "snapshot": 0, "rollback": 0}
        self.chance = random.Random(5)

    def run(self):
        try:
            salt = 0
            while not self.stop.is_set():
                what = self.chance.choice(["apply", "apply", "apply", "snapshot", "rollback"])
                if what == "rollback" and self.version < 15:
                    what = "apply"
                getattr(self, what)(salt)
                self.counts[what] += 1
                salt += 1
        except BaseException as error:  # told by the test's own thread
            self.failed = error

    def call(self, *arguments, **more):
        return self.case.run_ok(*arguments, **more)

    def apply(self, salt):
        text = blocks(self.version + 1, self.version + 6, salt=salt)
        done = self.call("apply", self.case.store, "-", "--create", "--durability", "process", "--roots", "-",
                         stdin=text)
        self.seen += json_lines(done.out)
        self.version += 6

    def snapshot(self, _):
        self.call("snapshot", self.case.store)

    def rollback(self, _):
        target = self.version - self.chance.randrange(1, 6)
        done = flatkv("rollback", self.case.store, target)
        if done.exit == DONE:
            self.version = target
        else:
            self.case.assertEqual(done.exit, REFUSED, done)
            self.case.assertIn("version_mismatch", done.err)


class Beside(Case):
    def setUp(self):
        super().setUp()
        self.writer = Writer(self)
        self.apply("")  # the writer starts from a store
        self.writer.start()
        while self.writer.version < 12 and self.writer.is_alive():
            self.writer.join(0.05)

    def tearDown(self):
        self.writer.stop.set()
        self.writer.join()

    def read(self, *arguments):
        """A roots line or a report; nothing for a refusal that is right beside such a writer."""
        result = flatkv(*arguments)
        if result.exit == DONE:
            return json.loads(result.out)
        self.assertEqual(result.exit, REFUSED, f"{arguments}: {result}")
        self.assertTrue(any(code in result.err for code in ("version_mismatch", "locked")), f"{arguments}: {result}")
        return None

    def test_what_is_read_was_committed(self):
        chance = random.Random(9)
        answers = []  # (version, root)
        for turn in range(TURNS):
            at = ["--at", max(0, self.writer.version - chance.randrange(8))] if chance.randrange(3) else []
            verb = ("root", "verify", "export")[turn % 3]
            if verb == "export":
                got = self.read("export", self.store, self.folder / "stream", *at, "--json")
                got = got and self.read("check", self.folder / "stream", "--json")
            else:
                got = self.read(verb, self.store, *at, *(["--json"] if verb == "verify" else []))
            if got is None:
                continue
            if at:
                self.assertEqual(got["version"], at[1])
            if verb == "verify":
                self.assertTrue(got["good"])
            answers.append((got["version"], got.get("roots", got)["root"]))
        self.writer.stop.set()
        self.writer.join()
        self.assertIsNone(self.writer.failed)
        print(f"{len(answers)} of {TURNS} answered, beside {self.writer.counts}")
        committed = {(line["version"], line["root"]) for line in self.writer.seen}
        for answer in answers:
            self.assertTrue(answer[0] == 0 or answer in committed, answer)
        self.assertGreater(len(answers), TURNS // 2)
        self.assertTrue(all(self.writer.counts.values()), self.writer.counts)
        self.run_ok("verify", self.store)
        self.run_ok("snapshot", self.store)  # a writable open
        self.assertEqual([path.name for path in self.store.iterdir() if path.name.startswith("readonly")], [])


if __name__ == "__main__":
    unittest.main()
