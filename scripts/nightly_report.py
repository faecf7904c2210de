# SPDX-License-Identifier: Apache-2.0
"""What the records of scripts/nightly come to: what failed or is missing, and the page docs/proof.md."""

import collections
import json
import pathlib
import re
import subprocess
import tempfile

DAY = pathlib.Path(__file__).resolve().parents[1] / "tests/nightly/day.json"
MUTANTS = DAY.with_name("mutants.json")
COVERAGE = DAY.with_name("coverage.json")


def table(head: list, rows: list) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def hours(seconds: float) -> str:
    return f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02}"


class Report:
    def __init__(self, units: list, records, check: list, suppressions: pathlib.Path):
        self.units, self.records, self.suppressions = units, records, suppressions
        self.last = records.of(units)
        self.earlier = [name for name, record in self.last.items() if not records.holds(record)]
        self.missing = [unit.id for unit in units if unit.id not in self.last]
        self.faults = collections.Counter()
        for record in self.having("passed"):
            self.faults.update(record["faults"])
        self.wrong = self.check(check)
        if self.missing:  # their rows are no faults of what ran
            self.wrong = [line for line in self.wrong if "nothing was counted" not in line]

    def having(self, outcome: str) -> list:
        return [record for record in self.last.values() if record["outcome"] == outcome]

    def check(self, command: list) -> list:
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("".join(f"FAULT {row} {times}\n" for row, times in sorted(self.faults.items())))
            file.flush()
            done = subprocess.run([*command, file.name], capture_output=True, text=True)
        return (done.stderr.splitlines() or [f"{command[0]} refuses the counts"]) if done.returncode else []

    def troubles(self) -> list:
        lines = [f"failed: `{record['unit']}`, exit {record['exit']}" for record in self.having("failed")]
        lines += self.wrong
        for what, units in (("run on earlier sources", self.earlier), ("not run", self.missing)):
            parts = collections.Counter(unit.split("/")[0] for unit in units)
            lines += [f"{what}: {count} units of {part}" for part, count in parts.items()]
        return lines

    def notes(self) -> list:
        lines = [f"skipped: `{record['unit']}`: {record['why']}" for record in self.having("skipped")]
        lines += [f"`{record['unit']}` failed at {', '.join(record['failed'])} before it passed on the same sources"
                  for record in self.having("passed") if "failed" in record]
        return lines

    @staticmethod
    def commits(records: list) -> str:
        """Each with how many of them it has, the oldest first."""
        first = {}
        for record in records:
            first[record["commit"]] = min(record["start"], first.get(record["commit"], record["start"]))
        counts = collections.Counter(record["commit"] for record in records)
        if len(counts) == 1:
            return next(iter(counts))
        return ", ".join(f"{commit} ({counts[commit]})" for commit in sorted(first, key=first.get))

    def whole(self) -> int:
        return round(sum(unit.seconds for unit in self.units) / 7200)

    def by_part(self) -> str:
        rows = []
        for part in dict.fromkeys(unit.part for unit in self.units):
            units = [unit.id for unit in self.units if unit.part == part]
            done = [self.last[unit] for unit in units if unit in self.last]
            outcomes = collections.Counter(record["outcome"] for record in done)
            counted = collections.Counter()
            for record in done:
                if record["outcome"] == "passed":
                    counted.update(record["counted"])
            most = "; ".join(f"{what} {times}" for what, times in counted.most_common(8)) if part != "tests" else ""
            rows.append([part, len(units), *(outcomes[name] for name in ("passed", "failed", "skipped")),
                         len(units) - len(done), hours(sum(record["seconds"] for record in done)),
                         self.commits(done), most])
        return table(["part", "units", "passed", "failed", "skipped", "not run", "h:min", "commit", "counted"], rows)

    def by_row(self) -> str:
        rows = sorted({row.split()[0] for row in self.faults}, key=lambda row: (row[0], int(row[1:])))
        return table(["row", "recovered", "refused", "rebuilt", "failed"],
                     [[row, *(self.faults[f"{row} {came}"] or "" for came in "RXDF")] for row in rows])

    def by_target(self) -> str:
        targets = {}
        for record in self.having("passed"):
            if "fuzzed" in record:
                targets.setdefault(re.sub(r"^fuzz/|-\d+$", "", record["unit"]), []).append(record)
        return table(["target", "executions", "minutes", "edges", "features", "inputs kept"],
                     [[name, sum(record["fuzzed"]["executions"] for record in done),
                       round(sum(record["seconds"] for record in done) / 60),
                       *(max(record["fuzzed"][what] for record in done) for what in ("edges", "features", "inputs"))]
                      for name, done in sorted(targets.items())])

    def suppressed(self) -> str:
        """Each line of the file with the comment above it; a comment ends with an empty line."""
        rows, why, used = [], [], False
        for line in [*self.suppressions.read_text().splitlines()]:
            if line.startswith("#"):
                why, used = ([] if used else why) + [line[1:].strip()], False
            elif line:
                rows.append([f"`{line}`", " ".join(why)])
                used = True
            else:
                why, used = [], False
        return table(["line", "why"], rows)

    @staticmethod
    def day() -> str:
        """What scripts/day --publish left."""
        if not DAY.exists():
            return ""
        found = json.loads(DAY.read_text())

        def amount(name, value):
            if name in ("memory", "disk"):
                return f"{value / (1 << 20):.0f} MiB"
            return f"{value / 1000:.1f} ms" if name == "p99_us" else f"{value:.0f}"

        names = {"memory": "memory of the process", "descriptors": "descriptors", "disk": "disk", "p99_us": "p99 of a block"}
        figures = table(["figure", "median, second quarter", "median, last quarter", "most", "grows"],
                        [[names[name], *(amount(name, row[key]) for key in ("before", "last", "most")), "**yes**" if row["grows"] else "no"]
                         for name, row in found["growth"].items()])
        verdict = ("No block was lost, and the scrub found nothing; both stores passed `verify` at the end of each slice." if not found["wrong"] else
                   "**What went wrong:** " + "; ".join(found["wrong"]))
        return f"""
## A day of a chain

A leader under `scripts/day`, which is killed every few minutes, beside a second store that another program builds from its
log with other options. {hours(found["seconds"])} h in {found["slices"]} slice{"s" * (found["slices"] != 1)}, {found["date"]}, commit {found["commit"]}, {found["machine"]},
whose load was {found["load"]:.1f} (times of blocks say little where that is above its cores):
{found["blocks"]:,} blocks up to version {found["version"]:,}, {found["undos"]:,} undos of {found["undone"]:,} blocks, {found["kills"]} kills
({found["replayed"]:,} blocks replayed, the longest open {found["open_seconds"]:.1f} s), {found["flushes"]:,} flushes, {found["reads"]:,} rows read beside,
{found["scrub_rows"]:,} rows scrubbed. **{found["roots"]} roots, one of a thousand blocks, are the same in both stores.** {verdict}

{figures}
The first quarter is the warm-up. What counts as growth is in the head of `scripts/day`; below an hour it is only shown, since
the state still fills its levels and the log its limit.

![Time of a block, memory, descriptors and disk](images/day.svg)
"""

    @staticmethod
    def coverage() -> str:
        """What scripts/coverage --publish left."""
        if not COVERAGE.exists():
            return ""
        found = json.loads(COVERAGE.read_text())
        rows = [[room, row["lines"], f"{row['lines_percent']:.1f} %", row["branches"], f"{row['branches_percent']:.1f} %"]
                for room, row in found["rooms"].items()]
        return f"""
## What the tests run

Lines of each room of `src/` that the gate's tests run, and sides of branches that they take, by Clang's counters
(`scripts/coverage`, {found["date"]}, commit {found["commit"]}). A room may not fall below its floor in `scripts/coverage-floors.toml`:
the gate holds the lowest rooms to it by their unit tests, the nightly all rooms by all tests. {found["excused"]} lines are not
counted, each with the reason there. A branch has sides that only a failed allocation takes: those count here, and
`allocation_test` takes them in another build.

{table(["room", "lines", "run", "sides of branches", "taken"], rows)}"""

    @staticmethod
    def mutants() -> str:
        """What scripts/mutate --publish left."""
        if not MUTANTS.exists():
            return ""
        found = json.loads(MUTANTS.read_text())
        rows = [[room, row["mutants"], row["tried"], row["equivalent"], row["killed"],
                 f"{100 * row['killed'] / (row['tried'] - row['equivalent']):.0f} %", row["seed"], row["date"], row["commit"]]
                for room, row in found.items()]
        everywhere = set.intersection(*(set(row["without"]) for row in found.values()))
        without = ", ".join(f"`{name}`" for name in sorted(everywhere))
        for row, room in zip(rows, found.values()):
            row.append(len(room["without"]) - len(everywhere) or "")
        budget = " or ".join(sorted({f"{row['budget']:.0f}" for row in found.values()}))
        return f"""
## Mistakes made on purpose

`scripts/mutate` makes a small mistake in a room (a comparison turned, a step left out, an error dropped), and a test must
notice. Tried was a sample of each room, chosen by the seed, with at most {budget} seconds of test time for each mistake{f", without {without}" if without else ""};
the tests that notice only after that are not counted. The last column: how many programs of tests more were left out, for
want of processors. From one sample of a room to another the figure moves by ten percent and
more. Mistakes that change nothing a test could see have their reasons in
`scripts/mutate-equivalent.toml`.

{table(["room", "mistakes", "tried", "of no effect", "noticed", "of those with effect", "seed", "date", "commit", "left out"], rows)}"""

    def page(self) -> str:
        done = list(self.last.values())
        when = sorted(record["start"][:10] for record in done) or ["never"]
        troubles = self.troubles()
        verdict = "Everything ran and passed." if not troubles else "**Not whole:**\n\n" + "".join(f"- {line}\n" for line in troubles)
        notes = "".join(f"- {line}\n" for line in self.notes())
        machines = "; ".join(sorted({record["machine"] for record in done}))
        return f"""# Proven at length

What `scripts/nightly` did, written by `scripts/nightly --merge --page docs/proof.md` from the last result of each of its
units (`tests/nightly/results.jsonl`). The whole takes about {self.whole()} hours on two cores, so it is run in slices: each part
names the commits that it was run on.

| | |
|---|---|
| commit | {self.commits(done) or 'none'} |
| date | {when[0]}{'' if when[0] == when[-1] else ' to ' + when[-1]} |
| machine | {machines} |
| time | {hours(sum(record['seconds'] for record in done))} h of units, one or two at a time on each core |
| units | {len(self.having('passed'))} of {len(self.units)} passed, {len(self.having('failed'))} failed, {len(self.having('skipped'))} skipped, {len(self.missing)} not run |

{verdict.rstrip()}
{chr(10) + notes if notes else ''}
## By part

{self.by_part()}
## Faults by row and outcome

The rows are those of the [fault matrix](recovery.md#faults-and-what-became-of-them). Counted are those of the units that passed.

{self.by_row()}
## Fuzzing

Edges and features are what libFuzzer calls `cov` and `ft`: how much of the instrumented program the inputs reach.

{self.by_target()}
## What ThreadSanitizer is told to leave out

{self.suppressed()}{self.coverage()}{self.mutants()}{self.day()}
## Again

```sh
for i in $(seq 12); do scripts/nightly --part $i/12; done   # what passed on the same sources is left out
scripts/day FOLDER --minutes 120; scripts/day FOLDER --publish # as often as one likes, the chain goes on
scripts/coverage --publish
scripts/mutate --rooms recovery --sample 25 --seed 11 --publish
scripts/nightly --add results-of-another-machine.jsonl
scripts/nightly --merge --page docs/proof.md                # fails if anything failed, is missing, or is of earlier sources
```
"""
