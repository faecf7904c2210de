#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run by scripts/bench-cluster: how fast a replica catches up from a topic, and several at once, and how far one is behind a leader that is
paced. Blocks of 1000 writes to a million slots."""

import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from broker import Broker

FLATKV = os.environ["FLATKV"]
TOPIC_TOOL = os.environ["TOPIC_TOOL"]
WRITES = 1000


def block(version: int, rng: random.Random) -> bytes:
    pairs = ",".join('{"key":"03%040x%064x","value":"%064x"}' % (rng.randrange(1, 1001), rng.randrange(1000), rng.getrandbits(200) | 1)
                     for _ in range(WRITES))
    return ('{"version":%d,"changesets":[{"name":"evm","pairs":[%s]}]}\n' % (version, pairs)).encode()


def processor_seconds(pid: int) -> float:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start(*arguments, before=()) -> subprocess.Popen:
    return subprocess.Popen([*before, FLATKV, *map(str, arguments), "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def on(core: int) -> tuple:
    return "taskset", "--cpu-list", str(core)


def pin(pid: int, core: int) -> None:
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(thread), {core})


def catch_up(folder: pathlib.Path, topic: str, count: int) -> None:
    for durability in ("group", "process", "group"):
        replica = folder / "replica"
        shutil.rmtree(replica, ignore_errors=True)
        began = time.monotonic()
        follower = start("follow", replica, "--from", topic, "--durability", durability)
        for line in follower.stdout:
            if json.loads(line)["blocks"] >= count:
                break
        seconds = time.monotonic() - began
        print(f"{durability}: {count} blocks followed {seconds:.1f} s after the start, to a second: {count * WRITES / seconds:,.0f} "
              f"writes/s; processor {processor_seconds(follower.pid):.1f} s", flush=True)
        follower.terminate()
        follower.wait()


def several(folder: pathlib.Path, broker: Broker, topic: str, count: int) -> None:
    """Replicas that catch up at once, in `group`."""
    for replicas in (1, 2, 3):
        before, began = processor_seconds(broker.process.pid), time.monotonic()
        followers = [start("follow", folder / f"replica-{i}", "--from", topic) for i in range(replicas)]
        ended = [0.0] * replicas

        def watch(i: int) -> None:
            for line in followers[i].stdout:
                if json.loads(line)["blocks"] >= count and not ended[i]:
                    ended[i] = time.monotonic() - began

        watchers = [threading.Thread(target=watch, args=(i,)) for i in range(replicas)]
        for watcher in watchers:
            watcher.start()
        while not all(ended):
            assert all(follower.poll() is None for follower in followers), "a follower ended"
            time.sleep(0.05)
        processor = [processor_seconds(follower.pid) for follower in followers]
        of_broker = processor_seconds(broker.process.pid) - before
        for follower in followers:
            follower.terminate()
            follower.wait()
        for watcher in watchers:
            watcher.join()
        for i in range(replicas):
            shutil.rmtree(folder / f"replica-{i}")
        print(f"{replicas} at once: each " + ", ".join(f"{count * WRITES / seconds:,.0f}" for seconds in ended) +
              f" writes/s, together {replicas * count * WRITES / max(ended):,.0f}; processor "
              + ", ".join(f"{seconds:.1f}" for seconds in processor) + f" s, the broker's {of_broker:.1f} s", flush=True)


def serve(broker: Broker, topic: str) -> None:
    """What the broker takes to hand the topic to several readers, which do nothing with it."""
    for count in (1, 4, 16):
        before, began = processor_seconds(broker.process.pid), time.monotonic()
        readers = [subprocess.Popen([TOPIC_TOOL, "read", broker.address, topic], stdout=subprocess.PIPE, text=True) for _ in range(count)]
        total = sum(int(reader.communicate()[0].split()[0]) for reader in readers)
        seconds, processor = time.monotonic() - began, processor_seconds(broker.process.pid) - before
        print(f"{count} readers: {total / 2**20:.0f} MiB at {total / seconds / 2**20:.0f} MiB/s; the broker took "
              f"{processor / total * 1e9:.2f} s of a processor for a GB", flush=True)


def pace(folder: pathlib.Path, broker: Broker, topic: str, blocks: list) -> None:
    """Leader and publisher on one core, broker and follower on another."""
    subprocess.run([FLATKV, "init", folder / "paced"], check=True, capture_output=True)
    pin(broker.process.pid, 1)
    leader = subprocess.Popen([*on(0), FLATKV, "apply", folder / "paced", "-", "--durability", "group"], stdin=subprocess.PIPE,
                              stdout=subprocess.DEVNULL)
    publisher = start("publish", folder / "paced", "--to", topic, "--create-topic", "--follow", before=on(0))
    assert json.loads(publisher.stdout.readline())
    time.sleep(3)
    follower = start("follow", folder / "behind", "--from", topic, before=on(1))
    seen = []
    threading.Thread(target=lambda: [seen.append((time.monotonic(), json.loads(line))) for line in follower.stdout], daemon=True).start()
    threading.Thread(target=lambda: publisher.stdout.read(), daemon=True).start()
    time.sleep(2)
    processes = {"leader": leader.pid, "broker": broker.process.pid, "publisher": publisher.pid, "follower": follower.pid}
    before = {name: processor_seconds(pid) for name, pid in processes.items()}
    began = time.monotonic()
    for number, line in enumerate(blocks):
        time.sleep(max(0.0, began + number * 0.01 - time.monotonic()))
        leader.stdin.write(line)
        leader.stdin.flush()
    seconds = time.monotonic() - began
    shares = {name: (processor_seconds(pid) - before[name]) / seconds for name, pid in processes.items()}
    behind = [at - began - (status["version"] - 1) * 0.01 for at, status in seen if began + 3 < at < began + seconds]
    print(f"pinned, paced at {len(blocks) * WRITES / seconds:,.0f} writes/s for {seconds:.0f} s: behind what the leader was given, median "
          f"{statistics.median(behind):.3f} s, at most {max(behind):.3f} s; of one core: "
          + ", ".join(f"{name} {share:.2f}" for name, share in shares.items()))
    leader.stdin.close()
    for process in (leader, publisher, follower):
        process.terminate()
        process.wait()


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1500
    parts = sys.argv[2:] or ["serve", "catch_up", "several", "pace"]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="flatkv-bench-"))
    broker = Broker(folder)
    try:
        broker.start()
        rng = random.Random(1)
        blocks = [block(version, rng) for version in range(1, count + 1)]
        (folder / "blocks.jsonl").write_bytes(b"".join(blocks))
        leader, topic = folder / "leader", f"kafka://{broker.address}/"
        subprocess.run([FLATKV, "apply", leader, folder / "blocks.jsonl", "--create", "--durability", "process"], check=True,
                       capture_output=True)
        began = time.monotonic()
        told = subprocess.run([FLATKV, "publish", leader, "--to", topic + "state", "--create-topic", "--json"], check=True,
                              capture_output=True).stdout
        status = json.loads(told.splitlines()[-1])
        print(f"published in {time.monotonic() - began:.1f} s: {status['bytes'] / status['blocks']:.0f} bytes a block", flush=True)
        run = {"serve": lambda: serve(broker, "state"),
               "catch_up": lambda: catch_up(folder, topic + "state", count),
               "several": lambda: several(folder, broker, topic + "state", count),
               "pace": lambda: pace(folder, broker, topic + "paced", blocks)}
        for part in parts:
            run[part]()
    finally:
        broker.kill()
        shutil.rmtree(folder, ignore_errors=True)


main()
