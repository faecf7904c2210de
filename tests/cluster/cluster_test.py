#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run by scripts/cluster-test: leader, publisher and followers around a broker, through kills, undos and lies."""

import argparse
import collections
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
import tempfile
import threading
import time
import urllib.parse
import urllib.request

from broker import free_ports
from cluster import FLATKV, REFUSED, TESTS, Cluster, Leader, check, flatkv, line, step, topic_tool, wait_for
from fault_counts import count_fault
from prometheus import tool

LIBRARY_TEST = os.environ["LIBRARY_TEST"]
MEMORY_TEST = os.environ["MEMORY_TEST"]
RULES = TESTS.parent / "contrib/prometheus/flatkv.rules.yml"


def refusals(cluster: Cluster) -> None:
    """What no publisher or follower may accept."""
    servers = cluster.broker.address
    topic_tool(cluster, "create", "compacted", "cleanup.policy=compact")
    for verb, option in (("publish", "--to"), ("follow", "--from")):
        wait_for(f"{verb} refuses a compacted topic, once the broker knows it", lambda: "cleanup.policy=compact" in
                 flatkv(verb, cluster.folder / "leader", option, f"kafka://{servers}/compacted", code=REFUSED))
        said = flatkv(verb, cluster.folder / "leader", option, f"kafka://{servers}/none", code=REFUSED)
        check("not_found" in said, said)
        count_fault("T10", "X", 2)


def library(cluster: Cluster) -> None:
    """Publisher and Follower inside of a program."""
    run_test(cluster, LIBRARY_TEST)


def memory(cluster: Cluster) -> None:
    """Where single allocations fail."""
    run_test(cluster, MEMORY_TEST)


def run_test(cluster: Cluster, program: str) -> None:
    """The faults that the program counts become some of this script's."""
    environment = {**os.environ, "FLATKV_TEST_BROKER": cluster.broker.address}
    environment.pop("FLATKV_FAULT_COUNTS", None)  # which is this script's file
    done = subprocess.run([program], env=environment, capture_output=True, text=True)
    check(done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:])
    counted = re.findall(r"^FAULT (\S+) ([RXDF]) (\d+)$", done.stdout, re.MULTILINE)
    check(counted, f"{program} counted no fault")
    for row, came, times in counted:
        count_fault(row, came, int(times))


def kills(cluster: Cluster) -> None:
    first, second, _ = cluster.followers
    feeding = threading.Thread(target=cluster.leader.commit, args=(300, 30))
    feeding.start()
    time.sleep(3)
    step("kill -9 of the leader")
    cluster.leader.kill()
    time.sleep(3)
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
    count_fault("T8", "R", 5)


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


LIES = {"damage": ("corruption", "T1"), "double": ("version_mismatch", "T3"), "foreign": ("not a message of FlatKV's", "T4")}


def refused_by_all(cluster: Cluster, what: str) -> None:
    """A message that another program puts into the topic is refused and named; what comes then counts."""
    name, row = LIES[what]
    before = [(follower.status()["refused"], len(follower.errors())) for follower in cluster.followers]
    topic_tool(cluster, what, "state")
    for follower, (count, said) in zip(cluster.followers, before):
        wait_for(f"{follower.name} refuses a {what}",
                 lambda one=follower, old=count: one.status().get("refused", 0) > old)
        check(name in follower.errors()[said:], follower.errors())
    cluster.leader.commit(10)
    cluster.wait_until_equal()
    count_fault(row, "R", len(cluster.followers))


def lies(cluster: Cluster) -> None:
    for what in LIES:
        refused_by_all(cluster, what)


