# SPDX-License-Identifier: Apache-2.0
"""Adds up the counts of scripts/coverage, by room, and compares them with scripts/coverage-floors.toml."""

import argparse
import collections
import dataclasses
import json
import pathlib
import subprocess
import sys
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[1]
FLOORS = ROOT / "scripts/coverage-floors.toml"
PUBLISHED = ROOT / "tests/nightly/coverage.json"
VERSION = "19"  # of Clang, as in CMakePresets.json


@dataclasses.dataclass
class Source:
    """How often each line ran, and how often each side of each branch was taken."""
    lines: dict[int, int] = dataclasses.field(default_factory=dict)
    branches: list[tuple[int, int]] = dataclasses.field(default_factory=list)  # line, count


def library(tree: pathlib.Path, rooms: list[str]) -> pathlib.Path:
    """The rooms in one file: llvm-cov reads no archives, and a program has only what it calls."""
    archives = [tree / f"libflatkv_{room}.a" for room in rooms]
    missing = [archive.name for archive in archives if not archive.exists()]
    if missing:
        sys.exit(f"coverage: not built: {', '.join(missing)}")
    out = tree / "rooms.so"
    subprocess.run([f"clang++-{VERSION}", "-shared", "-o", out, "-Wl,--whole-archive", *archives,
                    "-Wl,--no-whole-archive"], check=True)
    return out


def sources(tree: pathlib.Path, rooms: list[str]) -> dict[pathlib.Path, Source]:
    profiles = sorted((tree / "profiles").glob("*.profraw"))
    if not profiles:
        sys.exit(f"coverage: no counts in {tree / 'profiles'}; run scripts/coverage")
    merged = tree / "tests.profdata"
    subprocess.run([f"llvm-profdata-{VERSION}", "merge", "-o", merged, *profiles], check=True)
    text = subprocess.run([f"llvm-cov-{VERSION}", "export", "-format=lcov", f"-instr-profile={merged}",
                           library(tree, rooms)], check=True, capture_output=True, text=True).stdout
    found: dict[pathlib.Path, Source] = {}
    for line in text.splitlines():
        kind, _, rest = line.partition(":")
        if kind == "SF":
            source = found.setdefault(pathlib.Path(rest), Source())
        elif kind == "DA":
            number, count = rest.split(",")
            source.lines[int(number)] = int(count)
        elif kind == "BRDA":
            number, _, _, count = rest.split(",")
            source.branches.append((int(number), 0 if count == "-" else int(count)))
    return found


def leave_out(excused: list[dict], found: dict[pathlib.Path, Source]) -> list[str]:
    """Takes the excused lines out of the count. Returns what is wrong with the excuses."""
    wrong = []
    for excuse in excused:
        path = ROOT / excuse["file"]
        source = found.get(path)
        if source is None:
            continue  # of a room that is not measured now
        places = [number for number, text in enumerate(path.read_text().splitlines(), 1)
                  if text.strip() == excuse["line"]]
        name = f"{excuse['file']}: {excuse['line']!r}"
        if not places:
            wrong.append(f"{name} is excused, and no such line is there")
        for first in places:
            lines = [number for number in range(first, first + excuse.get("count", 1)) if number in source.lines]
            if any(source.lines[number] for number in lines):
                wrong.append(f"{name} is excused, and was run")
            for number in lines:
                del source.lines[number]
            source.branches = [branch for branch in source.branches if branch[0] not in lines]
    return wrong


def by_room(rooms: list[str], found: dict[pathlib.Path, Source]) -> dict[str, list[tuple[pathlib.Path, Source]]]:
    groups = collections.defaultdict(list)
    for path, source in sorted(found.items()):
        if path.is_relative_to(ROOT / "src") and path.parent.name in rooms and not path.name.startswith("test_"):
            groups[path.parent.name].append((path, source))
    return groups


def share(counts: list[int]) -> float:
    return 100 * sum(count > 0 for count in counts) / len(counts) if counts else 100.0


def figures(group: list[tuple[pathlib.Path, Source]]) -> dict:
    lines = [count for _, source in group for count in source.lines.values()]
    branches = [count for _, source in group for _, count in source.branches]
    return {"lines": len(lines), "lines_percent": round(share(lines), 1),
            "branches": len(branches), "branches_percent": round(share(branches), 1)}


def show_uncovered(group: list[tuple[pathlib.Path, Source]]):
    for path, source in group:
        text = path.read_text().splitlines()
        for number, count in sorted(source.lines.items()):
            if count == 0:
                print(f"{path.relative_to(ROOT)}:{number}: {text[number - 1].strip()}")


def publish(table: dict, excused: list[dict]):
    """What docs/proof.md shows of this."""
    told = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True)
    PUBLISHED.write_text(json.dumps({"date": time.strftime("%Y-%m-%d", time.gmtime()), "commit": told.stdout.strip(),
                                     "excused": sum(excuse.get("count", 1) for excuse in excused), "rooms": table}, indent=1) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/coverage --report", description=__doc__)
    parser.add_argument("set", choices=["unit", "all"])
    parser.add_argument("tree", type=pathlib.Path)
    parser.add_argument("--rooms", action="store_true", help="the names of the rooms, and nothing else")
    parser.add_argument("--uncovered", metavar="ROOM", help="the lines of ROOM that nothing ran")
    parser.add_argument("--json", action="store_true", help="the figures for machines")
    parser.add_argument("--publish", action="store_true", help="leave the figures for docs/proof.md")
    options = parser.parse_args()

    rules = tomllib.loads(FLOORS.read_text())
    floors = rules[options.set]
    rooms = list(floors)
    if options.rooms:
        print("\n".join(rooms))
        return 0
    if options.uncovered and options.uncovered not in rooms:
        parser.error(f"no room {options.uncovered}; there are: {', '.join(rooms)}")
    found = sources(options.tree, rooms)
    wrong = leave_out(rules.get("excused", []), found)
    groups = by_room(rooms, found)
    if options.uncovered:
        show_uncovered(groups[options.uncovered])
        return 0

    table = {room: figures(groups[room]) for room in rooms}
    if options.json:
        print(json.dumps(table, indent=1))
    else:
        print(f"{'room':<12} {'lines':>6} {'run':>7} {'floor':>6}   {'branches':>8} {'taken':>7} {'floor':>6}")
        for room, row in table.items():
            print(f"{room:<12} {row['lines']:>6} {row['lines_percent']:>6.1f}% {floors[room][0]:>6}   "
                  f"{row['branches']:>8} {row['branches_percent']:>6.1f}% {floors[room][1]:>6}")
    if options.publish:
        publish(table, rules.get("excused", []))
    for room, row in table.items():
        for what, floor in zip(("lines", "branches"), floors[room]):
            if row[f"{what}_percent"] < floor:
                wrong.append(f"{room}: {row[f'{what}_percent']} % of {what}, the floor is {floor}; "
                             f"scripts/coverage{' --unit' * (options.set == 'unit')} --report --uncovered {room}")
    for line in wrong:
        print("WRONG:", line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
