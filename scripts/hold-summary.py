# SPDX-License-Identifier: Apache-2.0
"""Passes ctest's output through, and lists the tests that GoogleTest skipped before ctest's summary.

For ctest a program with skipped tests has passed. Its log, argument 1, lists the skipped ones once
all have run; so the summary is held back until then and stays the last thing printed.
"""

import re
import sys

held = []
for line in sys.stdin:
    if held or re.match(r"\d+% tests passed", line):
        held.append(line)
    else:
        print(line, end="", flush=True)

with open(sys.argv[1], errors="replace") as log:
    skipped = [line for line in log if re.match(r"\[  SKIPPED \] .* \(\d+ ms\)$", line)]
print(f"GoogleTest skipped {len(skipped)} tests." if skipped else "GoogleTest skipped none.")
print("".join(sorted(set(skipped))))
print("".join(held), end="")
