# SPDX-License-Identifier: Apache-2.0
"""A Kafka broker of one's own, on free ports."""

import os
import pathlib
import signal
import socket
import subprocess
import time


def free_ports(count: int) -> list:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Broker:
    """KRaft: broker and controller in one process. `kill` and `start` keep ports and data."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.port, self.controller = free_ports(2)
        self.process = None
        self.log = (folder / "broker.log").open("ab")
        (folder / "server.properties").write_text(f"""
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{self.controller}
listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{self.port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={folder / 'data'}
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.retention.check.interval.ms=1000
log.initial.task.delay.ms=1000
""")
        identity = self.java("kafka.tools.StorageTool", "random-uuid").strip().splitlines()[-1]
        self.java("kafka.tools.StorageTool", "format", "-t", identity, "-c", folder / "server.properties")

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def command(self, *arguments) -> list:
        return ["java", "-cp", os.environ["KAFKA_LIBS"] + "/*", "-Xms128m", "-Xmx512m", *map(str, arguments)]

    def java(self, *arguments) -> str:
        return subprocess.run(self.command(*arguments), check=True, capture_output=True, text=True).stdout

    def start(self) -> None:
        self.process = subprocess.Popen(self.command("kafka.Kafka", self.folder / "server.properties"),
                                        stdout=self.log, stderr=self.log, cwd=self.folder)
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.2)
        raise AssertionError("the broker does not start:\n" + (self.folder / "broker.log").read_text()[-3000:])

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)
