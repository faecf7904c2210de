# SPDX-License-Identifier: Apache-2.0
"""The units of scripts/nightly: what it runs, each so short that it can be run again as a whole. A long test is divided
by seeds, or by FLATKV_PART=I/N, which gives each of N runs every Nth of its cases (tests/support/files.hpp). Every
amount may be set from outside, for a shorter or longer run: FLATKV_KILL_ROUNDS=50 scripts/nightly kills."""

import dataclasses
import functools
import os
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
# Tests with threads that a sanitized tree has beside those that it builds by itself (cmake/flatkv.cmake).
TSAN_TOO = ("scrub_system_test", "store_system_test")
# How a tree is made before the first unit that needs it, and about how long that takes.
TREES = {
    "test": ("scripts/bootstrap test && configure test -DFLATKV_TEST_TIMEOUT=36000 && compile build-test", 1500),
    "release": ("configure_release && compile build", 900),
    "tsan": (f"configure tsan -DFLATKV_TEST_TIMEOUT=7200 && compile build-tsan all {' '.join(TSAN_TOO)}", 1500),
    "fuzz": ("configure fuzz && compile build-fuzz", 900),
    "coverage": ("scripts/coverage --build", 1500),
}
# Those whose units wait for children, locks and the disk for half of their time: two of them run on a core.
WAIT = {"test"}
# Given a file of all counts, says which rows of the fault matrix were not made, or came to what they may not.
CHECK = [str(ROOT / "scripts/fault-counts"), "--check"]
# Parts that are about the pages, too.
OF_PAGES = {"site", "package"}
# What a part has nothing to do with: a change there leaves its results standing. What is not named counts for every part.
# This file does not, since a unit's command is part of its result. Where some units of a part need more or less than the
# others, the beginning of their names stands here, too.
_SCRIPTS_BESIDE = (
    "bench-*", "check-*", "cluster-test", "coverage*", "day", "demo", "draw-layers", "flame", "installed.sh", "mutants.py",
    "mutate*", "nightly", "nightly_report.py", "nightly_units.py", "objects-test", "package", "plot", "run-example", "site", "test-*",
    "try-quickstarts", "tsan.supp")
_CLUSTER = tuple(
    f"src/{room}" for room in ("broker", "follow", "objects", "parts", "publish", "serve", "topic", "wire"))
_UNIT_TESTS = ("src/*_test.cpp", "src/*/test_support.hpp")
# Where the tests of a part about the store lie, with those that they include; support/ and the traces are everybody's.
_TESTS_OF = {
    "kills": ("crash",),
    "failpoints": ("crash", "history", "repair"),
    "simdisk": ("simdisk",),
    "strace": ("crash", "cli"),
    "faults": ("fault", "simdisk"),
    "scrub": ("scrub",),
    "property": ("model",),
    "differential": ("model",),
    "overlays": ("overlay", "simdisk"),
    "reads": ("crash", "fault", "model", "simdisk"),
    "reads/device": ("store",),
    "kernels": ("crash", "fault", "golden", "model", "simdisk"),
}
# The failing allocations are a program of their own.
_ALLOCATIONS = "tests/fault/allocation_*"


def _beside(*kept) -> tuple:
    """What no program of the tests is made of; `kept`: scripts that count."""
    return ("bindings", "contrib", "mkdocs.yml", "packaging", "rustfmt.toml", "site",
            *(f"examples/{name}" for name in ("revm-node", "forking-node", "damaged-row")),
            *(f"scripts/{name}" for name in _SCRIPTS_BESIDE if name not in kept))


def _tests_but(*kept) -> tuple:
    return tuple(f"tests/{folder.name}" for folder in sorted((ROOT / "tests").iterdir())
                 if folder.is_dir() and folder.name not in ("golden", "support", *kept))


# Only strace runs the program; of the others each is a program of its own.
LEAVES_OUT = {part: _beside() + _CLUSTER + _UNIT_TESTS + ("fuzz",) + _tests_but(*folders) + ("cli",) * (part != "strace")
              for part, folders in _TESTS_OF.items()}
