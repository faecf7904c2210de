# SPDX-License-Identifier: Apache-2.0
"""A running serve_store, and calls to it."""

import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from prometheus import tool  # noqa: E402, F401

PROGRAM = os.environ["SERVE_STORE"]
ACCOUNT = "0x" + "11" * 20


class Served(unittest.TestCase):
    """A store of its own for each test, with three blocks."""

    arguments = ()
    environment = {}

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="flatkv-serve-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.process = subprocess.Popen([PROGRAM, self.folder / "store", *self.arguments], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env={**os.environ, **self.environment})
        self.addCleanup(self.end)
        self.address = self.process.stdout.readline().strip()
        self.host, _, port = self.address.rpartition(":")
        self.port = int(port)
        for version in (1, 2, 3):
            self.assertEqual(self.tell("commit"), str(version))

    def end(self):
        ended = self.process.poll()
        if ended is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.assertIn(ended, (None, 0), "the server ended by itself")  # which a connection that it ends does not tell

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def tell(self, line: str) -> str:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def most_memory(self) -> int:
        """Resident, since `memory_from_now`, which returns what it is then."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(re.search(r"VmHWM:\s+(\d+)", status)[1])

    def memory_from_now(self) -> int:
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")
        return self.most_memory()

    def connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=20)
        self.addCleanup(connection.close)
        return connection

    def get(self, path: str) -> tuple:
        connection = self.connect()
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()

    def post(self, body, connection=None) -> tuple:
        connection = connection or self.connect()
        text = body if isinstance(body, (str, bytes)) else json.dumps(body)
        connection.request("POST", "/", text, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read().decode()

    def asks(self) -> int:
        """The status of a call; 503 where the server had sent it away before it was sent."""
        try:
            return self.post({"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber"})[0]
        except OSError:
            return 503

    def until(self, asks, status: int):
        """Both sides are threads of a busy machine: the server may not have seen yet what the test did."""
        deadline = time.monotonic() + 60
        while asks() != status:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)

    def rpc(self, method: str, *params, id=1):
        status, text = self.post({"jsonrpc": "2.0", "id": id, "method": method, "params": list(params)})
        self.assertEqual(status, 200)
        answer = json.loads(text)
        self.assertEqual((answer["jsonrpc"], answer["id"]), ("2.0", id))
        self.assertNotEqual("result" in answer, "error" in answer)
        return answer

    def result(self, method: str, *params):
        answer = self.rpc(method, *params)
        self.assertIn("result", answer, answer)
        return answer["result"]

    def error(self, code: int, method: str, *params) -> dict:
        error = self.rpc(method, *params).get("error", {})
        self.assertEqual(error.get("code"), code, error)
        return error
