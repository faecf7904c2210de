#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A store in a control group with less memory than the machine (N7). Needs root and a writable hierarchy to make
the group; is skipped, with a message, without them."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / part) for part in ("cli", "support")]
from fault_counts import count_fault  # noqa: E402
from support import FLATKV, blocks  # noqa: E402

SKIPPED = 77
LIMIT = 256 << 20


def expect(true, *what):
    if not true:
        raise AssertionError("\n".join(map(str, what)))


def own_group(line_begin, mount):
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        hierarchy, controllers, path = line.split(":", 2)
        if (line_begin == "0::" and line.startswith("0::")) or line_begin in controllers.split(","):
            return mount / path.lstrip("/")
    return mount


def candidates():
    """The directory in which to make a group, and the name of the file that limits its memory."""
    yield own_group("memory", pathlib.Path("/sys/fs/cgroup/memory")), "memory.limit_in_bytes"
    for mount in (pathlib.Path("/sys/fs/cgroup"), pathlib.Path("/sys/fs/cgroup/unified")):
        yield own_group("0::", mount), "memory.max"


@contextlib.contextmanager
def group_with_little_memory():
    for above, limit in candidates():
        group = above / f"flatkv-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / limit).write_text(str(LIMIT))
        except OSError:
            group.rmdir()
            continue
        try:
            yield group, group / limit
        finally:
            group.rmdir()
        return
    yield None, None


def run_in(group, *arguments, data=b""):
    join = lambda: (group / "cgroup.procs").write_text(str(os.getpid()))  # noqa: E731
    return subprocess.run([FLATKV, *map(str, arguments)], input=data, capture_output=True, preexec_fn=join, timeout=300)


def main():
    with group_with_little_memory() as (group, limit), tempfile.TemporaryDirectory(prefix="flatkv-group-") as folder:
        if group is None:
            print("skipped: no control group with a memory limit can be made here")
            return SKIPPED
        store = pathlib.Path(folder) / "store"
        made = run_in(group, "apply", store, "-", "--create", "--verbose", data=blocks(1, 200, rows=500).encode())
        expect(made.returncode == 0, made)
        expect(str(limit).encode() in made.stderr, "the log does not say what was chosen", made.stderr)
        info = json.loads(run_in(group, "info", store, "--json").stdout)["host"]
        expect(info["memory"] == LIMIT and info["memory_from"] == str(limit), info)
        expect(info["row_cache"] <= LIMIT // 4, info)
        given = run_in(group, "apply", store, "-", "--verbose", "--cache", 1 << 20, data=blocks(201, 202).encode())
        expect(given.returncode == 0 and b"row cache 1048576 bytes" in given.stderr, given)
        large = run_in(group, "apply", store, "-", "--cache", 1 << 50)
        expect(large.returncode == 2 and b"row_cache" in large.stderr, large)
        count_fault("N7", "R")
    return 0


if __name__ == "__main__":
    sys.exit(main())
