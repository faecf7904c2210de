# SPDX-License-Identifier: Apache-2.0
"""Blocks in files of JSON lines, the form that `flatkv apply` reads and `flatkv log --changes` writes."""

from __future__ import annotations

import io
import itertools
import json
import os
from collections.abc import Iterator
from typing import Any, BinaryIO

from ._flatkv import ZstdFile

Pairs = list[tuple[bytes, "bytes | None"]]
ChangeSets = list[tuple[str, Pairs]]

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class _Decompressed(io.RawIOBase):
    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__()
        self._file = ZstdFile(path)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[:len(data)] = data
        return len(data)


def _open(path: str | os.PathLike[str]) -> BinaryIO:
    file = open(path, "rb")
    if file.read(len(_ZSTD_MAGIC)) == _ZSTD_MAGIC:
        file.close()
        return io.BufferedReader(_Decompressed(path), 1 << 20)
    file.seek(0)
    return file


def _pair(pair: dict[str, Any]) -> tuple[bytes, bytes | None]:
    value = None if pair.get("delete") else bytes.fromhex(pair.get("value", "").removeprefix("0x"))
    return bytes.fromhex(pair["key"].removeprefix("0x")), value


def read_blocks(path: str | os.PathLike[str]) -> Iterator[tuple[int, ChangeSets]]:
    """The blocks of a file, compressed by zstd or not: a version and what `Store.apply` takes.

    One block is in memory at a time. A line that is no JSON raises json.JSONDecodeError, one that lacks
    a member KeyError."""
    with _open(path) as file:
        lines = (json.loads(line) for line in file if line.strip())
        for version, of_block in itertools.groupby(lines, key=lambda line: int(line["version"])):
            yield version, [(change_set["name"], [_pair(pair) for pair in change_set.get("pairs", [])])
                            for line in of_block for change_set in line["changesets"]]
