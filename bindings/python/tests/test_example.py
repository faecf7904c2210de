# SPDX-License-Identifier: Apache-2.0
"""The example answers its question, and the pages' code runs."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

from support import ROOT

EXAMPLES = pathlib.Path(__file__).parents[1] / "examples"


def run(folder: pathlib.Path, script: str) -> str:
    (folder / "examples").symlink_to(ROOT / "examples")
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False,
                          env={**os.environ, "MPLBACKEND": "Agg", "MPLCONFIGDIR": str(folder)}, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example(tmp_path):
    said = run(tmp_path, (EXAMPLES / "mainnet.py").read_text())
    held = re.fullmatch(r"(\d+) of (\d+) accounts hold 90 % of ([\d,]+) ether\n"
                        r"the richest is 0x([0-9a-f]{40}) with ([\d,]+)\n", said)
    assert held and 1 < int(held[1]) < int(held[2]) // 10, said
    assert (tmp_path / "ether.png").read_bytes().startswith(b"\x89PNG")


def test_the_notebook_is_the_script(tmp_path):
    sys.path.insert(0, str(EXAMPLES))
    try:
        import to_notebook
    finally:
        sys.path.remove(str(EXAMPLES))
    text = (EXAMPLES / "mainnet.ipynb").read_text()
    assert text == to_notebook.notebook(), "python3 bindings/python/examples/to_notebook.py"
    code = ["".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert "hold 90 %" in run(tmp_path, "\n".join(code))


@pytest.mark.parametrize("page", ["docs/python.md", "bindings/python/README.md"])
def test_pages(tmp_path, page):
    """All blocks of a page, one after the other; what a block prints stands in the `text` block after it."""
    blocks = re.findall(r"^```(python|text)\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    said = run(tmp_path, "\n".join(text for kind, text in blocks if kind == "python"))
    assert said == "".join(text for kind, text in blocks if kind == "text")
