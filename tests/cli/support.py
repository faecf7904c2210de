# SPDX-License-Identifier: Apache-2.0
"""What the tests of the command share: running it, a plain model of rows, and traces."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
MAINNET = ROOT / "examples" / "mainnet-15000001-30.jsonl.zst"
FLATKV = os.environ.get("FLATKV", str(ROOT / "build" / "bin" / "flatkv"))
DATABASES = ("account", "code", "storage", "legacy")
CHECKSUMS = ("root",) + DATABASES

SEGMENT_HEADER, RECORD_HEADER = 104, 288  # docs/formats.md

DONE, NO, USAGE, REFUSED, FAILED, BROKEN_PIPE = 0, 1, 2, 3, 4, 141


def trace(name: str) -> pathlib.Path:
    if name == "mainnet":
        return MAINNET
    plain = GOLDEN / f"{name}.jsonl"
    return plain if plain.exists() else GOLDEN / f"{name}.jsonl.zst"


def text_of(path: pathlib.Path) -> str:
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True, text=True).stdout
    return path.read_text()


def json_lines(text: str) -> list:
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def roots_of(name: str, suffix: str = "") -> list:
    return json_lines((GOLDEN / f"{name}{suffix}.roots.jsonl").read_text())


def damage_record(store: pathlib.Path, version: int) -> None:
    """A byte of the header of that version's record, in the first segment of a store's log."""
    segment = min(store.glob("gen-*/changelog/*.log"))
    data = bytearray(segment.read_bytes())
    offset = SEGMENT_HEADER
    for _ in range(version - int(segment.stem)):
        offset += RECORD_HEADER + int.from_bytes(data[offset + 24:offset + 28], "little")
    data[offset + 40] ^= 1
    segment.write_bytes(data)


class Result:
    def __init__(self, process: subprocess.CompletedProcess):
        self.exit = process.returncode
        self.out = process.stdout
        self.err = process.stderr

    def __str__(self):
        return f"exit {self.exit}\n{self.out[-2000:]}\n{self.err[-2000:]}"


def flatkv(*arguments, stdin=None, env=None) -> Result:
    """Runs the program to its end. `stdin` is text or bytes."""
    data = stdin.encode() if isinstance(stdin, str) else stdin
    process = subprocess.run([FLATKV, *map(str, arguments)], input=data if data is not None else b"",
                             capture_output=True, timeout=300, env={**os.environ, **(env or {})})
    process.stdout = process.stdout.decode()
    process.stderr = process.stderr.decode(errors="replace")
    return Result(process)


def interrupt(process: subprocess.Popen, number: int = signal.SIGINT) -> None:
    """Sends a signal as soon as the program listens for it. Before that it would be ended by it, or, started
    in the background by a shell, never hear of it."""
    status = pathlib.Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        blocked = int(re.search(r"^SigBlk:\s*(\w+)", status.read_text(), re.MULTILINE)[1], 16)
        if blocked >> (number - 1) & 1:
            break
        time.sleep(0.001)
    process.send_signal(number)


def line(version: int, *pairs, name: str = "evm") -> str:
    """A change-set line; a pair is (key, value) or (key, None) for a delete."""
    return json.dumps({"version": version, "changesets": [{"name": name, "pairs": [
        {"key": key, "delete": True} if value is None else {"key": key, "value": value}
        for key, value in pairs]}]}) + "\n"


def slot_key(number: int) -> str:
    return "03" + "aa" * 20 + f"{number:064x}"


def blocks(first: int, last: int, rows: int = 3, salt: int = 0) -> str:
    return "".join(
        line(version, *((slot_key((version * 7 + i) % 1000), f"{version + salt:064x}") for i in range(rows)))
        for version in range(first, last + 1))


def varint(number: int) -> bytes:
    out = b""
    while number >= 128:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def to_pb(lines: list) -> bytes:
    """Length-prefixed ChangelogEntry records of change-set lines."""
    out = b""
    for entry in lines:
        message = varint(1 << 3) + varint(entry["version"])
        for change_set in entry["changesets"]:
            pairs = b""
            for pair in change_set["pairs"]:
                body = varint(1 << 3) + b"\x01" if pair.get("delete") else b""
                body += field(2, bytes.fromhex(pair["key"]))
                if pair.get("value"):
                    body += field(3, bytes.fromhex(pair["value"]))
                pairs += field(1, body)
            message += field(2, field(1, pairs) + field(2, change_set["name"].encode()))
        out += varint(len(message)) + message
    return out


def final_rows(lines: list, prune: bool = False) -> list:
    """Every row after these change sets, from a dict: docs/specification.md#routing, without any hash."""
    rows = {name: {} for name in DATABASES}
    kinds = {0x0A: (32, 40), 0x08: (40, 72), 0x21: (0, 32)}
    for entry in lines:
        for change_set in entry["changesets"]:
            if change_set["name"] != "evm":
                continue
            for pair in change_set["pairs"]:
                key = bytes.fromhex(pair["key"])
                value = None if pair.get("delete") else bytes.fromhex(pair.get("value", ""))
                if len(key) == 21 and key[0] in kinds:
                    begin, end = kinds[key[0]]
                    row = bytearray(rows["account"].get(key[1:], b"").ljust(72, b"\0"))
                    row[begin:end] = value if value is not None else bytes(end - begin)
                    row = bytes(row if any(row[40:]) else row[:40])
                    if prune and not any(row):
                        rows["account"].pop(key[1:], None)
                    else:
                        rows["account"][key[1:]] = row
                    continue
                if len(key) == 21 and key[0] == 0x07:
                    database, key = "code", key[1:]
                elif len(key) == 53 and key[0] == 0x03:
                    database, key = "storage", key[1:]
                else:
                    database = "legacy"
                if value is None:
                    rows[database].pop(key, None)
                else:
                    rows[database][key] = value
    return [{"db": name, "key": key.hex(), "value": rows[name][key].hex()}
            for name in DATABASES for key in sorted(rows[name])]


class Case(unittest.TestCase):
    """A test with a folder of its own and a store path in it."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="flatkv-cli-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.store = self.folder / "store"

    def file(self, text, name: str = "input.jsonl") -> pathlib.Path:
        path = self.folder / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def run_ok(self, *arguments, **more) -> Result:
        return self.run_exit(DONE, *arguments, **more)

    def run_exit(self, code: int, *arguments, says: str = "", **more) -> Result:
        result = flatkv(*arguments, **more)
        self.assertEqual(result.exit, code, f"{arguments}: {result}")
        self.assertIn(says.lower(), result.err.lower())
        return result

    def root_line(self, *more) -> dict:
        return json.loads(self.run_ok("root", self.store, *more).out)

    def version(self) -> int:
        return self.root_line()["version"]

    def apply(self, text, *more, code: int = DONE, says: str = "") -> Result:
        return self.run_exit(code, "apply", self.store, "-", "--create", "--durability", "process", *more,
                             stdin=text, says=says)
