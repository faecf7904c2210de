#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The built program under strace, which makes the Nth call of a kind fail, lie or kill, for the first N of
each thread (row L5 of docs/recovery.md). After each, what was acknowledged is there, every root is the golden one, the
rest of the file is applied and everything verifies.

FLATKV_STRACE_SECONDS: how long (45; 0: all of it). FLATKV_SEED: the order after the first of each kind. FLATKV_PART=I/N:
every Nth injection."""

import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / part) for part in ("cli", "support")]
from fault_counts import count_fault, counted  # noqa: E402
from support import FLATKV, flatkv, roots_of, text_of, trace  # noqa: E402

SKIPPED = 77
# System calls on the store's files, and the faults for each. One that does not occur costs nothing.
WRITES = ("EIO", "ENOSPC", "KILL")
FAULTS = {
    "fdatasync": ("EIO", "ENOSPC", "KILL", "LIE"),
    "fsync": ("EIO", "KILL", "LIE"),
    "rename": WRITES, "renameat": WRITES, "renameat2": WRITES,
    "unlink": ("EIO", "KILL"), "unlinkat": ("EIO", "KILL"), "rmdir": ("EIO", "KILL"),
    "write": WRITES, "writev": WRITES, "pwrite64": WRITES,
    "openat": ("EIO", "EMFILE", "ENOSPC", "KILL"),
    "link": ("EIO", "ENOSPC", "KILL"), "linkat": ("EIO", "EXDEV", "EMLINK", "KILL"),
    "ftruncate": ("EIO", "ENOSPC", "KILL"), "fallocate": ("ENOSPC", "KILL"),
    "mkdir": ("ENOSPC", "KILL"),
    "pread64": ("EIO",),
}
BLOCKS = 24
CUT = 18      # version at which an interfered run ends
CLOSED = 10   # version of the stores that runs start from
LEAST = 40    # injections, however slow the machine is


class Failed(Exception):
    pass


def expect(true, *what):
    if not true:
        raise Failed(*what)


def row_of(path: str, call: str, fault: str) -> str:
    """The row of the matrix that a fault on this file is of."""
    name = os.path.basename(path)
    if fault == "LIE":
        return "C6"
    if call == "pread64":
        return "C11"
    if fault == "EMFILE":
        return "N2"
    if call == "linkat" and fault in ("EXDEV", "EMLINK"):
        return "S13"
    if re.search(r"/gen-\d+-\w+-tmp|/CURRENT", path):
        return "S11" if fault == "KILL" else "S12" if name.startswith("CURRENT") else "S2"
    if call in ("unlink", "unlinkat", "rmdir"):
        return "S15"
    if "/snapshot-" in path:
        return "S1" if fault == "KILL" else "S2"
    if "/changelog" in path:
        if call in ("fdatasync", "fsync"):
            return "C7" if fault == "KILL" else "C4"
        return "C2" if fault == "KILL" else "C3"
    if "/flush/" in path or "/working/" in path:
        return "C8" if fault == "KILL" else "C9"
    return "C1" if fault == "KILL" else "N1"


class Matrix:
    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.store = folder / "store"
        self.roots = folder / "roots"
        self.log = folder / "strace"
        lines = text_of(trace("mixed")).splitlines(keepends=True)
        blocks = [line for line in lines if json.loads(line)["version"] <= BLOCKS]
        self.file = folder / "blocks.jsonl"
        self.file.write_text("".join(blocks))
        self.golden = folder / "golden"
        self.golden.write_text("".join(json.dumps(line) + "\n" for line in roots_of("mixed")[:BLOCKS]))
        self.want = {line["version"]: line for line in roots_of("mixed")[:BLOCKS]}
        self.cases = 0
        self.outcomes = {}
        self.prepare()

    def prepare(self):
        """Stores to start from: none, closed in the middle with a snapshot, and one that was killed."""
        closed = self.folder / "closed"
        self.ok("apply", closed, self.file, "--create", "--until", 6)
        self.ok("snapshot", closed)
        self.ok("apply", closed, self.file, "--until", CLOSED)
        killed = self.folder / "killed"
        shutil.copytree(closed, killed)
        # Killed during a commit: its log is ahead of its databases.
        done = self.run(["apply", killed, self.file], "fdatasync:signal=SIGKILL:when=5")
        expect(done.returncode == -9, "it was not killed", done)
        expect(flatkv("info", killed, "--json").exit == 0, "the killed store does not open")
        self.ok("export", closed, self.folder / "stream")

    # (name, the store to start from, the verb's arguments after the store, versions it may end at)
    def workloads(self):
        apply = ["apply", self.store, self.file, "--expect", self.golden, "--roots", self.roots, "--until", CUT]
        small = ["--write-buffer", "65536"]
        return [
            ("create", None, apply + small + ["--create"]),
            ("go on", "closed", apply),
            ("recover", "killed", apply),
            ("snapshot", "killed", ["snapshot", self.store]),
            ("rollback", "closed", ["rollback", self.store, 8]),
            ("import", None, ["import", self.folder / "stream", self.store]),
        ]

    def ok(self, *arguments):
        result = flatkv(*arguments)
        expect(result.exit == 0, arguments, result)
        return result

    def put(self, start):
        shutil.rmtree(self.store, True)
        if start is not None:
            shutil.copytree(self.folder / start, self.store)
        self.roots.unlink(True)

    def run(self, arguments, *injections):
        command = ["strace", "-f", "-qq", "-y", "-o", str(self.log), "-e", "trace=" + ",".join(FAULTS)]
        # --seccomp-bpf stops only at traced calls, but with it strace 6.1 forgets to send signals.
        if not any("signal" in injection for injection in injections):
            command.append("--seccomp-bpf")
        for injection in injections:
            command += ["-e", "inject=" + injection]
        return subprocess.run([*command, FLATKV, *map(str, arguments)], capture_output=True, timeout=120)

    def calls(self, arguments) -> dict:
        """The places of calls on the store: for each kind the N that are the Nth of some thread."""
        expect(self.run(arguments).returncode == 0, "the workload does not run", arguments)
        seen, places = {}, {}
        for line in self.log.read_text(errors="replace").splitlines():
            match = re.match(r"(\d+) +(\w+)\((.*)", line)
            if not match:
                continue
            thread, call, rest = match.groups()
            seen[thread, call] = seen.get((thread, call), 0) + 1
            if str(self.store) in rest and not re.search(r"/LO(G|CK)\b", rest):  # no part of the store
                places.setdefault(call, set()).add(seen[thread, call])
        return {call: sorted(at) for call, at in places.items() if call in FAULTS}

    def injected(self, call: str, killed: bool) -> list:
        """Paths in the store whose calls were made to fail, or in the last of which the process was killed."""
        paths, last = [], {}
        for line in self.log.read_text(errors="replace").splitlines():
            thread, _, rest = line.partition(" ")
            if rest.lstrip().startswith(call + "("):
                found = re.findall(re.escape(str(self.store)) + r"[^\s\">,]*", rest)
                last[thread] = found[-1] if found else None
            if "(INJECTED)" in rest and last.get(thread):  # the line itself, or where the call resumed
                paths.append(last[thread])
            if killed and call + "(" in rest and ("= ?" in rest or "<unfinished" in rest) and last.get(thread):
                paths = [last[thread]]
        return paths

    def acknowledged(self) -> int:
        if not self.roots.exists():
            return 0
        # The fault itself may have cut the last line.
        text = self.roots.read_text()
        lines = [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]
        for line in lines:
            expect(line == self.want[line["version"]], "a wrong root was written", line)
        return lines[-1]["version"] if lines else 0

    def check(self, least: int):
        """The store is at one of its versions, at or above `least`, goes on from there and verifies."""
        info = flatkv("info", self.store, "--json")
        root = flatkv("root", self.store)
        if root.exit == 0:
            line = json.loads(root.out)
            expect(info.exit == 0, "info refuses what root shows", info)
            expect(line["version"] >= least, f"version {line['version']} below {least}")
            expect(line["version"] == 0 or line == self.want[line["version"]], "a wrong root", line)
        else:
            expect(least == 0, "it does not open", root)
            expect(root.exit == 3, "neither a store nor a refusal", root)
            if "import" in root.err:
                self.ok("import", self.folder / "stream", self.store, "--force")
        self.ok("apply", self.store, self.file, "--create", "--expect", self.golden, "--roots", self.roots)
        expect(json.loads(self.ok("root", self.store).out) == self.want[BLOCKS], "not at the end")
        self.ok("verify", self.store)

    def case(self, workload, call: str, nth: int, fault: str) -> bool:
        name, start, arguments = workload
        self.put(start)
        before = 0
        if start is not None:
            before = json.loads(self.ok("root", self.store).out)["version"]
        what = {"KILL": "signal=SIGKILL", "LIE": "retval=0"}.get(fault, f"error={fault}")
        done = self.run(arguments, f"{call}:{what}:when={nth}")
        paths = self.injected(call, done.returncode == -9)
        if not paths or (fault == "KILL" and done.returncode != -9):
            return False  # this time another thread made the call, or none
        if os.environ.get("FLATKV_STRACE_VERBOSE"):
            print(name, call, nth, fault, done.returncode, paths, flush=True)
        code = done.returncode
        # Not 1: by that `apply --expect` says that a root is a wrong one.
        expect(code in (0, 3, 4, 127, -9), f"exit {code}", done.stderr.decode(errors="replace"))
        expect(fault == "KILL" or code != -9, "killed by nobody")
        least = max(self.acknowledged(), 8 if name == "rollback" else before)
        if name == "import" and code == 0:
            least = CLOSED
        self.check(least)
        came = "R" if code in (0, -9) else "F" if code == 4 else "X"
        count_fault(row_of(paths[0], call, fault), came)
        self.cases += 1
        self.outcomes[call, fault] = self.outcomes.get((call, fault), 0) + 1
        return True

    def lying_disk(self):
        """Every sync lies and the power goes: the log is the old one, the databases may be ahead of it (C6)."""
        def log_of(store):
            generation = json.loads(self.ok("info", store, "--json").out)["generation"]
            return store / os.path.basename(generation) / "changelog"

        for kill_at in (None, 2, 7):
            self.put("closed")
            old = self.folder / "old-log"
            shutil.rmtree(old, True)
            shutil.copytree(log_of(self.store), old)
            lies = ["fdatasync:retval=0", "fsync:retval=0"]
            if kill_at:
                lies.append(f"link:signal=SIGKILL:when={kill_at}")
            arguments = ["apply", self.store, self.file, "--until", str(CUT), "--write-buffer", "65536"]
            done = self.run(arguments, *lies)
            expect(done.returncode == (-9 if kill_at else 0), done)
            generations = [path for path in self.store.glob("gen-*") if not path.name.endswith("-tmp")]
            expect(len(generations) == 1, generations)
            shutil.rmtree(generations[0] / "changelog")
            shutil.copytree(old, generations[0] / "changelog")
            (generations[0] / "CLEAN").unlink(True)
            goes_on = flatkv("apply", self.store, self.file, "--expect", self.golden)
            if goes_on.exit == 0:
                # All five were level: they are kept, above the log.
                count_fault("C6", "D")
            else:
                expect(goes_on.exit == 3 and "log_behind" in goes_on.err, goes_on)
                expect(f"rollback STORE {CLOSED}`" in goes_on.err, "no way out is named", goes_on)
                self.ok("rollback", self.store, CLOSED)
                self.ok("apply", self.store, self.file, "--expect", self.golden)
                count_fault("C6", "X")
            expect(json.loads(self.ok("root", self.store).out) == self.want[BLOCKS], "not at the end")
            self.ok("verify", self.store)
            self.cases += 1

    def all(self, seconds: float, seed: int):
        until = time.monotonic() + seconds if seconds else float("inf")
        first, rest = [], []
        for workload in self.workloads():
            self.put(workload[1])
            for call, places in self.calls(workload[2]).items():
                for fault in FAULTS[call]:
                    first.append((workload, call, places[0], fault))
                    rest += [(workload, call, nth, fault) for nth in places[1:]]
        order = random.Random(seed)
        order.shuffle(first)
        order.shuffle(rest)
        self.lying_disk()
        index, count = map(int, os.environ.get("FLATKV_PART", "1/1").split("/"))
        for case in (first + rest)[index - 1::count]:
            if time.monotonic() > until and self.cases >= LEAST:
                break
            try:
                self.case(*case)
            except Failed as failure:
                workload, call, nth, fault = case
                print(f"FAILED: {workload[0]}: inject={call}:{fault}:when={nth}, FLATKV_SEED={seed}")
                print("\n".join(map(str, failure.args)))
                print(self.log.read_text(errors="replace")[-3000:])
                return 1
        print(f"{self.cases} of {len(first) + len(rest) + 3} injections, FLATKV_SEED={seed}")
        for (call, fault), times in sorted(self.outcomes.items()):
            print(f"  {call} {fault}: {times}")
        expect(counted() >= LEAST, "too few")
        return 0


def can_trace() -> str:
    """Empty, or why not."""
    if not shutil.which("strace"):
        return "there is no strace"
    tried = subprocess.run(["strace", "-f", "--seccomp-bpf", "-o", os.devnull, "-e", "inject=fsync:error=EIO", "true"],
                           capture_output=True, text=True)
    return "" if tried.returncode == 0 else f"strace cannot trace here: {tried.stderr.strip()}"


def main() -> int:
    if why := can_trace():
        print(f"skipped: {why}")
        return SKIPPED
    seed = int(os.environ.get("FLATKV_SEED", "1"))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="flatkv-strace-"))
    try:
        return Matrix(folder).all(float(os.environ.get("FLATKV_STRACE_SECONDS", "45")), seed)
    except Failed as failure:
        print("FAILED:", *failure.args, sep="\n")
        return 1
    finally:
        shutil.rmtree(folder, True)


if __name__ == "__main__":
    sys.exit(main())
