#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""report: the page of a store."""

import html.parser
import unittest
import xml.etree.ElementTree

from support import *

VOID = {"meta", "br", "i"}


class Page(html.parser.HTMLParser):
    """The text, what it would load, and the pictures."""

    def __init__(self, page: str):
        super().__init__()
        self.html, self.text, self.loads = page, "", []
        self.feed(page)
        self.pictures = re.findall(r"<svg .*?</svg>", page, re.DOTALL)

    def handle_starttag(self, tag, attributes):
        self.loads += [value for name, value in attributes if name in ("src", "href", "data", "action")]
        self.loads += [tag for _ in [0] if tag in ("script", "link", "iframe", "img", "object")]

    def handle_data(self, data):
        self.text += data


class Report(Case):
    def page(self, *more) -> Page:
        out = self.folder / "page.html"
        self.run_ok("report", self.store, "--out", out, *more)
        return Page(out.read_text())

    def test_what_is_on_it(self):
        self.run_ok("apply", self.store, MAINNET, "--create", "--durability", "process")
        self.run_ok("snapshot", self.store)
        page = self.page("--verify")
        root = self.root_line()["root"]
        info = json.loads(self.run_ok("info", self.store, "--json").out)
        for text in (root, str(info["version"]), info["store_id"], "Largest contracts", "How far back one can go",
                     "good", "not closed cleanly" if not info["closed_cleanly"] else "closed cleanly"):
            self.assertIn(text, page.text)
        self.assertNotIn("NOT GOOD", page.text)
        for name in ("storage", "account"):
            levels = re.findall(rf"<tr><td>{name}<td class=n>\d<td class=n>(\d+)<td class=n>[\d.]+ \w+</tr>", page.html)
            self.assertEqual(sum(map(int, levels)), len(list(next(self.store.rglob(f"working/{name}")).glob("*.sst"))))
        rows = json_lines(self.run_ok("rows", self.store, "--db", "storage").out)
        counts = {}
        for row in rows:
            counts[row["key"][:40]] = counts.get(row["key"][:40], 0) + 1
        largest = max(counts.items(), key=lambda item: (item[1], ))
        self.assertIn(largest[0], page.text)
        self.assertIn(f"{len(counts)} contracts have storage", page.text)
        self.assertEqual(page.loads, [])
        self.assertGreaterEqual(len(page.pictures), 5)
        for picture in page.pictures:
            xml.etree.ElementTree.fromstring(picture)
            self.assertNotIn("nan", picture)
            self.assertNotIn("inf", picture.replace("info", ""))

    def test_of_an_empty_store_and_of_an_odd_name(self):
        self.store = self.folder / "<b>&\"'"
        self.run_ok("init", self.store)
        page = self.page("--verify")
        self.assertIn("<b>&\"'", page.text)
        self.assertIn("The log holds no block", page.text)
        for picture in page.pictures:
            xml.etree.ElementTree.fromstring(picture)

    def test_a_part_of_it(self):
        self.apply(blocks(1, 30))
        page = self.page("--no-scan")
        self.assertIn("Not counted", page.text)
        self.assertIn("Not verified", page.text)
        piped = self.run_ok("report", self.store)
        self.assertTrue(piped.out.startswith("<!doctype html>"))
        self.assertEqual(json.loads(self.run_ok("report", self.store, "--out", self.folder / "p", "--json").out)
                         ["version"], 30)

    def test_refusals(self):
        self.run_exit(REFUSED, "report", self.folder / "nothing")
        self.apply(blocks(1, 3))
        self.run_exit(USAGE, "report", self.store, "--out", self.store / "page.html")
        self.run_exit(USAGE, "report")
        next(self.store.rglob("MANIFEST.json")).unlink()
        self.run_exit(REFUSED, "report", self.store)


if __name__ == "__main__":
    unittest.main()
