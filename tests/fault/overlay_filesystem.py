#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A store in the lower layer of an overlay file system, as in a container image (S22): its directories cannot be renamed.
Mounting needs root; is skipped, with a message, without it."""

import contextlib
import json
import pathlib
import signal
import subprocess
import sys
import tempfile

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / part) for part in ("cli", "support")]
from fault_counts import count_fault  # noqa: E402
from support import blocks, flatkv, json_lines  # noqa: E402

SKIPPED = 77
IN_IMAGE = 12
SITES = ("before_mark", "marked", "emptied", "unmarked")


def expect(true, *what):
    if not true:
        raise AssertionError("\n".join(map(str, what)))


def ok(*arguments, env=None):
    result = flatkv(*arguments, env=env)
    expect(result.exit == 0, arguments, result)
    return result


class Overlay:
    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.image = folder / "image"
        self.image.mkdir()
        self.file = folder / "blocks.jsonl"
        self.file.write_text(blocks(1, 40, rows=20))
        self.roots = folder / "roots.jsonl"
        ok("apply", folder / "model", self.file, "--create", "--durability", "process", "--roots", self.roots)
        self.want = {line["version"]: line for line in json_lines(self.roots.read_text())}
        for until in (4, 8, IN_IMAGE):
            ok("apply", self.image / "store", self.file, "--create", "--until", until)
            ok("snapshot", self.image / "store")

    @contextlib.contextmanager
    def mounted(self):
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            layers = {name: pathlib.Path(place) / name for name in ("upper", "work", "merged")}
            for layer in layers.values():
                layer.mkdir()
            how = f"lowerdir={self.image},upperdir={layers['upper']},workdir={layers['work']}"
            subprocess.run(["mount", "-t", "overlay", "overlay", "-o", how, str(layers["merged"])], check=True,
                           capture_output=True)
            try:
                yield layers["merged"] / "store"
            finally:
                subprocess.run(["umount", "-l", str(layers["merged"])], check=True)

    def is_right(self, store, version):
        line = json.loads(ok("root", store).out)
        expect(line == self.want[version], line, self.want[version])
        ok("verify", store)

    def whole(self, store, version):
        """Checks that an open for writing leaves one generation and nothing half removed."""
        self.is_right(store, version)
        expect(len(list(store.glob("gen-*"))) == 1, list(store.iterdir()))
        expect(not list(store.rglob("REMOVED")), "a mark is left")
        for snapshot in store.glob("gen-*/snapshot-*"):
            expect((snapshot / "SNAPSHOT").exists(), snapshot)

    def kept(self, store):
        return [json.loads(line)["version"] for line in ok("snapshots", store, "--json").out.splitlines()]

    def snapshots_are_made_and_pruned(self):
        with self.mounted() as store:
            for until in (16, 20, 24, 28):
                ok("apply", store, self.file, "--until", until)
                ok("snapshot", store)
                self.is_right(store, until)
            expect(self.kept(store) == [20, 24, 28], self.kept(store))
            self.whole(store, 28)
        count_fault("S22", "R")

    def rollback_replaces_the_generation(self):
        with self.mounted() as store:
            ok("rollback", store, 9)
            self.whole(store, 9)
            ok("apply", store, self.file, "--until", 20)
            self.whole(store, 20)
        count_fault("S22", "R")

    def a_kill_while_something_is_removed(self, verb, site):
        with self.mounted() as store:
            ok("apply", store, self.file, "--until", 16)
            killed = flatkv(*verb(store), env={"FLATKV_FAILPOINT": f"layout.remove_in_place.{site}=kill"})
            if killed.exit != -signal.SIGKILL:
                expect(killed.exit == 0, killed)
                return False  # a program without failpoints
            version = json.loads(ok("root", store).out)["version"]
            self.is_right(store, version)
            ok("apply", store, self.file, "--until", 24)
            ok("snapshot", store)
            self.whole(store, 24)
        count_fault("S22", "R")
        return True


def main():
    with tempfile.TemporaryDirectory(prefix="flatkv-overlay-") as folder:
        overlay = Overlay(pathlib.Path(folder))
        try:
            with overlay.mounted() as store:
                gone = store / "gen-00000001" / "renamed"
                try:
                    (store / "gen-00000001" / "changelog").rename(gone)
                except OSError:
                    pass
                if gone.exists():
                    print("skipped: directories of a lower layer can be renamed here (redirect_dir)")
                    return SKIPPED
        except (OSError, subprocess.CalledProcessError) as why:
            print(f"skipped: no overlay can be mounted here: {why}")
            return SKIPPED
        overlay.snapshots_are_made_and_pruned()
        overlay.rollback_replaces_the_generation()
        for verb in (lambda store: ("snapshot", store), lambda store: ("rollback", store, 9)):
            for site in SITES:
                if not overlay.a_kill_while_something_is_removed(verb, site):
                    print("no failpoints in this program: nothing was killed")
                    break
    return 0


if __name__ == "__main__":
    sys.exit(main())
