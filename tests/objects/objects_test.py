#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Snapshots in object storage with the built program: against a real S3 server (versitygw), and against one that
behaves badly. scripts/objects-test runs it. The program must have failpoints."""

import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / name) for name in ("cli", "objects", "support")]

from bad_server import BadServer
from fault_counts import count_fault
from support import *

GATEWAY = os.environ.get("VERSITYGW", "")


def large_rows(count: int, size: int, seed: int = 1) -> bytes:
    """Blocks of one legacy row each, of random bytes: each row is a part by itself."""
    dice = random.Random(seed)
    lines = []
    for version in range(1, count + 1):
        key = bytes([0x99, version * 37 % 256, version])
        lines.append({"version": version, "changesets": [{"name": "evm", "pairs": [
            {"key": key.hex(), "value": dice.randbytes(size).hex()}]}]})
    return to_pb(lines)


class ObjectsCase(Case):
    def line_of(self, store, *more) -> dict:
        return json.loads(self.run_ok("root", store, *more).out)

    def run_with(self, env, code, *arguments, says=""):
        return self.run_exit(code, *arguments, says=says, env=env)

    def json_of(self, env, *arguments) -> dict:
        return json.loads(self.run_with(env, DONE, *arguments, "--json").out)

    def mainnet(self) -> dict:
        self.apply(text_of(MAINNET))
        return self.root_line()

    def roots(self) -> str:
        return json.dumps(self.root_line())


class Files(ObjectsCase):
    """file: needs no server."""

    def test_travels_and_goes_on(self):
        lines = text_of(MAINNET).splitlines(keepends=True)
        self.apply("".join(lines[:21]))
        place = f"file:{self.folder}/place"
        sent = self.json_of({}, "export", self.store, "--to", place)
        self.assertEqual((sent["version"], sent["moved_parts"]), (21, sent["parts"]))
        self.assertEqual(sent["roots"], {name: self.root_line()[name] for name in CHECKSUMS})
        again = self.json_of({}, "export", self.store, "--to", place)
        self.assertEqual(again["moved_parts"], 0)
        other = self.folder / "other"
        got = self.json_of({}, "import", "--from", place, other, "--root", self.roots())
        self.assertEqual((got["rows"], got["moved_parts"]), (sent["rows"], sent["parts"]))
        self.assertEqual(self.line_of(other), self.root_line())
        self.assertFalse((other / "import-parts").exists())
        self.run_ok("verify", other)
        rest = self.file("".join(lines[21:]), "rest.jsonl")
        for store in (self.store, other):
            self.run_ok("apply", store, rest)
        self.assertEqual(self.line_of(other), self.root_line())
        # Equal states have equal parts, whatever came before them.
        names = []
        for name, store in (("a", self.store), ("b", other)):
            self.run_ok("export", store, "--to", f"file:{self.folder}/{name}")
            names.append(sorted((path.name, path.read_bytes()) for path in (self.folder / name).glob("*/*")))
        self.assertEqual(names[0], names[1])

    def test_the_example_of_the_documentation(self):
        page = (ROOT / "docs" / "formats.md").read_text()
        example = page[page.index("## Snapshot in object storage"):]
        manifest, stream = re.findall(r"```(?:json)?\n(.*?)```", example, re.DOTALL)[1:3]
        self.apply(line(1, ("99", "")))
        self.run_ok("export", self.store, "--to", f"file:{self.folder}/place")
        (snapshot,) = (self.folder / "place").iterdir()
        found = (snapshot / "manifest.json").read_text().replace("0" * 4096, "0…")
        # How a part is compressed, zstd's release decides.
        of_zstd = re.compile(r'"(digest|bytes)": .*')
        self.assertEqual(of_zstd.sub("", found), of_zstd.sub("", manifest))
        (part,) = snapshot.glob("part-*")
        data = subprocess.run(["zstd", "-dcq", part], check=True, capture_output=True).stdout
        for row in stream.splitlines():
            at, *hexes = re.match(r"(\w+)  ((?:[0-9a-f]+ )+) ", row + " ").groups()
            expected = bytes.fromhex(hexes[0].replace(" ", ""))
            self.assertEqual(data[int(at, 16):int(at, 16) + len(expected)], expected, row)

    def test_a_part_by_hand(self):
        self.mainnet()
        self.run_ok("export", self.store, "--to", f"file:{self.folder}/place")
        (snapshot,) = (self.folder / "place").iterdir()
        manifest = json.loads((snapshot / "manifest.json").read_text())
        for number, part in enumerate(manifest["parts"]):
            self.run_ok("check", "--from", f"file:{snapshot}", "--part", number)
            alone = json.loads(self.run_ok("check", snapshot / f"part-{part['digest']}.zst", "--json").out)
            self.assertEqual((alone["version"], alone["rows"]), (31, part["rows"]))
        self.assertEqual(sum(part["rows"] for part in manifest["parts"]), manifest["rows"])
        self.run_exit(USAGE, "check", "--from", f"file:{snapshot}", "--part", len(manifest["parts"]), says="numbered")
        # With the manifest damage is found, in the part where it is and in no other.
        path = snapshot / f"part-{manifest['parts'][-1]['digest']}.zst"
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        self.run_exit(NO, "check", "--from", f"file:{snapshot}", says=path.name)
        self.run_exit(NO, "check", "--from", f"file:{snapshot}", "--part", len(manifest["parts"]) - 1, says="digest")
        self.run_ok("check", "--from", f"file:{snapshot}", "--part", 0)
        self.run_exit(REFUSED, "import", "--from", f"file:{snapshot}", self.folder / "other", says="digest")
        self.run_exit(REFUSED, "root", self.folder / "other", says="--from LOCATION")
        path.unlink()
        self.run_exit(REFUSED, "import", "--from", f"file:{snapshot}", self.folder / "other", says=path.name)
        count_fault("O1", "X", 2)

    def test_what_is_not_trusted_is_refused(self):
        self.mainnet()
        place = f"file:{self.folder}/place"
        self.run_ok("export", self.store, "--to", place)
        wrong = self.root_line()
        wrong["storage"] = "00" * 32
        for root in (json.dumps(wrong), "ab" * 32):
            self.run_exit(NO, "check", "--from", place, "--root", root)
            self.run_exit(REFUSED, "import", "--from", place, self.folder / "other", "--root", root)
        self.assertFalse((self.folder / "other").exists())
        self.run_exit(REFUSED, "import", "--from", place, "--at", 7, self.folder / "other")
        (snapshot,) = (self.folder / "place").iterdir()
        manifest = snapshot / "manifest.json"
        good = manifest.read_bytes()
        for at in range(0, len(good), max(1, len(good) // 50)):
            manifest.write_bytes(good[:at] + bytes([good[at] ^ 4]) + good[at + 1:])
            self.run_exit(NO, "check", "--from", place)
            count_fault("O2", "X")
        manifest.write_bytes(good[:-1])
        self.run_exit(NO, "check", "--from", place)
        manifest.unlink()
        self.run_exit(REFUSED, "check", "--from", place, says="no complete snapshot")
        count_fault("O2", "X", 2)
        # An export takes up what is there, and a wrong manifest is replaced.
        manifest.write_bytes(good[:-1])
        self.assertEqual(self.json_of({}, "export", self.store, "--to", place)["moved_parts"], 0)
        self.assertEqual(manifest.read_bytes(), good)

    def test_another_state_of_that_version(self):
        self.apply(blocks(1, 3))
        place = f"file:{self.folder}/place"
        self.run_ok("export", self.store, "--to", place)
        other = self.folder / "other"
        self.run_ok("apply", other, self.file(blocks(1, 3, salt=5), "o"), "--create")
        self.run_exit(REFUSED, "export", other, "--to", place, says="another state")

    def test_old_ones_go(self):
        place = f"file:{self.folder}/place"
        for version in range(1, 6):
            self.apply(blocks(version, version))
            sent = self.json_of({}, "export", self.store, "--to", place, "--keep", 2)
            self.assertEqual(sent["removed"], [version - 2] if version > 2 else [])
            names = sorted(path.name for path in (self.folder / "place").iterdir())
            self.assertEqual(names, [f"snapshot-{n:020}" for n in range(max(1, version - 1), version + 1)])
        # What an export left that was never finished goes with those above it.
        left = self.folder / "place" / f"snapshot-{2:020}"
        left.mkdir()
        (left / f"part-{'0' * 64}.zst").write_bytes(b"x")
        self.apply(blocks(6, 6))
        self.run_ok("export", self.store, "--to", place, "--keep", 2)
        self.assertFalse(left.exists())
        for version in (5, 6):
            self.run_ok("check", "--from", place, "--at", version)
        # An older one that was just put stays.
        self.assertEqual(self.json_of({}, "export", self.store, "--at", 5, "--to", place, "--keep", 1)["removed"], [])

    def test_wrong_use(self):
        self.apply(blocks(1, 2))
        for arguments in (("export", self.store), ("export", self.store, "f", "--to", "file:x"),
                          ("export", self.store, "--to", "s3://x"), ("export", self.store, "--to", "./place"),
                          ("export", self.store, "f", "--keep", 2), ("export", self.store, "--to", "file:x", "--keep", 0),
                          ("export", self.store, "--to", "https://k:s@host/x"), ("import", "--from", "file:x"),
                          ("import", "--from", "file:x", "a", "b"), ("import", "f"), ("check",), ("check", "f", "--part", 1),
                          ("check", "f", "--from", "file:x"), ("check", "--from", "file:x", "--parallel", 65)):
            self.run_exit(USAGE, *arguments)
        none = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "HOME": str(self.folder)}
        self.run_with(none, FAILED, "check", "--from", "s3://bucket/x", says="AWS_ACCESS_KEY_ID")

    def test_force_replaces_and_nothing_else_does(self):
        self.mainnet()
        place = f"file:{self.folder}/place"
        self.run_ok("export", self.store, "--to", place)
        other = self.folder / "other"
        self.run_ok("apply", other, self.file(blocks(1, 3), "o"), "--create")
        before = self.line_of(other)
        self.run_exit(REFUSED, "import", "--from", place, other, says="--force")
        self.assertEqual(self.line_of(other), before)
        self.run_ok("import", "--from", place, other, "--force")
        self.assertEqual(self.line_of(other), self.root_line())


class Bad(ObjectsCase):
    """A server that behaves badly, and comes to its senses: the result is right. One that does not: a refusal."""

    def setUp(self):
        super().setUp()
        self.server = BadServer(page=2)
        self.env = self.server.environment()
        self.place = "s3://bucket/some prefix/v=1"

    def tearDown(self):
        self.server.close()
        super().tearDown()

    def send(self):
        self.mainnet()
        return self.json_of(self.env, "export", self.store, "--to", self.place)

    def fetch(self, *more) -> dict:
        other = self.folder / "other"
        shutil.rmtree(other, ignore_errors=True)
        got = self.json_of(self.env, "import", "--from", self.place, other, "--root", self.roots(), *more)
        self.assertEqual(self.line_of(other), self.root_line())
        return got

    def test_each_way_once(self):
        """Each request fails at first in some way."""
        for how in (500, 503, 429, "close"):
            self.server.counts.clear()
            self.server.objects.clear()
            self.server.misbehave = lambda method, key, count: how if count == 1 else None
            with self.subTest(how=how):
                self.send()
                self.fetch()
                count_fault("O3", "R", 2)
        sent = self.server.objects.copy()
        for how in ("short", "length", "longer", "flip"):
            self.server.counts.clear()
            self.server.misbehave = lambda method, key, count: how if method == "GET" and count == 1 and key else None
            with self.subTest(how=how):
                self.fetch()
                self.assertEqual(self.server.objects, sent)
                count_fault("O3", "R")

    def test_ranges(self):
        """After a content that broke off the rest is asked for, and only that."""
        self.send()
        whole = self.fetch()
        for second, most in ((None, 1.0), ("short", 1.0), ("range", 2.0), ("no range", 1.5), (500, 1.0)):
            self.server.counts.clear()
            self.server.sent = 0
            self.server.misbehave = lambda method, key, count: (
                {1: "short", 2: second}.get(count) if method == "GET" and "part-" in key else None)
            with self.subTest(second=second):
                self.fetch()
                manifest = len(next(data for name, data in self.server.objects.items() if "manifest" in name))
                self.assertLess(self.server.sent, (whole["bytes"] * most + manifest) * 1.01)
                count_fault("O3", "R")

    def test_a_stall(self):
        self.send()
        self.server.misbehave = lambda method, key, count: "stall" if "part-" in key and count <= 2 else None
        began = time.monotonic()
        self.fetch("--timeout", 1)
        self.assertLess(time.monotonic() - began, 60)  # without the option a stall takes thirty
        count_fault("O3", "R")

    def test_what_does_not_pass(self):
        self.send()
        other = self.folder / "never"
        ways = {"flip": (REFUSED, "digest"), "longer": (REFUSED, "longer"), 403: (FAILED, "Refused"), 404: (REFUSED, "404")}
        for how, (exit, says) in ways.items():
            self.server.counts.clear()
            self.server.misbehave = lambda method, key, count: how if method == "GET" and "part-" in key else None
            with self.subTest(how=how):
                self.run_with(self.env, exit, "import", "--from", self.place, other, says=says)
                self.run_exit(REFUSED, "root", other)
                count_fault("O4", "X")
        self.server.misbehave = lambda method, key, count: 403
        self.run_with(self.env, FAILED, "export", self.store, "--to", "s3://bucket/other", says="Refused here")

    def test_who_asks_is_refused(self):
        """Whatever the status that comes with it, also where a HEAD is asked first, whose answer says nothing."""
        self.send()
        (snapshot,) = {name.rsplit("/", 1)[0] for name in self.server.objects}
        for how, says in (((400, "ExpiredToken"), "AWS_SESSION_TOKEN"), ((403, "InvalidAccessKeyId"), "AWS_ACCESS_KEY_ID"),
                          ((403, "SignatureDoesNotMatch"), "AWS_SECRET_ACCESS_KEY"), ((403, "AccessDenied"), "no right"),
                          ((400, "AuthorizationHeaderMalformed"), "AWS_REGION")):
            self.server.misbehave = lambda method, key, count: how
            for command in (("check", "--from", self.place), ("check", "--from", f"s3://bucket/{snapshot}"),
                            ("import", "--from", self.place, self.folder / "never"),
                            ("export", self.store, "--to", self.place)):
                with self.subTest(how=how, command=command[0]):
                    error = json.loads(self.run_with(self.env, FAILED, *command, "--json").out)["error"]
                    self.assertEqual(error["code"], "permission")
                    self.assertIn(how[1], error["message"])
                    self.assertIn(says, error["message"])
        self.assertFalse((self.folder / "never").exists())

    def test_an_export_is_taken_up(self):
        """The manifest comes last; what was sent before is not sent again."""
        self.mainnet()
        self.server.misbehave = lambda method, key, count: 403 if "manifest" in key and method == "PUT" else None
        self.run_with(self.env, FAILED, "export", self.store, "--to", self.place)
        self.run_with(self.env, REFUSED, "check", "--from", self.place, says="no complete snapshot")
        self.server.misbehave = lambda method, key, count: None
        self.assertEqual(self.json_of(self.env, "export", self.store, "--to", self.place)["moved_parts"], 0)
        puts = [key for method, key in self.server.log if method == "PUT"]
        self.assertIn("manifest", puts[-1])
        self.assertEqual(len([key for key in puts if "part-" in key]), len({key for key in puts if "part-" in key}))
        # One whose length is another is.
        name = next(key for key in self.server.objects if "part-" in key)
        self.server.objects[name] = self.server.objects[name][:-1]
        self.assertEqual(self.json_of(self.env, "export", self.store, "--to", self.place)["moved_parts"], 1)

    def test_a_manifest_has_all_its_parts(self):
        """Parts that another export removes, since they have no manifest yet, are missed before one is put."""
        self.apply_pb(large_rows(4, 9 << 20))

        def take_away(method, key, count):
            if method == "PUT" and "part-" in key:
                self.server.objects.clear()

        self.server.misbehave = take_away
        self.run_with(self.env, FAILED, "export", self.store, "--to", self.place, "--parallel", 1,
                      says="not there any more")
        self.assertFalse(any("manifest" in key for key in self.server.objects))
        self.server.misbehave = lambda method, key, count: None
        self.assertEqual(self.json_of(self.env, "export", self.store, "--to", self.place)["moved_parts"], 3)
        self.run_with(self.env, DONE, "check", "--from", self.place, "--root", self.roots())

    def test_the_manifest_goes_first(self):
        self.apply(blocks(1, 2))
        self.json_of(self.env, "export", self.store, "--at", 1, "--to", self.place)
        self.server.log.clear()
        self.json_of(self.env, "export", self.store, "--to", self.place, "--keep", 1)
        removed = [key for method, key in self.server.log if method == "DELETE"]
        self.assertIn("manifest", removed[0])
        self.assertEqual(len(removed), 2)

    def test_over_http(self):
        self.send()
        url = f"{self.server.url}/bucket/some%20prefix/v=1"
        other = self.folder / "other"
        self.run_exit(REFUSED, "import", "--from", url, other, says="snapshot-")
        self.run_ok("import", "--from", url, "--at", 31, other, "--root", self.roots())
        self.assertEqual(self.line_of(other), self.root_line())
        self.run_ok("check", "--from", f"{url}/snapshot-{31:020}")
        self.run_exit(REFUSED, "export", self.store, "--to", url, says="no more")

    def test_an_interrupt(self):
        self.apply_pb(large_rows(4, 9 << 20))
        self.json_of(self.env, "export", self.store, "--to", self.place)
        self.server.rate = 1 << 16  # a part takes more than two minutes
        process = subprocess.Popen([FLATKV, "import", "--from", self.place, self.folder / "other"],
                                   env={**os.environ, **self.env}, stderr=subprocess.DEVNULL)
        self.addCleanup(process.kill)
        while not any("part-" in key for method, key in self.server.log if method == "GET"):
            self.assertIsNone(process.poll())
            time.sleep(0.01)
        interrupt(process, signal.SIGTERM)
        self.assertEqual(process.wait(60), 143)

    def apply_pb(self, data: bytes):
        self.run_ok("apply", self.store, self.file(data, "large.pb"), "--create", "--format", "pb")

    def test_killed_at_half(self):
        """kill -9 when half of the parts are there: less than 60 % is fetched anew."""
        self.apply_pb(large_rows(16, 9 << 20))
        sent = self.json_of(self.env, "export", self.store, "--to", self.place)
        self.assertEqual(sent["parts"], 16)
        other = self.folder / "other"
        command = [FLATKV, "import", "--from", self.place, other, "--parallel", "2"]
        begun = set()

        def eight(method, key, count):
            """No more come before the kill, however late that is."""
            if method == "GET" and "part-" in key and (key in begun or len(begun) < 8):
                begun.add(key)
                return None
            return "stall" if "part-" in key else None

        self.server.misbehave = eight
        process = subprocess.Popen(command, env={**os.environ, **self.env}, stderr=subprocess.DEVNULL)
        while len(list((other / "import-parts").glob("*.sst"))) < 8:
            self.assertIsNone(process.poll())
            time.sleep(0.01)
        process.kill()
        process.wait()
        self.run_exit(REFUSED, "root", other, says="goes on with it")
        self.run_exit(REFUSED, "init", other, says="import")
        # One of those that were there has become another: it is noticed, and fetched again.
        first = sorted((other / "import-parts").glob("*.sst"))[0]
        data = bytearray(first.read_bytes())
        data[len(data) // 2] ^= 1
        first.write_bytes(data)
        self.server.misbehave = lambda method, key, count: None
        self.server.sent = 0
        got = self.json_of(self.env, "import", "--from", self.place, other, "--root", self.roots())
        self.assertLess(self.server.sent, 0.6 * sent["bytes"])
        self.assertGreater(self.server.sent, 0)
        self.assertLess(got["moved_parts"], 10)
        self.assertEqual(self.line_of(other), self.root_line())
        self.run_ok("verify", other)

    def test_every_step_of_an_import(self):
        """Killed and failed at each failpoint of the way, the next import makes the same store."""
        self.send()
        for site in ("parts.import.begun", "parts.import.table_written", "parts.import.table_named", "import.table_taken",
                     "generation.database_filled", "generation.before_publish", "layout.swap.before", "layout.swap.after",
                     "parts.import.published", "parts.import.emptied"):
            for action in ("kill", "error"):
                with self.subTest(site=site, action=action):
                    other = self.folder / f"{site}-{action}"
                    command = ("import", "--from", self.place, other, "--root", self.roots())
                    first = flatkv(*command, env={**self.env, "FLATKV_FAILPOINT": f"{site}={action}"})
                    if action == "kill":
                        self.assertEqual(first.exit, -signal.SIGKILL, first)
                    published = site in ("layout.swap.before", "layout.swap.after", "parts.import.published", "parts.import.emptied")
                    if first.exit == DONE or (published and flatkv("root", other).exit == DONE):
                        self.assertTrue(published, first)  # what stays of the parts is in nobody's way
                        self.run_ok("snapshot", other)
                    else:
                        self.run_with(self.env, DONE, *command)
                        self.assertFalse((other / "import-parts").exists())
                    self.assertEqual(self.line_of(other), self.root_line())
                    self.run_ok("verify", other)
                    count_fault("O5", "R")

    def test_every_step_of_an_export(self):
        """Wherever it ends, no manifest is there without all its parts, and the next one completes it."""
        self.apply(blocks(1, 2))
        for site in ("parts.export.part_put", "parts.export.before_manifest", "parts.export.after_manifest",
                     "parts.prune.manifest_removed", "parts.prune.part_removed"):
            with self.subTest(site=site):
                self.server.objects.clear()
                self.json_of(self.env, "export", self.store, "--at", 1, "--to", self.place)
                command = ("export", self.store, "--to", self.place, "--keep", 1)
                killed = flatkv(*command, env={**self.env, "FLATKV_FAILPOINT": f"{site}=kill"})
                self.assertEqual(killed.exit, -signal.SIGKILL, killed)
                for version in (1, 2):
                    name = f"some prefix/v=1/snapshot-{version:020}/manifest.json"
                    if name in self.server.objects:
                        self.run_with(self.env, DONE, "check", "--from", self.place, "--at", version)
                self.run_with(self.env, DONE, *command)
                self.run_with(self.env, DONE, "check", "--from", self.place, "--root", self.roots())
                self.assertFalse(any(f"{1:020}" in name for name in self.server.objects))
                count_fault("O5", "R")


@unittest.skipUnless(GATEWAY, "versitygw is not here")
class Real(ObjectsCase):
    """A real S3 server, which checks signatures."""

    def setUp(self):
        super().setUp()
        (self.folder / "s3" / "bucket").mkdir(parents=True)
        self.start()

    def start(self, port: int = 0):
        if port == 0:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
        self.port = port
        self.gateway = subprocess.Popen(
            [GATEWAY, "--port", f"127.0.0.1:{self.port}", "posix", self.folder / "s3"],
            env={**os.environ, "ROOT_ACCESS_KEY": "user", "ROOT_SECRET_KEY": "pass:word"},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.env = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}", "AWS_ACCESS_KEY_ID": "user",
                    "AWS_SECRET_ACCESS_KEY": "pass:word", "AWS_REGION": "us-east-1"}
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                self.assertIsNone(self.gateway.poll())
                time.sleep(0.05)

    def tearDown(self):
        self.gateway.kill()
        self.gateway.wait()
        super().tearDown()

    def test_a_life(self):
        lines = text_of(MAINNET).splitlines(keepends=True)
        for place in ("s3://bucket", "s3://bucket/main net/v=1+2"):
            with self.subTest(place=place):
                shutil.rmtree(self.store, ignore_errors=True)
                self.apply("".join(lines[:21]))
                self.json_of(self.env, "export", self.store, "--to", place)
                self.apply("".join(lines[21:]))
                self.json_of(self.env, "export", self.store, "--to", place)
                self.assertEqual(self.json_of(self.env, "export", self.store, "--to", place)["moved_parts"], 0)
                for version in (21, 31):
                    other = self.folder / f"other-{version}"
                    shutil.rmtree(other, ignore_errors=True)
                    self.json_of(self.env, "import", "--from", place, "--at", version, other)
                    self.assertEqual(self.line_of(other), self.root_line("--at", version))
                self.run_with(self.env, DONE, "check", "--from", place, "--root", self.roots())
                gone = self.json_of(self.env, "export", self.store, "--to", place, "--keep", 1)
                self.assertEqual(gone["removed"], [21])
                self.run_with(self.env, REFUSED, "check", "--from", place, "--at", 21)
        wrong = {**self.env, "AWS_SECRET_ACCESS_KEY": "other"}
        self.run_with(wrong, FAILED, "check", "--from", "s3://bucket", says="SignatureDoesNotMatch")
        self.run_with(self.env, REFUSED, "check", "--from", "s3://no-such-bucket/x", says="NoSuchBucket")

    def test_keys_from_a_file(self):
        self.mainnet()
        keys = self.file("[default]\naws_access_key_id=user\naws_secret_access_key=pass:word\n", "keys")
        env = {"AWS_ENDPOINT_URL": self.env["AWS_ENDPOINT_URL"], "AWS_SHARED_CREDENTIALS_FILE": str(keys),
               "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
        self.json_of(env, "export", self.store, "--to", "s3://bucket/x")

    def test_it_dies_in_the_middle(self):
        """The server is killed and started again while parts come: the import waits, and goes on."""
        self.run_ok("apply", self.store, self.file(large_rows(8, 9 << 20), "large.pb"), "--create", "--format", "pb")
        self.json_of(self.env, "export", self.store, "--to", "s3://bucket/x")
        for attempt in range(10):
            other = self.folder / f"other-{attempt}"
            process = subprocess.Popen([FLATKV, "import", "--from", "s3://bucket/x", other, "--parallel", "1"],
                                       env={**os.environ, **self.env}, stderr=subprocess.PIPE)
            while not list((other / "import-parts").glob("*.sst")) and process.poll() is None:
                time.sleep(0.005)
            self.gateway.kill()
            self.gateway.wait()
            if in_the_middle := process.poll() is None:
                break
            process.stderr.close()
            self.start(self.port)
        self.assertTrue(in_the_middle, "every import was over before the server died")
        time.sleep(0.3)
        self.start(self.port)
        self.assertEqual(process.wait(), DONE, process.stderr.read())
        process.stderr.close()
        self.assertEqual(self.line_of(other), self.root_line())
        count_fault("O6", "R")


if __name__ == "__main__":
    unittest.main()