def remade(cluster: Cluster) -> None:
    """A topic is deleted and made anew while its follower is not looking. What it gets from then on is another topic's:
    it must not skip that for ever and call itself up to date."""
    topic = f"kafka://{cluster.broker.address}/remade"
    stores = [Leader(cluster.folder / name) for name in ("remade-first", "remade-second")]
    for salt, store in enumerate(stores):
        flatkv("init", store.store)
        store.salt = salt
    stores[0].commit(5)
    flatkv("publish", stores[0].store, "--to", topic, "--create-topic")
    follower = cluster.run("of-the-first", "follow", cluster.folder / "of-the-first", "--from", topic)
    wait_for("it has the first topic", lambda: follower.status().get("caught_up"))
    follower.process.send_signal(signal.SIGSTOP)
    topic_tool(cluster, "remove", "remade")
    stores[1].commit(50)
    wait_for("the topic is gone", lambda: "not_found" in subprocess.run(
        [FLATKV, "publish", stores[1].store, "--to", topic], capture_output=True, text=True).stderr)
    flatkv("publish", stores[1].store, "--to", topic, "--create-topic")
    follower.process.send_signal(signal.SIGCONT)
    code = follower.process.wait(120)
    said = follower.errors()
    check(code == REFUSED and ("version_mismatch" in said or "log_gap" in said), f"exit {code}\n{said}")


def late_beginning(cluster: Cluster) -> None:
    """Publishers that died in their first transaction leave messages that nobody may read before the topic's beginning."""
    topic = f"kafka://{cluster.broker.address}/late"
    topic_tool(cluster, "create", "late")
    topic_tool(cluster, "aborted", "late", "30")
    low, end = map(int, topic_tool(cluster, "bounds", "late").split())
    check(low == 0 and end >= 60, f"messages of 30 transactions and their ends lie in [{low}, {end})")
    store = Leader(cluster.folder / "late-leader")
    flatkv("init", store.store)
    store.commit(5)
    flatkv("publish", store.store, "--to", topic)
    follower = cluster.run("late", "follow", cluster.folder / "late", "--from", topic)
    wait_for("a new follower finds the beginning", lambda: follower.status().get("caught_up"))
    follower.stop()
    check(flatkv("root", cluster.folder / "late") == flatkv("root", store.store), "other roots")


def takeover(cluster: Cluster) -> None:
    first = cluster.publisher
    cluster.publisher = cluster.publish("second-publisher")
    wait_for("the second publisher works", lambda: cluster.publisher.status().get("state") == "publishing")
    cluster.leader.commit(10)
    code = first.process.wait(120)
    check(code == REFUSED and "locked" in first.errors(), f"the first: exit {code}\n{first.errors()}")
    step("three publishers at once")
    rivals(cluster, ("third-publisher", "fourth-publisher"))
    cluster.wait_until_equal()
    cluster.publisher.check_alive()
    count_fault("T7", "X", 3)


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


def readers(cluster: Cluster) -> None:
    """What a replica and a publisher answer over HTTP."""
    reader = cluster.follow("read")
    cluster.wait_until_equal()
    check(reader.answer("/healthz") == (200, "ok\n"), "it answers")
    wait_for("the replica is ready", lambda: reader.answer("/readyz")[0] == 200)
    said = json.loads(reader.answer("/", {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []})[1])
    check(int(said["result"], 16) == cluster.leader.version, f"{said}")
    wait_for("it has caught up", lambda: "flatkv_follower_caught_up 1\n" in reader.answer("/metrics")[1])
    metrics = reader.answer("/metrics")[1]
    check(f"flatkv_version {cluster.leader.version}\n" in metrics, metrics)
    wait_for("nothing is left to send", lambda: "flatkv_publisher_lag_versions 0\n" in cluster.publisher.answer("/metrics")[1])
    if promtool := tool("promtool"):
        subprocess.run([promtool, "check", "metrics"], input=metrics, text=True, check=True)


