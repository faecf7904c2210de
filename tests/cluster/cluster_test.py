#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run by scripts/cluster-test: leader, publisher and followers around a broker, through kills, undos and lies."""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

from broker import Broker, free_ports

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
from support import DONE, REFUSED, blocks  # noqa: E402

FLATKV = os.environ["FLATKV"]
TOPIC_TOOL = os.environ["TOPIC_TOOL"]
LIBRARY_TEST = os.environ["LIBRARY_TEST"]
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
        self.arguments = [FLATKV, *map(str, arguments), "--json"]
        self.out, self.err = folder / f"{name}.out", folder / f"{name}.err"
        self.start()

    def start(self) -> None:
        with self.out.open("ab") as out, self.err.open("ab") as err:
            self.process = subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=err)

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
        """That many blocks, spread over so many seconds."""
        process = subprocess.Popen([FLATKV, "apply", self.store, "-", "--durability", "process"],
                                   stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for version in range(self.version + 1, self.version + count + 1):
            process.stdin.write(blocks(version, version, rows=20, salt=self.salt))
            process.stdin.flush()
            time.sleep(seconds / count)
        _, errors = process.communicate(timeout=300)
        check(process.returncode == DONE, errors)
        self.version += count

    def undo(self, count: int) -> None:
        """What comes next is another branch."""
        self.version -= count
        flatkv("rollback", self.store, self.version)
        self.salt += 1_000_000


class Cluster:
    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.runners = []
        self.broker = Broker(folder)
        self.broker.start()
        self.topic = f"kafka://{self.broker.address}/state"
        self.snapshots = f"file:{folder}/snapshots"
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
                        "--snapshots", self.snapshots, "--listen", free_ports(1)[0])

    def follow(self, name: str, *more) -> Runner:
        follower = self.run(name, "follow", self.folder / name, "--from", self.topic, *more)
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
        for follower in self.followers:
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


def step(text: str, began=time.monotonic()) -> None:
    print(f"{time.monotonic() - began:6.1f} s  {text}", flush=True)


def refusals(cluster: Cluster) -> None:
    """What no publisher or follower may accept."""
    servers = cluster.broker.address
    subprocess.run([TOPIC_TOOL, "create", servers, "compacted", "cleanup.policy=compact"], check=True)
    for verb, option in (("publish", "--to"), ("follow", "--from")):
        wait_for(f"{verb} refuses a compacted topic, once the broker knows it", lambda: "cleanup.policy=compact" in
                 flatkv(verb, cluster.folder / "leader", option, f"kafka://{servers}/compacted", code=REFUSED))
        said = flatkv(verb, cluster.folder / "leader", option, f"kafka://{servers}/none", code=REFUSED)
        check("not_found" in said, said)


def library(cluster: Cluster) -> None:
    """Publisher and Follower inside of a program."""
    done = subprocess.run([LIBRARY_TEST], env={**os.environ, "FLATKV_TEST_BROKER": cluster.broker.address},
                          capture_output=True, text=True)
    check(done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:])


def kills(cluster: Cluster) -> None:
    first, second = cluster.followers
    feeding = threading.Thread(target=cluster.leader.commit, args=(300, 30))
    feeding.start()
    time.sleep(6)
    step("kill -9 of the publisher")
    cluster.publisher.restart()
    time.sleep(4)
    step("kill -9 of a follower")
    first.restart()
    time.sleep(4)
    step("kill -9 of the broker")
    cluster.broker.kill()
    time.sleep(3)
    cluster.broker.start()
    second.restart()
    feeding.join()
    cluster.wait_until_equal()
    cluster.publisher.check_alive()


