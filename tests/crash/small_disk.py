#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real disks that are small or fail: a tmpfs that fills up at every level (N1, I3, E2) and an ext4 that turns
read-only under a running writer (N4). Mounting needs root; otherwise the test is skipped with the reason."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / part) for part in ("cli", "support")]
from fault_counts import count_fault  # noqa: E402
from support import FLATKV, blocks, flatkv, json_lines  # noqa: E402

SKIPPED = 77
FULL = os.environ.get("FLATKV_FAULT_FULL", "0") != "0"
BLOCKS = 60
IMAGE_BYTES = 24 << 20


def expect(true, *what):
    if not true:
        raise AssertionError("\n".join(map(str, what)))


@contextlib.contextmanager
def mounted(folder: pathlib.Path, *how):
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", *map(str, how), str(folder)], check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


class SmallDisk:
    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.file = folder / "blocks.jsonl"
        self.file.write_text(blocks(1, BLOCKS, rows=200))
        model, roots = folder / "model", folder / "model.roots"
        self.ok("apply", model, self.file, "--create", "--durability", "process", "--roots", roots)
        self.want = {line["version"]: line for line in json_lines(roots.read_text())}
        self.stream = folder / "stream"
        self.ok("export", model, self.stream)
        self.model = model
        self.needed = sum(path.stat().st_size for path in model.rglob("*") if path.is_file())

    def ok(self, *arguments):
        result = flatkv(*arguments)
        expect(result.exit == 0, arguments, result)
        return result

    def root(self, store, least=0):
        line = json.loads(self.ok("root", store).out)
        expect(line["version"] >= least, f"version {line['version']} below {least}")
        expect(line["version"] == 0 or line == self.want[line["version"]], "a wrong root", line)
        return line["version"]

    def levels(self, steps):
        """How much is free at the start: from next to nothing to enough."""
        return range(16 << 10, 3 * self.needed, self.needed // (120 if FULL else steps))

    def fills_up(self):
        """N1: commits until the disk is full; then space is made, and nothing acknowledged is missing."""
        stopped = 0
        with mounted(self.folder / "small", "-t", "tmpfs", "-o", f"size={IMAGE_BYTES},mode=700", "tmpfs") as small:
            for free in self.levels(9):
                store, ballast, roots = small / "store", small / "ballast", self.folder / "roots"
                shutil.rmtree(store, True)
                ballast.unlink(True)
                roots.unlink(True)
                with open(ballast, "wb") as file:
                    os.posix_fallocate(file.fileno(), 0, IMAGE_BYTES - free - (128 << 10))
                done = flatkv("apply", store, self.file, "--create", "--write-buffer", 100000, "--roots", roots)
                acknowledged = json_lines(roots.read_text()) if roots.exists() else []
                ballast.unlink()
                if done.exit == 0:
                    expect(len(acknowledged) == BLOCKS)
                    self.root(store, BLOCKS)
                    break
                stopped += 1
                expect(done.exit == 4 and "space" in done.err, done)
                for line in acknowledged:
                    expect(line == self.want[line["version"]], line)
                if acknowledged:
                    self.root(store, acknowledged[-1]["version"])
                self.ok("apply", store, self.file, "--create", "--durability", "process")
                expect(self.root(store) == BLOCKS)
                self.ok("verify", store)
                count_fault("N1", "F" if acknowledged else "X")
        expect(stopped > 3, "it never was full")

    def import_fills_up(self):
        """I3: an import that does not fit leaves the old store, or none, and nothing of its own."""
        stopped = 0
        with mounted(self.folder / "small", "-t", "tmpfs", "-o", f"size={IMAGE_BYTES},mode=700", "tmpfs") as small:
            for old in (False, True):
                for free in self.levels(14):
                    store, ballast = small / "store", small / "ballast"
                    shutil.rmtree(store, True)
                    ballast.unlink(True)
                    if old:
                        self.ok("apply", store, self.file, "--create", "--until", 3, "--durability", "process")
                    used = shutil.disk_usage(small).used
                    with open(ballast, "wb") as file:
                        os.posix_fallocate(file.fileno(), 0, IMAGE_BYTES - used - free - (64 << 10))
                    done = flatkv("import", self.stream, store, *(["--force"] if old else []))
                    ballast.unlink()
                    if done.exit == 0:
                        expect(self.root(store) == BLOCKS)
                        break
                    stopped += 1
                    expect(done.exit == 4 and "space" in done.err, done)
                    expect(not list(store.glob("gen-*-tmp")), "what it had written is left", done)
                    if old:
                        expect(self.root(store) == 3)
                    else:
                        expect(flatkv("root", store).exit == 3)
                    self.ok("import", self.stream, store, "--force")
                    expect(self.root(store) == BLOCKS)
                    count_fault("I3", "X")
        expect(stopped > 4, "it never was full")

    def export_fills_up(self):
        """E2: an export that does not fit, or that nobody reads, leaves no file under its name."""
        size = self.stream.stat().st_size
        with mounted(self.folder / "small", "-t", "tmpfs", "-o", f"size={(size // 2) // 4096 * 4096}", "tmpfs") as small:
            done = flatkv("export", self.model, small / "stream")
            expect(done.exit == 4 and "space" in done.err, done)
            expect(not list(small.iterdir()), "a part is left", list(small.iterdir()))
            count_fault("E2", "X")
        read, write = os.pipe()
        os.close(read)
        piped = subprocess.run([FLATKV, "export", self.model, "-"], stdout=write, stderr=subprocess.PIPE)
        os.close(write)
        expect(piped.returncode == 141 and not piped.stderr, piped)
        with open("/dev/full", "wb") as full:
            done = subprocess.run([FLATKV, "export", self.model, "-"], stdout=full, stderr=subprocess.PIPE)
        expect(done.returncode == 4, done)
        count_fault("E2", "X", 2)

    def turns_read_only(self):
        """N4: ext4 gives up under a writer, as it does after an error of the disk (`remount,abort`)."""
        image, roots = self.folder / "image", self.folder / "roots"
        with open(image, "wb") as file:
            file.truncate(IMAGE_BYTES)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True, capture_output=True)
        roots.unlink(True)
        with mounted(self.folder / "ext4", "-o", "loop", image) as disk:
            writer = subprocess.Popen([FLATKV, "apply", disk / "store", "-", "--create", "--write-buffer", "100000",
                                       "--roots", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True)
            lines = self.file.read_text().splitlines(keepends=True)
            writer.stdin.write("".join(lines[:31]))
            writer.stdin.flush()
            acknowledged = 0
            while acknowledged < 30:
                acknowledged = json.loads(writer.stdout.readline())["version"]
            subprocess.run(["mount", "-o", "remount,abort", str(disk)], check=True, capture_output=True)
            out, err = writer.communicate("".join(lines[31:]), timeout=60)
            more = json_lines(out)
            expect(writer.returncode == 4, writer.returncode, err)
            expect(all(line == self.want[line["version"]] for line in more), more)
            acknowledged = more[-1]["version"] if more else acknowledged
            refused = flatkv("apply", disk / "store", self.file)
            expect(refused.exit in (3, 4), "it opens for writing where nothing can be written", refused)
            count_fault("N4", "F")
        # What a restart finds: the next mount replays the journal.
        with mounted(self.folder / "ext4", "-o", "loop", image) as disk:
            self.root(disk / "store", acknowledged)
            self.ok("apply", disk / "store", self.file)
            expect(self.root(disk / "store") == BLOCKS)
            self.ok("verify", disk / "store")
            # Mounted read-only: reading verbs still work; a writer is refused with the reason.
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True, capture_output=True)
            self.ok("info", disk / "store")
            expect(self.root(disk / "store") == BLOCKS)
            (self.folder / "scratch").mkdir()
            self.ok("rows", disk / "store", "--limit", 5, "--scratch", self.folder / "scratch")
            refused = flatkv("apply", disk / "store", self.file)
            expect(refused.exit == 4 and "read-only" in refused.err.lower(), refused)
            count_fault("N4", "X")


def can_mount(folder: pathlib.Path) -> str:
    if os.geteuid() != 0:
        return "mounting needs root"
    try:
        with mounted(folder / "try", "-t", "tmpfs", "tmpfs"):
            return ""
    except subprocess.CalledProcessError as error:
        return f"cannot mount here: {error.stderr.decode().strip()}"


def main() -> int:
    folder = pathlib.Path(tempfile.mkdtemp(prefix="flatkv-small-"))
    try:
        if why := can_mount(folder):
            print(f"skipped: {why}")
            return SKIPPED
        disk = SmallDisk(folder)
        disk.fills_up()
        disk.import_fills_up()
        disk.export_fills_up()
        if shutil.which("mkfs.ext4") and os.path.exists("/dev/loop-control"):
            disk.turns_read_only()
        else:
            print("skipped: N4 needs mkfs.ext4 and loop devices")
        return 0
    finally:
        shutil.rmtree(folder, True)


if __name__ == "__main__":
    sys.exit(main())