def slow_readers(cluster: Cluster) -> None:
    """A replica's memory, while readers ask for much and take nothing of it. The block with it goes through the topic in parts, which
    are larger than the segments of `retention`: it comes later."""
    follower = cluster.followers[-1]
    size, allowed, mib = 7 << 20, 64 << 20, 1 << 20
    account = "11" * 20
    cluster.leader.version += 1
    flatkv("apply", cluster.leader.store, "-", stdin=line(cluster.leader.version, ("07" + account, random.Random(1).randbytes(size).hex())))
    cluster.wait_until_equal()
    call = {"jsonrpc": "2.0", "id": 1, "method": "eth_getCode", "params": ["0x" + account]}
    check(len(json.loads(follower.answer("/", call)[1])["result"]) == 2 + 2 * size, "the code")
    process = pathlib.Path(f"/proc/{follower.process.pid}")
    (process / "clear_refs").write_text("5")  # the most is what it has now

    def most_memory() -> int:
        return 1024 * int(re.search(r"VmHWM:\s+(\d+)", (process / "status").read_text())[1])

    before, body, held, connections = most_memory(), json.dumps(call).encode(), [], []
    for _ in range(30):
        connection = socket.socket()
        connections.append(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(30)
        connection.connect(("127.0.0.1", follower.port))
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    for connection in connections:
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(1)
        held.append(int(re.search(rb"Content-Length: (\d+)", head)[1]))
    grown = most_memory() - before
    for connection in connections:
        connection.close()
    step(f"of {len(held)} slow readers {sum(length > size for length in held)} were given {max(held) / mib:.0f} MiB; {grown / mib:.0f} MiB in all")
    check(max(held) > size and sum(length for length in held if length > size) <= allowed, f"{held}")
    check(grown < allowed + 4 * 2 * size + 64 * mib, f"{grown / mib:.0f} MiB")


def opening(cluster: Cluster) -> None:
    """A follower that replays its log answers those who watch it, and sends readers elsewhere."""
    follower = cluster.followers[-1]
    cluster.leader.commit(40)
    cluster.wait_until_equal()
    follower.kill()
    follower.start(FLATKV_FAILPOINT="open.block_replayed=sleep:600000")  # as long as it takes to look
    def says(path: str):
        try:
            return follower.answer(path)
        except OSError:  # it does not listen yet
            return 0, ""
    wait_for("it replays", lambda: re.search(r" of [1-9]\d* blocks replayed", says("/readyz")[1]))
    check(follower.answer("/healthz")[0] == 200, "it is alive")
    code, why = follower.answer("/readyz")
    count = re.fullmatch(r"opening: 0 of (\d+) blocks replayed\n", why)
    check(code == 503 and count and int(count[1]) >= 40, f"/readyz: {code} {why}")
    check(f"flatkv_follower_replay_blocks {count[1]}\n" in follower.answer("/metrics")[1], "it tells how much it replays")
    follower.restart()
    wait_for("it is ready again", lambda: says("/readyz")[0] == 200)
    check(f"flatkv_follower_replayed_blocks {count[1]}\n" in follower.answer("/metrics")[1], "it told how much it replayed")


def retention(cluster: Cluster) -> None:
    """The broker drops the oldest segments: who needs them says so, or begins with a snapshot."""
    topic, place = f"kafka://{cluster.broker.address}/forgets", f"{cluster.snapshots}-forgets"
    topic_tool(cluster, "create", "forgets", "segment.bytes=16384", "retention.bytes=16384")
    client = cluster.folder / "small-batches"
    client.write_text("batch.size=8192\n")  # a batch is in one segment
    publisher = cluster.run("forgets-publisher", "publish", cluster.leader.store, "--to", topic, "--follow", "--depth", 4,
                            "--snapshots", place, "--client", client)

    def announce() -> None:
        before = publisher.status().get("markers", 0)
        flatkv("export", cluster.leader.store, "--to", place)
        cluster.leader.commit(5)  # deeper than an undo goes
        wait_for("the snapshot is announced", lambda: publisher.status().get("markers", 0) > before)

    wait_for("all is sent", lambda: publisher.status().get("version") == cluster.leader.version)
    announce()
    names = ("stays-behind", "is-stopped")
    paused, stopped = (cluster.follow(name, "--bootstrap", place, topic=topic) for name in names)
    cluster.wait_until_equal()
    cluster.followers.remove(stopped)
    stopped.stop()
    paused.process.send_signal(signal.SIGSTOP)
    end = int(topic_tool(cluster, "bounds", "forgets").split()[1])
    cluster.leader.commit(200, 4)
    wait_for("their place in the topic is gone", lambda: int(topic_tool(cluster, "bounds", "forgets").split()[0]) > end)
    announce()
    said = flatkv("follow", stopped.store, "--from", topic, code=REFUSED)
    check("log_gap" in said and "only goes back to" in said and "--bootstrap" in said, said)
    count_fault("T5", "X")
    paused.process.send_signal(signal.SIGCONT)
    cluster.wait_until_equal()
    wait_for("it began with the second snapshot", lambda: paused.status().get("bootstraps") == 2)
    check("the topic cannot be followed from here" in paused.errors(), paused.errors())
    stopped.start()
    cluster.followers.append(stopped)
    cluster.wait_until_equal()
    count_fault("T5", "R", 2)
    for runner in (publisher, paused, stopped):
        runner.stop()
    cluster.followers = [follower for follower in cluster.followers if follower not in (paused, stopped)]


def watched(cluster: Cluster) -> None:
    """A Prometheus scrapes publisher and followers, and its alert fires for one that is gone. Takes minutes."""
    program = tool("prometheus")
    if program is None:
        step("skipped: no prometheus; scripts/bootstrap test unpacks it")
        return
    folder, port = cluster.folder / "prometheus", free_ports(1)[0]
    folder.mkdir()
    runners = [cluster.publisher, *cluster.followers]
    where = {runner.name: f"127.0.0.1:{runner.port}" for runner in runners}
    (folder / "prometheus.yml").write_text(json.dumps({  # JSON is YAML
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [{"job_name": "flatkv", "static_configs": [{"targets": list(where.values())}]}]}))

    def ask(path: str, **query):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=30) as response:
            return json.load(response)["data"]

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def values(metric: str) -> dict:
        return {one["metric"]["instance"]: float(one["value"][1]) for one in ask("query", query=metric)["result"]}

    def firing() -> set:
        return {(one["labels"]["alertname"], one["labels"]["instance"]) for one in ask("alerts")["alerts"] if one["state"] == "firing"}

    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                                    f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        wait_for("Prometheus answers", listens)
        wait_for("all targets are up", lambda: values("up") == dict.fromkeys(where.values(), 1.0))
        cluster.leader.commit(5)
        cluster.wait_until_equal()
        version = float(cluster.leader.version)
        followers = [where[follower.name] for follower in cluster.followers]
        for metric, want in (("flatkv_version", dict.fromkeys(followers, version)),
                             ("flatkv_follower_caught_up", dict.fromkeys(followers, 1.0)),
                             ("flatkv_publisher_version", {where[cluster.publisher.name]: version})):
            wait_for(f"{metric} is {want}", lambda: values(metric) == want)
        rules = [rule for group in ask("rules")["groups"] for rule in group["rules"]]
        check([rule["name"] for rule in rules] == re.findall(r"alert: (\w+)", RULES.read_text()), f"the rules: {rules}")
        check(all(rule["health"] == "ok" for rule in rules), f"the rules: {rules}")
        check(firing() == set(), f"all is well, but {firing()}")
        gone = cluster.followers[-1]
        gone.stop()
        wait_for("the alert fires", lambda: firing() == {("FlatkvDown", where[gone.name])}, 240)
        step("Prometheus says that a follower is gone")
        gone.start()
        wait_for("the alert is over", lambda: firing() == set())
    except BaseException:
        print((folder / "log").read_text()[-3000:], file=sys.stderr)
        raise
    finally:
        process.kill()
        process.wait()