def branches(cluster: Cluster) -> None:
    """The leader goes back and commits another branch, beside the publisher and behind its back."""
    stale = cluster.folder / "stale.flatkv.zst"
    flatkv("export", cluster.leader.store, stale)  # of a state that is taken back
    cluster.leader.undo(20)
    cluster.leader.commit(40)
    cluster.wait_until_equal()
    step("the publisher is away while the leader goes back")
    cluster.publisher.kill()
    cluster.leader.undo(30)
    cluster.leader.commit(10)
    cluster.publisher.start()
    cluster.wait_until_equal()
    for follower in cluster.followers:
        wait_for(f"{follower.name} saw an undo", lambda one=follower: one.status().get("undos", 0) >= 1)
    said = flatkv("follow", cluster.folder / "stale", "--from", cluster.topic, "--bootstrap", stale, code=REFUSED)
    check("does not confirm" in said, said)


def lies(cluster: Cluster) -> None:
    """Messages that another program puts into the topic are refused and named; what comes then counts."""
    for what, name in (("damage", "corruption"), ("double", "version_mismatch")):
        before = [follower.status()["refused"] for follower in cluster.followers]
        subprocess.run([TOPIC_TOOL, what, cluster.broker.address, "state"], check=True)
        for follower, count in zip(cluster.followers, before):
            wait_for(f"{follower.name} refuses a {what}",
                     lambda one=follower, old=count: one.status().get("refused", 0) > old)
            check(name in follower.errors(), follower.errors())
        cluster.leader.commit(10)
        cluster.wait_until_equal()


def takeover(cluster: Cluster) -> None:
    first = cluster.publisher
    cluster.publisher = cluster.publish("second-publisher")
    wait_for("the second publisher works", lambda: cluster.publisher.status().get("state") == "publishing")
    cluster.leader.commit(10)
    code = first.process.wait(120)
    check(code == REFUSED and "locked" in first.errors(), f"the first: exit {code}\n{first.errors()}")
    cluster.wait_until_equal()
    cluster.publisher.check_alive()


def standby(cluster: Cluster) -> None:
    """A replica becomes the leader: its publisher goes on with the topic."""
    cluster.publisher.stop()
    heir = cluster.followers.pop(0)
    heir.stop()
    cluster.leader.store = heir.store
    cluster.publisher = cluster.publish("standby-publisher")
    cluster.leader.commit(10)
    cluster.wait_until_equal()


def newcomers(cluster: Cluster) -> None:
    cluster.follow("from-the-start")
    image = cluster.folder / "image.flatkv.zst"
    flatkv("export", cluster.leader.store, image)
    cluster.leader.commit(10)
    cluster.follow("from-an-image", "--bootstrap", image)
    cluster.wait_until_equal()
    wait_for("the image was used", lambda: cluster.followers[-1].status().get("bootstraps") == 1)

    before = cluster.publisher.status().get("markers", 0)
    flatkv("export", cluster.leader.store, "--to", cluster.snapshots)
    at = cluster.leader.version
    cluster.leader.commit(140)  # deeper than an undo goes
    wait_for("the snapshot is announced", lambda: cluster.publisher.status().get("markers", 0) > before)
    elsewhere = flatkv("follow", cluster.folder / "wary", "--from", cluster.topic, "--bootstrap", "file:/nowhere",
                       code=REFUSED)
    check("does not lie below" in elsewhere, elsewhere)
    fresh = cluster.follow("from-a-snapshot", "--bootstrap", cluster.snapshots)
    cluster.wait_until_equal()
    wait_for("the snapshot was used", lambda: fresh.status().get("bootstraps") == 1)
    check(fresh.status()["blocks"] <= cluster.leader.version - at, "blocks below the snapshot were not followed")


def answer(port: int, path: str, body: dict | None = None) -> str:
    data = json.dumps(body).encode() if body else None
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", data, timeout=30) as response:
        return response.read().decode()


def ready(port: int) -> bool:
    try:
        return bool(answer(port, "/readyz"))
    except urllib.error.HTTPError as no:
        check(no.code == 503, f"/readyz: {no.code}")
        return False