# They have nothing to do with what else lies in these folders.
LEAVES_OUT["strace"] += ("tests/cli/*_test.py", "tests/crash/*.cpp", "tests/crash/*.hpp")
for part in ("overlays", "faults"):
    LEAVES_OUT[part] += ("tests/simdisk/*_test.cpp",)
LEAVES_OUT["cluster"] = (_beside("cluster-test", "objects-test") + _UNIT_TESTS + ("fuzz",)
                         + _tests_but("cli", "cluster", "fault", "objects"))
LEAVES_OUT["faults/allocations"], LEAVES_OUT["cluster/allocations"] = LEAVES_OUT["faults"], LEAVES_OUT["cluster"]
for part in ("cluster", "faults", "kernels", "reads"):
    LEAVES_OUT[part] += (_ALLOCATIONS,)
LEAVES_OUT["reads/device"] += ("tests/store/any_thread_test.cpp",)
LEAVES_OUT["day"] = _beside("day", "plot") + _UNIT_TESTS + ("fuzz",) + _tests_but("day")
LEAVES_OUT["fuzz"] = _beside() + _UNIT_TESTS + _tests_but() + ("benchmarks",)
# What a program's build depends on beside its sources.
_BUILD = ("CMakeLists.txt", "CMakePresets.json", "cmake", "scripts/lib.sh")
_INCLUDE = re.compile(r'^#include "([a-z0-9_]+)/([a-z0-9_./]+)"', re.MULTILINE)
# Why each line is there stands above it.
SUPPRESSIONS = ROOT / "scripts/tsan.supp"

KERNEL = """build-test/bin/flatkv --version | grep -qx "kernel $FLATKV_KERNEL" || {
  echo "skipped: this CPU has no $FLATKV_KERNEL"
  exit 77
}
exec build-test/bin/$0"""
# What fails is left in build-fuzz/findings/.
FUZZ = """mkdir -p build-fuzz/findings build-fuzz/corpus/$0
exec build-fuzz/bin/$0 -max_total_time=$1 -artifact_prefix=build-fuzz/findings/$0- build-fuzz/corpus/$0 fuzz/corpus/$0"""


@dataclasses.dataclass(frozen=True)
class Unit:
    part: str
    name: str  # within its part
    seconds: int  # that it takes on two cores, another unit beside it
    command: tuple
    environment: tuple = ()  # of pairs
    tree: str = ""
    made_of: tuple = ()  # paths, where a result holds as long as these are the same; otherwise see LEAVES_OUT

    @property
    def id(self) -> str:
        return f"{self.part}/{self.name}"


def amount(name: str, otherwise: int) -> int:
    return int(os.environ.get(name) or otherwise)