def workloads(cluster: Cluster) -> None:
    """Thousands of blocks of erc20 and of the mainnet, in topics of their own."""
    blocks = TESTS.parent / "examples/mainnet-15000001-30.jsonl.zst"
    for name, sizes in (("erc20", ("--rows", 5000, "--writes", 20)), ("mainnet", ("--file", blocks))):
        topic, replica = f"kafka://{cluster.broker.address}/{name}", cluster.folder / f"{name}-replica"
        flatkv("bench", name, *sizes, "--blocks", 1500, "--dir", cluster.folder / name, "--keep", "--no-floors")
        store = cluster.folder / name / "store"
        flatkv("publish", store, "--to", topic, "--create-topic")
        want = cluster.roots(store)
        check(want["version"] >= 1500, f"{want}")
        follower = cluster.run(f"{name}-follower", "follow", replica, "--from", topic)
        wait_for(f"the replica is at {want}", lambda: cluster.roots(replica) == want)
        follower.stop()
        check(follower.status()["blocks"] >= 1500, f"{follower.status()}")
        for folder in (cluster.folder / name, replica):
            shutil.rmtree(folder)


def composed(cluster: Cluster) -> None:
    """The services of contrib/compose, without containers: each with the very command and environment of the file."""
    if not (reader := os.environ.get("COMPOSE_SPEC")) or not (gateway := os.environ.get("VERSITYGW")):
        step("skipped: no compose-spec or no versitygw")
        return
    file = TESTS.parent / "contrib/compose/compose.yaml"
    model = json.loads(subprocess.run([reader, "-format", "json", file], check=True, capture_output=True, text=True).stdout)
    services = model["services"]
    check(sorted(services) == ["broker", "follower-1", "follower-2", "leader", "objects", "prometheus"], f"{sorted(services)}")
    folder = cluster.folder / "composed"
    objects, *ports = free_ports(4)
    listens = dict(zip(("leader", "follower-1", "follower-2"), ports))
    (folder / "data/snapshots").mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin/versitygw").symlink_to(gateway)
    (folder / "bin/flatkv").symlink_to(FLATKV)
    processes = {}

    def here(name: str, text: str) -> str:
        for there, local in (("kafka://broker:9092/", f"kafka://{cluster.broker.address}/composed-"), ("objects:7070", f"127.0.0.1:{objects}"),
                             (":7070", f"127.0.0.1:{objects}"), ("/data", f"{folder}/data"), ("/flatkv/examples", f"{TESTS.parent}/examples"),
                             ("/state/", f"{folder}/{name}-"), ("8545", str(listens.get(name)))):
            text = text.replace(there, local)
        return text

    def environment(name: str) -> dict:
        own = {key: here(name, value) for key, value in services[name].get("environment", {}).items()}
        return {"PATH": f"{folder}/bin:{os.environ['PATH']}", "HOME": str(folder), **own}

    def run(name: str, *before) -> None:
        with (folder / f"{name}.log").open("wb") as log:
            processes[name] = subprocess.Popen([*before, *(here(name, word) for word in services[name]["command"])],
                                               env=environment(name), stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def healthy(name: str) -> bool:
        check(processes[name].poll() is None, f"{name} ended")
        kind, *command = services[name]["healthcheck"]["test"]
        check(kind == "CMD", kind)
        return subprocess.run([here(name, word) for word in command], env=environment(name), capture_output=True).returncode == 0

    try:
        run("objects", "versitygw")
        run("leader")
        wait_for("the leader is healthy", lambda: healthy("leader"))
        for name in ("follower-1", "follower-2"):
            run(name)
            wait_for(f"{name} is healthy", lambda one=name: healthy(one))
        want = cluster.roots(folder / "leader-leader")
        check(want.get("version") == 31, f"the leader: {want}")  # the state before them is version 1
        for name in ("follower-1", "follower-2"):
            wait_for(f"{name} has the thirty blocks", lambda one=name: cluster.roots(folder / f"{one}-replica") == want)
        targets = re.findall(r"[\w-]+:8545", (RULES.parent / "prometheus.yml").read_text())
        check(targets == [f"{name}:8545" for name in listens], f"Prometheus scrapes them: {targets}")
    except BaseException:
        for log in sorted(folder.glob("*.log")):
            print(f"-- {log.name}\n{log.read_text()[-2000:]}", file=sys.stderr)
        raise
    finally:
        for process in processes.values():
            process.terminate()
            process.wait()


PARTS = (kills, branches, lies, remade, late_beginning, takeover, newcomers, readers, opening, retention, workloads, composed,
         standby, slow_readers, library, memory)


def run_parts(cluster: Cluster, parts) -> None:
    for part in parts:
        part(cluster)
        step(f"{part.__name__}: all roots equal at version {cluster.leader.version}")


def begin(cluster: Cluster) -> None:
    for name in ("first", "second", "third"):
        cluster.follow(name)
    refusals(cluster)
    cluster.leader.commit(100)
    cluster.wait_until_equal()
    step("three followers have the first 100 blocks")


def rivals(cluster: Cluster, names) -> None:
    """More publishers at once: each but one ends, and says why."""
    all = [cluster.publisher, *map(cluster.publish, names)]

    def one_is_left() -> bool:
        cluster.leader.commit(5, 0.5)  # who is fenced finds it out when it sends
        return sum(one.alive() for one in all) <= 1

    wait_for("one publisher is left", one_is_left)
    left = [one for one in all if one.alive()]
    check(len(left) == 1, "no publisher is left")
    for one in all:
        check(one in left or (one.process.returncode == REFUSED and "locked" in one.errors()),
              f"{one.name}: exit {one.process.returncode}\n{one.errors()}")
    cluster.publisher = left[0]


def long(cluster: Cluster, minutes: float) -> None:
    """Anything, in any order."""
    seed = int(os.environ.get("FLATKV_CLUSTER_SEED", time.time()))
    chance = random.Random(seed)
    step(f"seed {seed}")
    done = collections.Counter()

    def kill_leader():
        cluster.leader.kill()

    def kill_publisher():
        cluster.publisher.restart()

    def kill_follower():
        chance.choice(cluster.followers).restart()

    def kill_broker():
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

    def lie():
        what = chance.choice(("damage", "double", "foreign"))
        refused_by_all(cluster, what)
        done["messages refused"] += len(cluster.followers)

    def two_rivals():
        rivals(cluster, [f"rival-{done['two_rivals']}-{i}" for i in (1, 2)])
        done["publishers refused"] += 2

    def newcomer():
        more = chance.choice(((), ("--bootstrap", cluster.snapshots)))
        fresh = cluster.follow(f"newcomer-{done['newcomer']}", *more)
        cluster.wait_until_equal(300)
        cluster.check_history(fresh)
        cluster.followers.remove(fresh)
        fresh.stop()
        shutil.rmtree(fresh.store)

    def snapshot():
        flatkv("export", cluster.leader.store, "--to", cluster.snapshots, "--keep", 2)

    def kill_objects():
        exporting = threading.Thread(target=snapshot)
        exporting.start()
        time.sleep(chance.uniform(0, 0.3))
        cluster.objects.kill()
        time.sleep(chance.uniform(0, 3))
        cluster.objects.start()
        exporting.join()
        flatkv("check", "--from", cluster.snapshots)

    end = time.monotonic() + minutes * 60
    kills = [kill_leader, kill_publisher, kill_follower, kill_broker]
    alone = [undo, lie, two_rivals, newcomer]  # the others while blocks are committed
    actions = kills + alone + [kill_follower, pause_broker, pause_follower, kill_objects if cluster.objects else snapshot]
    while time.monotonic() < end:
        action = chance.choice(actions)
        if action in alone:
            action()
        else:
            feeding = threading.Thread(target=cluster.leader.commit, args=(chance.randint(50, 400), 20))
            feeding.start()
            time.sleep(chance.uniform(1, 5))
            action()
            feeding.join()
        cluster.wait_until_equal(300)
        cluster.publisher.check_alive()
        done[action.__name__] += 1
        done["roots lines equal"] += len(cluster.followers)
        step(f"{action.__name__}: all roots equal at version {cluster.leader.version}")
        if action in kills:
            count_fault("T8", "R")
    cluster.follow("from-the-start-of-all")
    cluster.wait_until_equal(600)
    step(", ".join(f"{name.replace('_', ' ')} {count}" for name, count in sorted(done.items())))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--long", action="store_true",
                         help="an alert of a real Prometheus, and random kills for FLATKV_CLUSTER_MINUTES (60)")
    options.add_argument("parts", nargs="*", metavar="PART", help="only these, for whoever works on them")
    options.add_argument("--keep", action="store_true", help="leave the folder with stores and logs")
    arguments = options.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="flatkv-cluster-"))
    cluster = None
    try:
        cluster = Cluster(folder)
        step("the broker is up")
        begin(cluster)
        run_parts(cluster, [globals()[name] for name in arguments.parts] or PARTS)
        if arguments.long:
            run_parts(cluster, [watched])
            long(cluster, float(os.environ.get("FLATKV_CLUSTER_MINUTES", 60)))
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
