# SPDX-License-Identifier: Apache-2.0
"""Looks at every page of the site in Chromium, at two widths: look.py URL PICTURES.

Of the references that other programs make, with hundreds of pages each, it looks at those that the pages link to."""

import pathlib
import sys
import urllib.parse

from playwright.sync_api import sync_playwright

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "site"))
import blocks  # noqa: E402

WIDTHS = {"desk": 1280, "phone": 390}
# As this runs in containers, by root, and without a network.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
WIDEST = """() => {
  const wide = document.documentElement.scrollWidth - window.innerWidth;
  if (wide <= 0) return null;
  const beyond = [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > window.innerWidth + 1);
  return `scrolls sideways by ${wide} px: ${beyond.slice(0, 3).map(e => e.outerHTML.slice(0, 80)).join(" … ")}`;
}"""
BROKEN = "() => [...document.images].filter(i => i.complete && i.naturalWidth === 0).map(i => i.src)"
CODE = "() => document.querySelectorAll('article pre').length"
LINKS = "() => [...document.querySelectorAll('a[href]')].map(a => a.href)"


def generated(path: str) -> bool:
    return path.startswith(("reference/cpp/", "reference/rust/"))


def address(page: pathlib.Path) -> str:
    """Where a page of the checkout stands on the site."""
    path = page.relative_to(ROOT).with_suffix("")
    return "".join(f"{part}/" for part in path.parts if part != "README")


def main(base: str, pictures: str) -> int:
    wrong, waiting, seen = [], [""], {""}
    code = {address(page): len(blocks.blocks_of(page)) for page in blocks.pages()}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        tabs = {}

        def hear(message):
            # Chromium asks for this icon where a page, as Doxygen's, names none.
            if message.type == "error" and not message.location["url"].endswith("/favicon.ico"):
                wrong.append(f"{path}: {message.text}")

        for name, width in WIDTHS.items():
            tabs[name] = browser.new_page(viewport={"width": width, "height": 900})
            tabs[name].on("console", hear)
            tabs[name].on("pageerror", lambda error: wrong.append(f"{path}: {error}"))
        while waiting:
            path = waiting.pop()
            for name, tab in tabs.items():
                answer = tab.goto(base + path, wait_until="load")
                if not answer or not answer.ok:
                    wrong.append(f"{path}: {answer.status if answer else 'no answer'}")
                picture = pathlib.Path(pictures) / name / f"{path.strip('/').replace('/', '-') or 'index'}.png"
                picture.parent.mkdir(parents=True, exist_ok=True)
                tab.screenshot(path=picture, full_page=not generated(path))
                if message := tab.evaluate(WIDEST):
                    wrong.append(f"{path}: {name}: {message}")
                wrong.extend(f"{path}: {name}: does not load: {source}" for source in tab.evaluate(BROKEN))
            if generated(path):
                continue
            there = tabs["desk"].evaluate(CODE)
            if there != code.get(path, there):
                wrong.append(f"{path}: {there} code blocks, of which tests/site sees {code[path]}")
            for link in tabs["desk"].evaluate(LINKS):
                found = urllib.parse.unquote(urllib.parse.urlsplit(link).path).lstrip("/")
                if link.startswith(base) and found not in seen and (not found or found.endswith(("/", ".html"))):
                    seen.add(found)
                    waiting.append(found)
        browser.close()
    wrong.extend(f"{path}: nothing leads there" for path in code.keys() - seen)
    print("\n".join(wrong) if wrong else f"{len(seen)} pages, each {' and '.join(f'{w} px' for w in WIDTHS.values())} wide: {pictures}")
    return 1 if wrong else 0


sys.exit(main(*sys.argv[1:]))
