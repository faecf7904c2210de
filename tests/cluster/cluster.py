# SPDX-License-Identifier: Apache-2.0
"""A leader, its publisher and followers as processes around a broker, for cluster_test.py."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

from broker import Broker, free_ports

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "cli"), str(TESTS / "support")]
from support import DONE, REFUSED, blocks, line  # noqa: E402, F401

FLATKV = os.environ["FLATKV"]
TOPIC_TOOL = os.environ["TOPIC_TOOL"]
TERMINATED = 143


def check(condition: bool, what: str) -> None:
    if not condition:
        raise AssertionError(what)


def wait_for(what: str, ready, seconds: float = 120):
    """Returns what `ready` returns as soon as that is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := ready():
            return found
        time.sleep(0.1)
    raise AssertionError(f"after {seconds:.0f} s not: {what}")


def flatkv(*arguments, stdin: str = "", code: int = DONE) -> str:
    done = subprocess.run([FLATKV, *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=300)
    check(done.returncode == code, f"flatkv {arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout if code == DONE else done.stderr


class Runner:
    """`flatkv publish` or `follow`, which runs until it is stopped."""

    def __init__(self, folder: pathlib.Path, name: str, *arguments):
        self.name = name
        self.port = free_ports(1)[0]
        self.arguments = [FLATKV, *map(str, arguments), "--listen", str(self.port), "--json"]
        self.out, self.err = folder / f"{name}.out", folder / f"{name}.err"
        self.start()

    def start(self, **environment) -> None:
        with self.out.open("ab") as out, self.err.open("ab") as err:
            self.process = subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                            env={**os.environ, **environment})

    def answer(self, path: str, body: dict | None = None) -> tuple:
        """Status and text of an answer over HTTP."""
        data = json.dumps(body).encode() if body else None
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", data, timeout=30) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as no:
            return no.code, no.read().decode()

    def status(self) -> dict:
        lines = self.out.read_text().split("\n")[:-1]
        found = {}
        for line in lines[-3:]:
            try:
                found = json.loads(line)
            except ValueError:  # cut by a kill
                continue
        return found

    def errors(self) -> str:
        return self.err.read_text()

    def alive(self) -> bool:
        return self.process.poll() is None

    def check_alive(self) -> None:
        check(self.alive(), f"{self.name} ended with {self.process.returncode}:\n{self.errors()[-3000:]}")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def restart(self) -> None:
        self.kill()
        self.start()

    def stop(self) -> None:
        self.check_alive()
        self.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        code = self.process.wait(60)
        check(code == TERMINATED, f"{self.name}: exit {code} after SIGTERM\n{self.errors()[-3000:]}")
        check(time.monotonic() - began < 30, f"{self.name} took {time.monotonic() - began:.0f} s to stop")


class Leader:
    """A store whose blocks come from a pipe, as from a node."""

    def __init__(self, store: pathlib.Path):
        self.store = store
        self.version = 0
        self.salt = 0

    def commit(self, count: int, seconds: float = 0) -> None:
        """That many blocks, spread over so many seconds. Goes on where a `kill` left off."""
        end = self.version + count
        while self.version < end:
            self.feed(end, seconds / count)

    def feed(self, end: int, pause: float) -> None:
        began, self.killed = self.version, False
        self.process = subprocess.Popen([FLATKV, "apply", self.store, "-", "--durability", "process"],
                                        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            for version in range(began + 1, end + 1):
                self.process.stdin.write(blocks(version, version, rows=20, salt=self.salt))
                self.process.stdin.flush()
                time.sleep(pause)
        except BrokenPipeError:
            pass
        _, errors = self.process.communicate(timeout=300)
        self.version = json.loads(flatkv("root", self.store))["version"]
        check(self.killed or self.process.returncode == DONE, errors)
        check(began <= self.version <= end and (self.killed or self.version == end), f"it is at {self.version}, was at {began}")

    def kill(self) -> None:
        """Beside `commit`."""
        self.killed = True
        self.process.send_signal(signal.SIGKILL)

    def undo(self, count: int) -> None:
        """What comes next is another branch."""
        self.version -= count
        flatkv("rollback", self.store, self.version)
        self.salt += 1_000_000


class Objects:
    """An S3 server, which all programs find in the environment. `kill` and `start` keep port and data."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder / "s3"
        (self.folder / "snapshots").mkdir(parents=True)  # a folder is a bucket
        self.port = free_ports(1)[0]
        os.environ.update(AWS_ENDPOINT_URL=f"http://127.0.0.1:{self.port}", AWS_REGION="us-east-1", AWS_ACCESS_KEY_ID="cluster",
                          AWS_SECRET_ACCESS_KEY="of-the-test")
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen([os.environ["VERSITYGW"], "--port", f"127.0.0.1:{self.port}", "posix", self.folder],
                                        env={**os.environ, "ROOT_ACCESS_KEY": "cluster", "ROOT_SECRET_KEY": "of-the-test"},
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Cluster:
    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.runners = []
        self.broker = Broker(folder)
        self.broker.start()
        self.topic = f"kafka://{self.broker.address}/state"
        self.objects = Objects(folder) if os.environ.get("VERSITYGW") else None
        self.snapshots = "s3://snapshots/state" if self.objects else f"file:{folder}/snapshots"
        self.leader = Leader(folder / "leader")
        flatkv("init", self.leader.store)
        self.publisher = self.publish()
        self.followers = []
        wait_for("the publisher has made the topic", lambda: self.publisher.status().get("state") == "publishing")

    def run(self, name: str, *arguments) -> Runner:
        self.runners.append(Runner(self.folder, name, *arguments))
        return self.runners[-1]

    def publish(self, name: str = "publisher") -> Runner:
        return self.run(name, "publish", self.leader.store, "--to", self.topic, "--create-topic", "--follow",
                        "--snapshots", self.snapshots)

    def follow(self, name: str, *more, topic: str = "") -> Runner:
        follower = self.run(name, "follow", self.folder / name, "--from", topic or self.topic, *more)
        follower.store = self.folder / name
        self.followers.append(follower)
        return follower

    def roots(self, store: pathlib.Path) -> dict:
        done = subprocess.run([FLATKV, "root", store], capture_output=True, text=True)
        return json.loads(done.stdout) if done.returncode == DONE and done.stdout else {}

    def wait_until_equal(self, seconds: float = 180) -> None:
        want = self.roots(self.leader.store)
        check(want["version"] == self.leader.version, "the leader is where it should be")
        for follower in self.followers:
            def equal(one=follower):
                one.check_alive()
                return self.roots(one.store) == want
            wait_for(f"{follower.name} is at {want['version']}, but at {self.roots(follower.store)}", equal, seconds)

    def check_histories(self) -> None:
        for follower in self.followers:
            self.check_history(follower)

    def check_history(self, follower: Runner) -> None:
        """Every block is there, once, with the leader's roots line and as many bytes."""
        def history(store):
            kept = {}
            for text in flatkv("log", store).splitlines():
                line = json.loads(text)
                del line["read_us"]
                check(line["version"] not in kept, f"version {line['version']} is twice in {store}")
                kept[line["version"]] = line
            return kept
        want = history(self.leader.store)
        check(sorted(want) == list(range(1, self.leader.version + 1)), "the leader's log is whole")
        have = history(follower.store)
        check(have and sorted(have) == list(range(min(have), self.leader.version + 1)), f"{follower.name}: gaps")
        for version, line in have.items():
            check(line == want[version], f"{follower.name}, version {version}: {line}, want {want[version]}")

    def end(self) -> None:
        for runner in self.runners:
            if runner.alive():
                runner.kill()
        if self.broker.process.poll() is None:
            self.broker.kill()
        if self.objects:
            self.objects.kill()


def step(text: str, began=time.monotonic()) -> None:
    print(f"{time.monotonic() - began:6.1f} s  {text}", flush=True)


def topic_tool(cluster: Cluster, what: str, topic: str, *more) -> str:
    return subprocess.run([TOPIC_TOOL, what, cluster.broker.address, topic, *more], check=True, capture_output=True, text=True).stdout
