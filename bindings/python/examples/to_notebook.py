# SPDX-License-Identifier: Apache-2.0
"""Writes mainnet.ipynb, the cells of mainnet.py as a notebook: python3 bindings/python/examples/to_notebook.py"""

import json
import pathlib

HERE = pathlib.Path(__file__).parent


def cells_of(script: str) -> list[dict[str, object]]:
    cells: list[dict[str, object]] = []
    for part in script.split("# %%")[1:]:
        head, _, body = part.partition("\n")
        text = "[markdown]" in head
        lines = [line.removeprefix("#").removeprefix(" ") if text else line for line in body.strip().splitlines()]
        source = [line + "\n" for line in lines[:-1]] + lines[-1:]
        cell: dict[str, object] = {"cell_type": "markdown" if text else "code", "id": f"cell-{len(cells)}",
                                   "metadata": {}, "source": source}
        cells.append(cell if text else {**cell, "execution_count": None, "outputs": []})
    return cells


def notebook() -> str:
    content = {"cells": cells_of((HERE / "mainnet.py").read_text()), "metadata": {}, "nbformat": 4,
               "nbformat_minor": 5}
    return json.dumps(content, indent=1) + "\n"


if __name__ == "__main__":
    (HERE / "mainnet.ipynb").write_text(notebook())
