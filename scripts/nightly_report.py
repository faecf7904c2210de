# SPDX-License-Identifier: Apache-2.0
"""What the records of scripts/nightly come to: what failed or is missing, and the page docs/proof.md."""

import collections
import pathlib
import re
import subprocess


def table(head: list, rows: list) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def hours(seconds: float) -> str:
    return f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02}"


class Report:
    def __init__(self, units: list, records, check: list, suppressions: pathlib.Path):
        self.units, self.records, self.suppressions = units, records, suppressions
        self.all = records.of(units)
        self.last = {unit: found[-1] for unit, found in self.all.items()}
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
        self.records.folder.mkdir(parents=True, exist_ok=True)
        file = self.records.folder / "faults.txt"
        file.write_text("".join(f"FAULT {row} {times}\n" for row, times in sorted(self.faults.items())))
        done = subprocess.run([*command, str(file)], capture_output=True, text=True)
        return (done.stderr.splitlines() or [f"{command[0]} refuses the counts"]) if done.returncode else []

    def troubles(self) -> list:
        lines = [f"failed: `{record['unit']}`, exit {record['exit']}" for record in self.having("failed")]
        lines += self.wrong
        parts = collections.Counter(unit.split("/")[0] for unit in self.missing)
        lines += [f"not run: {count} units of {part}" for part, count in parts.items()]
        return lines

    def notes(self) -> list:
        lines = [f"skipped: `{record['unit']}`: {record['why']}" for record in self.having("skipped")]
        for unit, found in self.all.items():
            failed = [record["start"] for record in found[:-1] if record["outcome"] == "failed"]
            if failed and found[-1]["outcome"] == "passed":
                lines.append(f"`{unit}` failed at {', '.join(failed)} before it passed on the same commit")
        return lines

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
                         len(units) - len(done), hours(sum(record["seconds"] for record in done)), most])
        return table(["part", "units", "passed", "failed", "skipped", "not run", "h:min", "counted"], rows)

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

    def page(self) -> str:
        done = list(self.last.values())
        when = sorted(record["start"][:10] for record in done) or ["never"]
        troubles = self.troubles()
        verdict = "Everything ran and passed." if not troubles else "**Not whole:**\n\n" + "".join(f"- {line}\n" for line in troubles)
        notes = "".join(f"- {line}\n" for line in self.notes())
        machines = "; ".join(sorted({record["machine"] for record in done}))
        return f"""# Proven at length

What `scripts/nightly` did, written by `scripts/nightly --merge --page docs/proof.md` from what each of its units recorded.

| | |
|---|---|
| commit | {self.records.commit} |
| date | {when[0]}{'' if when[0] == when[-1] else ' to ' + when[-1]} |
| machine | {machines} |
| time | {hours(sum(record['seconds'] for record in done))} h of units, as many at a time as there are cores |
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

{self.suppressed()}
## Again

```sh
for i in $(seq 12); do scripts/nightly --part $i/12; done   # also on several machines; each goes on where it was
scripts/nightly --merge --page docs/proof.md                # fails if anything failed or is missing
```
"""