def seeds(total: int, most: int) -> list:
    """(seed, amount) of runs that come to `total` together, none above `most`."""
    return [(1 + i, min(most, total - i * most)) for i in range(-(-total // most))]


class Table:
    def __init__(self):
        self.units = []

    def add(self, part: str, name, seconds: float, command: list, tree: str = "", made_of: tuple = (), **environment):
        pairs = tuple((key, str(value)) for key, value in environment.items())
        self.units.append(Unit(part, str(name), round(seconds), tuple(map(str, command)), pairs, tree, made_of))

    def test(self, part: str, name, seconds: float, program: str, *arguments, **environment):
        """A program of the tree with the tests; `.py`: a script that drives its flatkv."""
        command = [ROOT / "build-test/bin" / program, *arguments]
        if program.endswith(".py"):
            command = [sys.executable, ROOT / "tests" / program, *arguments]
            environment |= {"FLATKV": ROOT / "build-test/bin/flatkv", "PYTHONDONTWRITEBYTECODE": 1}
        self.add(part, name, seconds, command, "test", **environment)

    def parts(self, part: str, name: str, seconds: float, count: int, program: str, *arguments, **environment):
        """A test whose cases are divided by FLATKV_PART; `seconds`: of all of them."""
        for i in range(1, count + 1):
            self.test(part, f"{name}-{i}of{count}", seconds / count, program, *arguments,
                      FLATKV_PART=f"{i}/{count}", **environment)

    def ctest(self, part: str, seconds: float, count: int, tree: str, *arguments):
        """All tests of a tree, one at a time in each of `count` runs; `seconds`: of all of them."""
        for i in range(1, count + 1):
            self.add(part, f"{i}of{count}", seconds / count,
                     ["ctest", "--test-dir", ROOT / f"build-{tree}", "--verbose", "--no-tests=error",
                      "--tests-information", f"{i},,{count}", *arguments], tree)


def kernels(table: Table):
    """The tests in which a wrong hash shows, with each kernel that the CPU has."""
    for kernel in ("portable", "sse41", "avx2", "avx512"):
        for program in ("golden_test", "property_test", "kill_test", "fault_test"):
            table.add("kernels", f"{kernel}-{program}", 60, ["bash", "-c", KERNEL, program], "test", FLATKV_KERNEL=kernel)


def reads(table: Table):
    """A state that is larger than memory: the device answers late, in any order, and fails at the Nth read."""
    table.test("reads", "device", 60, "store_system_test", "--gtest_filter=Reads.*:Prefetch.*")
    for seed, steps in seeds(amount("FLATKV_DEVICE_STEPS", 150_000), 15_000):
        forced = {"FLATKV_TEST_READS_IN_FLIGHT": (1, 4, 64)[seed % 3]} if seed % 4 else {}
        table.test("reads", f"failing-{seed}", 240, "device_test", FLATKV_DEVICE_STEPS=steps,
                   FLATKV_SEED=60_000_000 + 1000 * seed, **forced)
    for in_flight in (1, 32, 64):
        forced = {"FLATKV_TEST_READS_IN_FLIGHT": in_flight}
        for seed, steps in seeds(amount("FLATKV_PROPERTY_STEPS", 200_000) // 10, 20_000):
            table.test("reads", f"property-{in_flight}-{seed}", 600, "property_test", FLATKV_PROPERTY_STEPS=steps,
                       FLATKV_SEED=50_000_000 + 1000 * seed, **forced)
        for program in ("fault_test", "disk_fault_test", "golden_test", "kill_test", "model_test"):
            table.test("reads", f"{program}-{in_flight}", 120, program, **forced)


@functools.cache
def included(file: pathlib.Path) -> tuple:
    return tuple(_INCLUDE.findall(file.read_text()))


def made_of(source: pathlib.Path) -> tuple:
    """The rooms that a fuzz target's own includes lead to: rooms depend on rooms by includes alone (scripts/check-arrows). Of
    a target that calls the public interface, or the program's parsers, that is not told: all of the store counts."""
    if any(room == "flatkv" or not (ROOT / "src" / room).is_dir() for room, _ in included(source)) or not included(source):
        return ()
    rooms, headers, left = set(), set(), [source]
    while left:
        for room, name in included(left.pop()):
            header = ROOT / "include" / room / name
            if header.exists() and header not in headers:
                headers.add(header)
                left.append(header)
            elif (ROOT / "src" / room).is_dir() and room not in rooms:
                rooms.add(room)
                left += (file for file in (ROOT / "src" / room).iterdir()
                         if file.suffix in (".cpp", ".hpp", ".inc") and not file.name.endswith("_test.cpp"))
    files = [source, *headers, ROOT / "fuzz/CMakeLists.txt", ROOT / "fuzz/input.hpp", ROOT / "fuzz/corpus" / source.stem]
    return (*_BUILD, *sorted(str(file.relative_to(ROOT)) for file in files), *(f"src/{room}" for room in sorted(rooms)),
            *(f":!src/{name[4:]}" for name in _UNIT_TESTS))


def fuzz(table: Table):
    """An hour of each target, in runs of at most twenty minutes that grow one corpus."""
    for source in sorted((ROOT / "fuzz").glob("*_fuzz.cpp")):
        target, made = source.stem, made_of(source)
        for run, seconds in seeds(amount("FLATKV_FUZZ_SECONDS", 3600), 1200):
            table.add("fuzz", f"{target}-{run}", seconds + 15, ["bash", "-c", FUZZ, target, seconds], "fuzz", made)


def units() -> list:
    table = Table()
    table.ctest("tests", 2400, 8, "test")
    for seed, rounds in seeds(amount("FLATKV_KILL_ROUNDS", 10_000), 500):
        table.test("kills", f"seed-{seed}", 300, "kill_test", FLATKV_KILL_ROUNDS=rounds, FLATKV_SEED=seed)
    hits = {"FLATKV_FAILPOINT_HITS": amount("FLATKV_FAILPOINT_HITS", 0)}
    table.parts("failpoints", "sections", 3600, 8, "failpoint_crash_test", **hits)
    table.test("failpoints", "rollback", 120, "history_process_test", **hits)
    table.test("failpoints", "repair", 120, "repair_crash_test", **hits)
    loop = {"FLATKV_LOOP": os.environ.get("FLATKV_LOOP", "all")}
    table.parts("simdisk", "loop", 4800, 12, "simdisk_loop_test", **loop)
    rebuilt = "StoreRows.CrashWhileTheWorkingCopyIsRebuilt"
    table.test("simdisk", "rows-rebuilt", 300, "simdisk_rows_test", f"--gtest_filter={rebuilt}", **loop)
    table.test("simdisk", "rows-others", 900, "simdisk_rows_test", f"--gtest_filter=-StoreNested.Crashes*:{rebuilt}", **loop)
    for seed, rounds in seeds(amount("FLATKV_NESTED", 2_000), 250):
        table.test("simdisk", f"nested-{seed}", 300, "simdisk_rows_test", "--gtest_filter=StoreNested.Crashes*",
                   FLATKV_NESTED=rounds, FLATKV_SEED=4000 + 1000 * seed)
    for seed, steps in seeds(amount("FLATKV_SIMDISK_STEPS", 50_000), 10_000):
        table.test("simdisk", f"random-{seed}", 300, "simdisk_random_test", FLATKV_SIMDISK_STEPS=steps,
                   FLATKV_SEED=9000 + 1000 * seed)
    table.parts("strace", "matrix", 4800, 8, "crash/strace_matrix.py",
                FLATKV_STRACE_SECONDS=amount("FLATKV_STRACE_SECONDS", 0))
    full = {"FLATKV_FAULT_FULL": amount("FLATKV_FAULT_FULL", 1)}
    table.test("strace", "small_disk", 600, "crash/small_disk.py", **full)
    table.parts("faults", "log_bytes", 1200, 4, "fault_test", "--gtest_filter=LogBytes.*", **full)
    table.parts("faults", "file_kinds", 3000, 4, "fault_test", "--gtest_filter=FileKinds.*", **full)
    table.test("faults", "others", 300, "fault_test", "--gtest_filter=-LogBytes.*:FileKinds.*", **full)
    table.parts("faults", "allocations-others", 1300, 4, "allocation_test", "--gtest_filter=-*AllocationTable*", **full)
    for program in ("disk_fault_test", "host_test", "clock_test"):
        table.test("faults", program, 60, program, **full)
    table.parts("faults", "allocations", 14400, 24, "allocation_test", "--gtest_filter=*AllocationTable*", **full)
    table.test("scrub", "lives", 600, "scrub_system_test", FLATKV_SCRUB_SEEDS=amount("FLATKV_SCRUB_SEEDS", 60))
    table.test("scrub", "kills", 600, "scrub_crash_test", FLATKV_SCRUB_HITS=amount("FLATKV_SCRUB_HITS", 8))
    for seed, steps in seeds(amount("FLATKV_PROPERTY_STEPS", 200_000), 20_000):
        table.test("property", f"seed-{seed}", 300, "property_test", FLATKV_PROPERTY_STEPS=steps,
                   FLATKV_SEED=20_240_000 + 1000 * seed)
    for seed, steps in seeds(amount("FLATKV_DIFFERENTIAL_STEPS", 200_000), 20_000):
        table.test("differential", f"seed-{seed}", 400, "differential_test", FLATKV_DIFFERENTIAL_STEPS=steps,
                   FLATKV_SEED=30_000_000 + 1000 * seed)
    for seed, steps in seeds(amount("FLATKV_OVERLAY_STEPS", 500_000), 50_000):
        table.test("overlays", f"trees-{seed}", 900, "overlay_model_test", FLATKV_OVERLAY_STEPS=steps,
                   FLATKV_SEED=100 * seed)
    for seed, rounds in seeds(amount("FLATKV_OVERLAY_KILLS", 5_000), 500):
        table.test("overlays", f"kills-{seed}", 300, "overlay_kill_test", FLATKV_KILL_ROUNDS=rounds, FLATKV_SEED=seed)
    reads(table)
    kernels(table)
    for seed, minutes in seeds(amount("FLATKV_CLUSTER_MINUTES", 60), 15):
        table.add("cluster", f"faults-{seed}", 60 * minutes + 120, [ROOT / "scripts/cluster-test", "--long"], "test",
                  FLATKV_CLUSTER_MINUTES=minutes, FLATKV_CLUSTER_SEED=seed, FLATKV_TREE=ROOT / "build-test")
    table.parts("cluster", "allocations", 3600, 4, "allocation_cluster_test", **full)
    table.add("cluster", "scenarios", 300, [ROOT / "scripts/cluster-test"], "test", FLATKV_TREE=ROOT / "build-test")
    for i in range(1, 11):
        table.add("cluster", f"memory-{i}of10", 1200, [ROOT / "scripts/cluster-test", "memory"], "test",
                  FLATKV_PART=f"{i}/10", FLATKV_TREE=ROOT / "build-test", **full)
    table.add("cluster", "objects", 300, [ROOT / "scripts/objects-test"], "test", FLATKV_TREE=ROOT / "build-test")
    # Goes on with the chain that an earlier run left.
    minutes = amount("FLATKV_DAY_MINUTES", 15)
    table.add("day", "slice", 60 * minutes + 120, [ROOT / "scripts/day", ROOT / "build-nightly/day", "--minutes", minutes],
              "test", FLATKV_TREE=ROOT / "build-test")
    repeat = amount("FLATKV_BINDINGS_REPEAT", 5)
    table.add("bindings", "go", 900, [ROOT / "scripts/test-go", f"-count={repeat}"], "release",
              FLATKV_TREE=ROOT / "build", FLATKV_FLIPS=6 * repeat)
    table.add("bindings", "rust", 900, [ROOT / "scripts/test-rust"], "release", FLATKV_TREE=ROOT / "build",
              FLATKV_TEST_BLOCKS=150 * repeat)
    table.add("bindings", "python", 600, [ROOT / "scripts/test-python"], "release", FLATKV_TREE=ROOT / "build")
    table.ctest("tsan", 4800, 8, "tsan", "--label-exclude", "nightly",
                "--tests-regex", os.environ.get("FLATKV_TSAN_TESTS", "."))
    for name in TSAN_TOO:
        table.add("tsan", name, 900, ["ctest", "--test-dir", ROOT / "build-tsan", "--verbose", "--no-tests=error",
                                      "--tests-regex", f"^sanitized.{name}$"], "tsan")
    table.add("coverage", "rooms", 1300, [ROOT / "scripts/coverage"], "coverage")
    table.add("site", "demo", 120, [ROOT / "scripts/demo"])
    table.add("site", "pages", 900, ["bash", "-c", "scripts/bootstrap site && scripts/site look"])
    table.add("site", "quickstarts", 1200, ["bash", "-c", "scripts/bootstrap site && scripts/try-quickstarts"])
    table.add("package", "debian", 1200, [ROOT / "scripts/package", "--check"])
    fuzz(table)
    return table.units
