#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""contrib/: the dashboard and the alerts ask for what is exported, and their tools accept the files."""

import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from support import Served, tool

CONTRIB = pathlib.Path(__file__).resolve().parents[2] / "contrib"
RULES = CONTRIB / "prometheus" / "flatkv.rules.yml"
NAME = re.compile(r"\b(?:flatkv|process)_[a-z0-9_]+")
SUFFIXES = ("_bucket", "_sum", "_count")


def run(*command) -> str:
    """The output, "" for success without any complaint that matters."""
    ended = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    return "" if ended.returncode == 0 else ended.stdout + ended.stderr or f"exit {ended.returncode}"


class Names(Served):
    def test_every_metric_that_is_asked_for_is_exported(self):
        self.tell("snapshot")
        self.tell("commit")
        exported = set(re.findall(r"^# TYPE (\S+)", self.get("/metrics")[1], re.MULTILINE))
        histograms = set(re.findall(r"^# TYPE (\S+) histogram", self.get("/metrics")[1], re.MULTILINE))
        exported |= {name + suffix for name in histograms for suffix in SUFFIXES}
        dashboard = json.loads((CONTRIB / "grafana" / "flatkv.json").read_text())
        texts = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
        texts += re.findall(r"label_values\((\w+)", json.dumps(dashboard["templating"]))
        texts += re.findall(r"^ +expr: (.*(?:\n {10}.*)?)", RULES.read_text(), re.MULTILINE)
        asked = {name for text in texts for name in NAME.findall(text)}
        self.assertGreater(len(asked), 25)
        self.assertEqual(asked - exported, set())


class Files(unittest.TestCase):
    def test_dashboard(self):
        dashboard = json.loads((CONTRIB / "grafana" / "flatkv.json").read_text())
        panels = dashboard["panels"]
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        taken = set()
        for panel in panels:
            place = panel["gridPos"]
            cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
            self.assertFalse(cells & taken, panel["title"])
            self.assertLessEqual(place["x"] + place["w"], 24)
            taken |= cells
            if panel["type"] != "row":
                self.assertTrue(panel["targets"], panel["title"])

    @unittest.skipUnless(tool("promtool"), "no promtool")
    def test_alert_rules(self):
        self.assertEqual(run(tool("promtool"), "check", "rules", RULES), "")
        self.assertEqual(run(tool("promtool"), "test", "rules", RULES.with_name("flatkv.rules.test.yml")), "")
        self.assertEqual(run(tool("promtool"), "check", "config", RULES.with_name("prometheus.yml")), "")

    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze")
    def test_units(self):
        units = sorted((CONTRIB / "systemd").glob("*.service"))
        self.assertEqual(len(units), 2)
        with tempfile.TemporaryDirectory() as folder:
            for unit in units:
                # The program need not be installed for the rest to be checked.
                copy = pathlib.Path(folder) / unit.name.replace("@", "@x")
                copy.write_text(unit.read_text().replace("/usr/bin/flatkv", "/bin/true").replace(
                    "Documentation=man:flatkv(1)\n", ""))
                ended = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True)
                complaints = [line for line in ended.stderr.splitlines() if folder in line]
                self.assertEqual(complaints, [], unit.name)
                rated = subprocess.run(["systemd-analyze", "security", "--offline=true", copy],
                                       capture_output=True, text=True)
                level = re.search(r"exposure level for .*: ([0-9.]+)", rated.stdout)
                if level:
                    self.assertLess(float(level[1]), 2.0, unit.name)


if __name__ == "__main__":
    unittest.main()