def readers(cluster: Cluster) -> None:
    """What a replica and a publisher answer over HTTP."""
    port = free_ports(1)[0]
    cluster.follow("read", "--listen", port)
    cluster.wait_until_equal()
    check(answer(port, "/healthz") == "ok\n", "it answers")
    wait_for("the replica is ready", lambda: ready(port))
    said = json.loads(answer(port, "/", {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []}))
    check(int(said["result"], 16) == cluster.leader.version, f"{said}")
    wait_for("it has caught up", lambda: "flatkv_follower_caught_up 1\n" in answer(port, "/metrics"))
    metrics = answer(port, "/metrics")
    check(f"flatkv_version {cluster.leader.version}\n" in metrics, metrics)
    publisher = int(cluster.publisher.arguments[cluster.publisher.arguments.index("--listen") + 1])
    wait_for("nothing is left to send", lambda: "flatkv_publisher_lag_versions 0\n" in answer(publisher, "/metrics"))
    if promtool := shutil.which("promtool"):
        subprocess.run([promtool, "check", "metrics"], input=metrics, text=True, check=True)


def short(cluster: Cluster) -> None:
    cluster.follow("first")
    cluster.follow("second")
    refusals(cluster)
    cluster.leader.commit(100)
    cluster.wait_until_equal()
    step("two followers have the first 100 blocks")
    for part in (kills, branches, lies, takeover, newcomers, readers, standby, library):
        part(cluster)
        step(f"{part.__name__}: all roots equal at version {cluster.leader.version}")


def long(cluster: Cluster, minutes: float) -> None:
    """Anything, in any order."""
    seed = int(os.environ.get("FLATKV_CLUSTER_SEED", time.time()))
    chance = random.Random(seed)
    step(f"seed {seed}")
    for name in ("first", "second", "third"):
        cluster.follow(name)
    cluster.leader.commit(200)

    def restart_broker():
        cluster.broker.kill()
        time.sleep(chance.uniform(0, 20))
        cluster.broker.start()

    def pause_broker():
        cluster.broker.pause()
        time.sleep(chance.uniform(5, 90))
        cluster.broker.resume()

    def pause_follower():
        process = chance.choice(cluster.followers).process
        process.send_signal(signal.SIGSTOP)
        time.sleep(chance.uniform(10, 120))
        process.send_signal(signal.SIGCONT)

    def undo():
        cluster.leader.undo(chance.randint(1, 60))
        cluster.leader.commit(chance.randint(1, 100))

    end = time.monotonic() + minutes * 60
    actions = [restart_broker, pause_broker, pause_follower, undo, cluster.publisher.restart] + [
        follower.restart for follower in cluster.followers]
    while time.monotonic() < end:
        action = chance.choice(actions)
        if action is undo:
            undo()
        else:
            feeding = threading.Thread(target=cluster.leader.commit, args=(chance.randint(50, 400), 20))
            feeding.start()
            time.sleep(chance.uniform(0, 5))
            action()
            feeding.join()
        cluster.wait_until_equal(300)
        cluster.publisher.check_alive()
        step(f"{action.__name__}: all roots equal at version {cluster.leader.version}")
    cluster.follow("from-the-start")
    cluster.wait_until_equal(600)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--long", action="store_true", help="random kills for FLATKV_CLUSTER_MINUTES (60)")
    options.add_argument("--keep", action="store_true", help="leave the folder with stores and logs")
    arguments = options.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="flatkv-cluster-"))
    cluster = None
    try:
        cluster = Cluster(folder)
        step("the broker is up")
        if arguments.long:
            long(cluster, float(os.environ.get("FLATKV_CLUSTER_MINUTES", 60)))
        else:
            short(cluster)
        cluster.check_histories()
        for runner in [cluster.publisher, *cluster.followers]:
            runner.stop()
        step(f"{cluster.leader.version} blocks, {len(cluster.followers)} followers: none lost, none doubled")
    except BaseException:
        for error in sorted(folder.glob("*.err")):
            print(f"-- {error.name}\n{error.read_text()[-2000:]}", file=sys.stderr)
        raise
    finally:
        if cluster is not None:
            cluster.end()
        if arguments.keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
