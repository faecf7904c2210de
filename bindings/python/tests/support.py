# SPDX-License-Identifier: Apache-2.0
"""What the tests share: golden traces, and stores made of them."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess
import sys
from typing import Any

import flatkv

ROOT = pathlib.Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "golden"
MAINNET = ROOT / "examples" / "mainnet-15000001-30.jsonl.zst"
DATABASES = ("account", "code", "storage", "legacy")

ADDRESS = bytes.fromhex("c0ffee" + 17 * "00")


def trace(name: str) -> pathlib.Path:
    if name == "mainnet":
        return MAINNET
    return next(path for ending in ("jsonl", "jsonl.zst") if (path := GOLDEN / f"{name}.{ending}").exists())


def json_lines(path: pathlib.Path) -> list[dict[str, Any]]:
    text = path.read_bytes()
    if path.suffix == ".zst":
        text = subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True).stdout
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def golden_roots(name: str) -> list[dict[str, str]]:
    return [{key: value for key, value in line.items() if key != "version"}
            for line in json_lines(GOLDEN / f"{name}.roots.jsonl")]


def golden_rows(name: str) -> list[tuple[str, bytes, bytes]] | None:
    for ending in ("jsonl", "jsonl.zst"):
        path = GOLDEN / f"{name}.rows.{ending}"
        if path.exists():
            return [(line["db"], bytes.fromhex(line["key"]), bytes.fromhex(line["value"]))
                    for line in json_lines(path)]
    return None


def rows_of(state: flatkv.Store | flatkv.ReadOnlyStore | flatkv.View | flatkv.Overlay) -> list[tuple[str, bytes, bytes]]:
    return [(database, key, value) for database in DATABASES for key, value in state.rows(database)]


def open_store(path: pathlib.Path | str, **options: Any) -> flatkv.Store:
    """With a row cache that suits a test."""
    return flatkv.open(path, **{"row_cache_bytes": 1 << 20, **options})


def make_store(path: pathlib.Path, name: str = "edge", last: int | None = None, **options: Any) -> flatkv.Store:
    """A store of a golden trace, open, with nothing pending."""
    store = open_store(path, create=True, **{"durability": "process", **options})
    for version, block in flatkv.read_blocks(trace(name)):
        if last is not None and version > last:
            break
        store.apply(block)
        store.commit(version)
    return store


# Children inherit what is ignored, and a shell has its background jobs ignore Ctrl-C: they would never be stopped by it.
signal.signal(signal.SIGINT, signal.default_int_handler)


def python(script: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    """A child that runs a script, with what it prints as a pipe."""
    return subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, **options)
