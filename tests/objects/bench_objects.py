#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench_objects.py STORE REPLICA LOCATION: exports once, imports several times, reads; then kills an import when half of its
parts are there, and goes on with it. A line for each run."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

FLATKV = os.environ["FLATKV"]


def run(*arguments) -> dict:
    """What it answers, and the most memory that it had resident."""
    process = subprocess.Popen([FLATKV, *map(str, arguments), "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    answer = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, (arguments, process.returncode)
    return {**json.loads(answer), "peak": usage.ru_maxrss / 1024}


def busy(answer: dict) -> str:
    return ", ".join(f"{name} {seconds:.1f}" for name, seconds in answer["thread_seconds"].items() if seconds)


def main() -> None:
    store, replica, place = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
    more = os.environ.get("BENCH_MORE", "").split()
    sent = run("export", store, "--to", place)
    print(f"export: {sent['rows']} rows, {sent['parts']} parts, {sent['bytes'] / 2**20:.0f} MiB in "
          f"{sent['seconds']:.1f} s, {sent['moved_parts']} parts sent, peak {sent['peak']:.0f} MiB; thread seconds: {busy(sent)}", flush=True)
    roots = json.dumps(run("root", store))
    row = json.loads(subprocess.run([FLATKV, "rows", store, "--db", "storage", "--limit", "1"], check=True,
                                    capture_output=True).stdout)
    for _ in range(int(os.environ.get("BENCH_RUNS", "3"))):
        shutil.rmtree(replica, ignore_errors=True)
        began = time.monotonic()
        got = run("import", "--from", place, replica, "--root", roots, *more)
        key = row["key"]
        read = subprocess.run([FLATKV, "get", replica, "--storage", key[:40], key[40:]], check=True,
                              capture_output=True, text=True).stdout
        assert row["value"] in read, read
        print(f"import and first read: {time.monotonic() - began:.1f} s; import {got['seconds']:.1f} s, peak {got['peak']:.0f} MiB; "
              f"thread seconds: {busy(got)}", flush=True)
    shutil.rmtree(replica, ignore_errors=True)
    process = subprocess.Popen([FLATKV, "import", "--from", place, replica, *more], stderr=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL)
    parts = replica / "import-parts"
    while process.poll() is None and len(list(parts.glob("*.sst"))) < sent["parts"] / 2:
        time.sleep(0.01)
    process.kill()
    process.wait()
    there = len(list(parts.glob("*.sst")))
    got = run("import", "--from", place, replica, "--root", roots, *more)
    print(f"killed with {there} of {sent['parts']} parts there: {got['moved_bytes'] / sent['bytes']:.0%} "
          f"fetched anew in {got['seconds']:.1f} s")


main()
