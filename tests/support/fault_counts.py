# SPDX-License-Identifier: Apache-2.0
"""Counts how the faults of a script ended: as tests/support/fault_counts.hpp, for Python."""

import atexit
import collections
import os

_counts = collections.Counter()


def count_fault(row: str, came: str, times: int = 1):
    """Counts one fault of a row of the matrix; `came` is R, X, D or F."""
    assert came in "RXDF", came
    _counts[row, came] += times


def counted() -> int:
    return sum(_counts.values())


@atexit.register
def _write():
    lines = "".join(f"FAULT {row} {came} {times}\n" for (row, came), times in sorted(_counts.items()))
    print(lines, end="", flush=True)
    if path := os.environ.get("FLATKV_FAULT_COUNTS"):
        with open(path, "w") as file:
            file.write(lines)
