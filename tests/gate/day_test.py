#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What scripts/day makes of its samples: what grows fails an hour, and so does what went wrong, however short."""

import json
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Day(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def samples(self, count: int, **grows):
        """Lives of fifty samples, five seconds apart; `grows`: by how much a figure is more at the end."""
        with open(self.folder / "samples.jsonl", "w") as out:
            for i in range(count):
                row = {"memory": 200 << 20, "descriptors": 90, "disk": 1 << 30, "p99_us": 9000.0 if i % 7 else 40_000.0}
                row = {name: value * (1 + grows.get(name, 0) * i / count) for name, value in row.items()}
                steps = i % 50 + 1
                out.write(json.dumps({**row, "at": 5 * i, "slice": 1 + i // 100, "life": i // 50, "version": 200 * i,
                                      "blocks": 200 * steps, "undos": steps, "undone": 3 * steps, "reads": 10 * steps,
                                      "flushes": steps, "scrub_rows": steps, "p50_us": 2000.0}) + "\n")
        opens = [{"at": 250 * i, "opened": 1, "seconds": 0.5, "clean": i == 0, "replayed": 7 if i else 0} for i in range(count // 50)]
        (self.folder / "opens.jsonl").write_text("".join(json.dumps(row) + "\n" for row in opens))
        (self.folder / "compared.jsonl").write_text("{}\n" * 12)

    def report(self, code: int) -> dict:
        done = subprocess.run([ROOT / "scripts/day", self.folder, "--report"], capture_output=True, text=True)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return json.loads((self.folder / "summary.json").read_text())

    def test_a_flat_day_passes_and_is_added_up_over_kills(self):
        self.samples(900)
        found = self.report(0)
        self.assertEqual((found["blocks"], found["undos"], found["kills"], found["replayed"], found["roots"]),
                         (18 * 50 * 200, 18 * 50, 17, 17 * 7, 12))
        self.assertFalse(any(row["grows"] for row in found["growth"].values()))
        self.assertTrue((self.folder / "day.svg").exists())

    def test_what_grows_fails_an_hour_and_is_shown_before(self):
        for name in ("memory", "descriptors", "disk", "p99_us"):
            self.samples(900, **{name: 3})
            found = self.report(1)
            self.assertEqual([one for one, row in found["growth"].items() if row["grows"]], [name])
            self.samples(600, **{name: 3})
            self.report(0)

    def test_what_went_wrong_fails_however_short(self):
        self.samples(100)
        (self.folder / "wrong.jsonl").write_text(json.dumps({"what": "root 3000 differs"}) + "\n")
        self.assertEqual(self.report(1)["wrong"], ["root 3000 differs"])

    def test_nothing_is_no_day(self):
        self.samples(5)
        done = subprocess.run([ROOT / "scripts/day", self.folder, "--report"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("no slice in it that ran for a minute", done.stderr)


if __name__ == "__main__":
    unittest.main()
