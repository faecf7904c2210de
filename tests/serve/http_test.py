#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the server answers, refuses and bears."""

import contextlib
import errno
import gzip
import http.client
import json
import pathlib
import re
import select
import signal
import socket
import subprocess
import threading
import time
import unittest

from support import ACCOUNT, Served, tool


def word(number: int) -> str:
    return "0x" + f"{number:064x}"


class WithoutAChain(Served):
    """What the server was not told it does not make up."""

    environment = {"SERVE_BARE": "1"}

    def test_what_it_does_not_know_is_refused(self):
        for method in ("eth_chainId", "net_version"):
            self.assertIn("not told the chain's id", self.error(-32004, method)["message"])
        self.assertIn("outside of the store", self.error(-32004, "eth_getBalance", ACCOUNT, "latest")["message"])
        self.assertEqual(self.result("eth_getTransactionCount", ACCOUNT, "latest"), "0x3")


class Calls(Served):
    def test_state_at_the_latest_and_at_recent_blocks(self):
        self.assertEqual(self.result("eth_blockNumber"), "0x3")
        for block, number in (("latest", 3), ("0x3", 3), ("0x2", 2), ("0x1", 1)):
            self.assertEqual(self.result("eth_getBalance", ACCOUNT, block), hex(number))
            self.assertEqual(self.result("eth_getTransactionCount", ACCOUNT, block), hex(number))
            self.assertEqual(self.result("eth_getStorageAt", ACCOUNT, "0x0", block), word(number))
        self.assertEqual(self.result("eth_getCode", ACCOUNT), "0x60016002")
        self.assertEqual(self.result("eth_getStorageAt", ACCOUNT, word(2), "latest"), word(2))
        self.assertEqual(self.result("eth_getStorageAt", ACCOUNT, "0x3", "0x2"), word(0))
        nobody = "0x" + "22" * 20
        self.assertEqual(self.result("eth_getBalance", nobody, "latest"), "0x0")
        self.assertEqual(self.result("eth_getCode", nobody, "latest"), "0x")
        self.assertEqual(self.result("eth_chainId"), "0x539")
        self.assertEqual(self.result("net_version"), "1337")
        self.assertTrue(self.result("web3_clientVersion").startswith("flatkv/"))
        roots = [self.result("flatkv_roots", block) for block in ("0x2", "latest")]
        self.assertEqual([line["version"] for line in roots], [2, 3])
        for name in ("root", "account", "storage"):
            self.assertEqual(len(roots[0][name]), 64)
            self.assertNotEqual(roots[0][name], roots[1][name])
        self.assertEqual(self.result("flatkv_roots"), roots[1])

    def test_blocks_that_cannot_be_read(self):
        for _ in range(5):
            self.tell("commit")
        self.assertIn("0x8", self.error(-32001, "eth_getBalance", ACCOUNT, "0x9")["message"])
        self.assertEqual(self.error(-32001, "eth_getBalance", ACCOUNT, "0x2")["data"]["code"], "version_mismatch")
        self.error(-32001, "eth_getBalance", ACCOUNT, "0x" + "f" * 64)
        for bad in ("earliest", "8", "0x", "0xg", 8, None, {}):
            self.error(-32602, "eth_getBalance", ACCOUNT, bad)

    def test_wrong_calls(self):
        self.error(-32601, "eth_sendRawTransaction", "0x")
        for method, params in (("eth_getBalance", []), ("eth_getBalance", ["0x11"]),
                               ("eth_getBalance", [ACCOUNT[2:]]), ("eth_getBalance", [ACCOUNT + "00"]),
                               ("eth_getStorageAt", [ACCOUNT]), ("eth_getStorageAt", [ACCOUNT, "0x" + "0" * 65]),
                               ("eth_getCode", [ACCOUNT, "latest", "more"]), ("eth_blockNumber", ["latest"])):
            self.error(-32602, method, *params)

    def test_what_is_no_call(self):
        for body, code in (("", -32700), ("{", -32700), ("[1,", -32700), ("[]", -32600), ("3", -32600),
                           ({"id": 1, "method": "eth_blockNumber"}, -32600),
                           ({"jsonrpc": "2.0", "id": 1}, -32600),
                           ({"jsonrpc": "2.0", "id": [1], "method": "eth_blockNumber"}, -32600),
                           ({"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": {}}, -32602)):
            status, text = self.post(body)
            answer = json.loads(text)
            self.assertEqual((status, answer["error"]["code"]), (200, code), body)
        status, text = self.post("[" * 50_000 + "]" * 50_000)
        self.assertEqual(json.loads(text)[0]["error"]["code"], -32600)
        for path in ("/", "/other"):
            self.assertEqual(self.get(path)[0], 404)

    def test_an_id_comes_back_as_it_came(self):
        for number in ("0", "-3", "1.50", "1e5", "18446744073709551615", "123456789012345678901234567890", "null"):
            said = self.post('{"jsonrpc":"2.0","method":"eth_chainId","id":' + number + "}")[1]
            self.assertEqual(said, '{"id":' + number + ',"jsonrpc":"2.0","result":"0x539"}')
        for text in ("", "a \"quoted\" \\ one\n\u0000", "\u00e9\U0001f600", "x" * 1000):
            call = {"jsonrpc": "2.0", "id": text, "method": "eth_chainId"}
            for ascii_alone in (True, False):
                said = json.loads(self.post(json.dumps(call, ensure_ascii=ascii_alone).encode())[1])
                self.assertEqual(said, {"jsonrpc": "2.0", "id": text, "result": "0x539"})
        for other in ("true", "{}", "[]", '[{"id":1}]'):
            said = json.loads(self.post('{"jsonrpc":"2.0","method":"eth_chainId","id":' + other + "}")[1])
            self.assertEqual((said["id"], said["error"]["code"]), (None, -32600))
        # The last one counts.
        said = json.loads(self.post('{"jsonrpc":"2.0","method":"eth_chainId","id":1,"id":2,"params":[1],"params":[]}')[1])
        self.assertEqual((said["id"], said["result"]), (2, "0x539"))
        # What lies deeper is no member of the call.
        said = json.loads(self.post('{"jsonrpc":"2.0","id":1,"method":"eth_getBalance",'
                                    '"params":[{"id":2,"method":"eth_chainId","params":[]}]}')[1])
        self.assertEqual((said["id"], said["error"]["code"]), (1, -32602))

    def test_batches_read_one_state(self):
        calls = [{"jsonrpc": "2.0", "id": i, "method": "eth_getBalance", "params": [ACCOUNT, "latest"]}
                 for i in range(50)]
        calls.append({"jsonrpc": "2.0", "method": "eth_blockNumber"})  # a notification
        calls.append(7)
        answers = json.loads(self.post(calls)[1])
        self.assertEqual(len(answers), 51)
        self.assertEqual([a["id"] for a in answers[:50]], list(range(50)))
        self.assertEqual({a["result"] for a in answers[:50]}, {"0x3"})
        self.assertEqual(answers[50]["error"]["code"], -32600)
        self.assertEqual(self.post({"jsonrpc": "2.0", "method": "eth_blockNumber"}), (200, ""))

    def test_batches_read_one_state_beside_commits(self):
        number = {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber"}
        balance = {"jsonrpc": "2.0", "id": 1, "method": "eth_getBalance", "params": [ACCOUNT, "latest"]}
        connection, answers, beside = self.connect(), [], 0
        for _ in range(10_000):
            asking = threading.Thread(target=lambda: answers.append(self.post([number, balance] * 50, connection)[1]))
            asking.start()
            before, last = int(self.tell("commit")), 0
            while asking.is_alive():
                last = int(self.tell("commit"))
            asking.join()
            read = {answer["result"] for answer in json.loads(answers.pop())}
            self.assertEqual(len(read), 1, read)
            # Read before the last of the commits that were made while the batch was away.
            beside += before <= int(read.pop(), 16) < last
            if beside >= 100:
                break
        self.assertGreaterEqual(beside, 100)

    def test_limits(self):
        self.assertEqual(self.post("x" * 100_001)[0], 413)
        call = {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber"}
        self.assertEqual(json.loads(self.post([call] * 101)[1])["error"]["code"], -32005)
        roots = {"jsonrpc": "2.0", "id": 1, "method": "flatkv_roots"}
        answers = json.loads(self.post([roots] * 100)[1])
        refused = [a for a in answers if "error" in a]
        self.assertEqual(len(answers), 100)
        self.assertGreater(len(refused), 10)
        self.assertEqual({a["error"]["code"] for a in refused}, {-32005})

    def test_a_request_takes_no_more_memory_than_calls_do(self):
        """Seventy times its bytes, else, which most JSON is far from."""
        self.assertIn("-32700", self.post("x" * 99_000)[1])
        before = self.memory_from_now()
        for body in ("[" + ",".join(["[]"] * 33_000) + "]", "[" + ",".join(["{}"] * 33_000) + "]",
                     '{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[' + ",".join(["[]"] * 33_000) + "]}"):
            self.assertLess(len(body), 100_000)
            self.assertEqual(json.loads(self.post(body)[1])["error"]["code"], -32005)
        self.assertLess(self.most_memory() - before, 3 << 20)

    def test_a_large_answer_is_refused_alone_and_in_a_batch(self):
        """The limit of serve_store is 20 000 bytes."""
        self.tell("code 30000")
        self.assertIn("20000", self.error(-32005, "eth_getCode", ACCOUNT)["message"])
        self.tell("code 9990")  # with what goes around it, it is a little too large
        self.assertIn("20000", self.error(-32005, "eth_getCode", ACCOUNT)["message"])
        self.tell("code 9000")
        self.assertEqual(self.result("eth_getCode", ACCOUNT), "0x" + "60" * 9000)
        code = {"jsonrpc": "2.0", "id": 1, "method": "eth_getCode", "params": [ACCOUNT]}
        number = {"jsonrpc": "2.0", "id": 2, "method": "eth_blockNumber"}
        text = self.post([code, code, number, code])[1]
        self.assertLess(len(text), 21_000)
        answers = json.loads(text)
        self.assertEqual([a.get("error", {}).get("code") for a in answers], [None, -32005, None, -32005])
        self.assertEqual(answers[2]["result"], "0x6")

    def test_an_unreadable_row_is_an_error_and_never_zero(self):
        self.tell("flush")
        tables = list(self.folder.glob("store/gen-*/working/storage/*.sst"))
        self.assertTrue(tables)
        for table in tables:
            table.write_bytes(bytes(byte ^ 0xFF for byte in table.read_bytes()))
        error = self.error(-32603, "eth_getStorageAt", ACCOUNT, "0x2", "latest")
        self.assertIn(error["data"]["code"], ("corruption", "io"))

    def test_no_store(self):
        self.tell("hide")
        self.error(-32002, "eth_blockNumber")
        self.error(-32002, "eth_getCode", ACCOUNT)
        self.assertEqual(self.result("eth_chainId"), "0x539")
        status, text = self.get("/metrics")
        self.assertEqual(status, 200)
        self.assertNotIn("flatkv_version", text)
        self.assertEqual(self.get("/readyz")[0], 200)  # the owner's word counts
        self.tell("show")
        self.assertEqual(self.result("eth_blockNumber"), "0x3")


class Watching(Served):
    def test_health_and_readiness(self):
        self.assertEqual(self.get("/healthz"), (200, "ok\n"))
        self.assertEqual(self.get("/readyz"), (200, "ready\n"))
        self.tell("ready 17 blocks behind")
        self.assertEqual(self.get("/readyz"), (503, "17 blocks behind\n"))
        self.assertEqual(self.get("/healthz"), (200, "ok\n"))
        self.tell("ready")
        self.assertEqual(self.get("/readyz")[0], 200)

    def test_metrics(self):
        self.tell("snapshot")
        status, text = self.get("/metrics")
        self.assertEqual(status, 200)
        for line in ("flatkv_version 3", "flatkv_block_duration_seconds_count 3", "flatkv_snapshot_last_version 3",
                     'flatkv_flushed_tables_total{database="storage"} 1', "flatkv_follower_lag_seconds 1.5"):
            self.assertIn("\n" + line, text)
        if promtool := tool("promtool"):
            checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True)
            self.assertEqual((checked.returncode, checked.stdout + checked.stderr), (0, ""))


class SlowReader(Served):
    """Who asks for much and does not take it."""

    def ask(self) -> socket.socket:
        self.tell(f"code {15 << 20}")  # more than the system keeps for a connection
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_getCode", "params": [ACCOUNT]}).encode()
        reader = socket.socket()
        self.addCleanup(reader.close)
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect((self.host, self.port))
        reader.sendall(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        self.assertEqual(reader.recv(15), b"HTTP/1.1 200 OK")
        return reader


class Hurried(SlowReader):
    arguments = ("0", "1", "5", str(32 << 20))

    def test_one_is_sent_away_in_time(self):
        reader = self.ask()  # who has the one connection: Unhurried shows that

        def asks() -> int:
            with contextlib.suppress(ConnectionError):
                reader.recv(4096)  # at this rate all of it takes some minutes
            return self.asks()

        self.until(asks, 200)


class Unhurried(SlowReader):
    arguments = ("0", "1", "600", str(32 << 20))

    def test_a_stop_does_not_wait_for_one(self):
        self.ask()
        self.assertEqual(self.asks(), 503)  # there is one connection
        self.assertEqual(self.stop(), 0)


class ManySlowReaders(Served):
    """All that there may be, each of which asks for as much as it may and takes nothing of it."""

    bytes, pending, readers = 16 << 20, 64 << 20, 32
    arguments = ("0", str(2 * readers), "600", str(bytes), str(pending))  # so none of them is sent away for its time
    environment = {"MALLOC_MMAP_THRESHOLD_": str(1 << 20)}  # else glibc keeps for itself what is freed

    def ask(self, calls) -> socket.socket:
        body = json.dumps(calls).encode()
        reader = socket.socket()
        self.addCleanup(reader.close)
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect((self.host, self.port))
        reader.settimeout(50)
        reader.sendall(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        return reader

    def length(self, reader: socket.socket) -> int:
        head = b""
        while b"\r\n\r\n" not in head:
            head += reader.recv(1)
        self.assertTrue(head.startswith(b"HTTP/1.1 200"), head)
        return int(re.search(rb"Content-Length: (\d+)", head)[1])

    def check(self, size: int, calls) -> None:
        self.tell(f"code {size}")
        before = self.memory_from_now()
        readers = [self.ask(calls) for _ in range(self.readers)]
        held = sum(self.length(reader) for reader in readers)
        self.assertGreater(held, self.pending // 4)
        of_system = int(pathlib.Path("/proc/sys/net/ipv4/tcp_wmem").read_text().split()[2])
        self.assertLess(held, self.pending + self.readers * (of_system + (64 << 10)))
        # Four read code at a time, which RocksDB has once more, while the rest holds what it may.
        self.assertLess(self.most_memory() - before, self.pending + 4 * 2 * size + (24 << 20))
        # What is small is answered all the same.
        self.assertEqual(self.result("flatkv_roots")["version"], int(self.result("eth_blockNumber"), 16))
        if calls == self.code:
            number = {"jsonrpc": "2.0", "id": 2, "method": "eth_blockNumber"}
            answers = json.loads(self.post([self.code] * 99 + [number])[1])
            self.assertEqual({answer["error"]["code"] for answer in answers[:-1]}, {-32005})
            self.assertIn("too busy", answers[0]["error"]["message"])
            self.assertIn("result", answers[-1])
        for reader in readers:
            reader.close()
        deadline = time.monotonic() + 60
        while "error" in (answer := self.rpc("eth_getCode", ACCOUNT)):  # until the server has seen that they went
            self.assertIn("too busy", answer["error"]["message"])
            self.assertLess(time.monotonic(), deadline)
        self.assertEqual(len(answer["result"]), 2 + 2 * size)  # there is room again

    code = {"jsonrpc": "2.0", "id": 1, "method": "eth_getCode", "params": [ACCOUNT]}

    def test_one_large_result(self):
        self.check((self.bytes >> 1) - 100, self.code)

    def test_some_in_each_batch(self):
        self.check(200_000, [self.code] * 100)

    def test_many_in_each_batch(self):
        self.check(60_000, [self.code] * 100)


class ManyAtOnce(Served):
    arguments = ("0", "64")

    def test_the_system_answers_for_a_server_that_is_busy(self):
        """It has room for them; who comes where there is none tries again after a second."""
        self.process.send_signal(signal.SIGSTOP)
        self.addCleanup(self.process.send_signal, signal.SIGCONT)
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task")
        while any(" T " not in (task / "stat").read_text() for task in tasks.iterdir()):
            time.sleep(0.01)
        connections = [socket.socket() for _ in range(60)]
        for one in connections:
            self.addCleanup(one.close)
            one.setblocking(False)
            self.assertIn(one.connect_ex((self.host, self.port)), (0, errno.EINPROGRESS))
        for one in connections:
            self.assertTrue(select.select([], [one], [], 10)[1], "not connected")
            self.assertEqual(one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), 0)
        self.process.send_signal(signal.SIGCONT)
        for one in connections:
            one.settimeout(20)
            one.sendall(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")
            self.assertTrue(one.recv(15).startswith(b"HTTP/1.1 200"))


class Patient(Served):
    """A request has more time than any test takes."""

    arguments = ("0", "4", "600")

    def hold(self, count: int) -> list:
        held = [socket.create_connection((self.host, self.port)) for _ in range(count)]
        for connection in held:
            self.addCleanup(connection.close)
        return held

    def test_a_stop_waits_for_nobody(self):
        idle = self.hold(2)
        idle[1].sendall(b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
        time.sleep(0.2)
        self.assertEqual(self.stop(), 0)

    def test_more_than_there_may_be_are_sent_away(self):
        """But who only looks has connections of his own, a few of them, which do not last."""
        def looks() -> int:
            return self.get("/healthz")[0]

        def looks_beside_four() -> int:
            self.hold(4)
            return looks()

        held = self.hold(4)
        for connection in held:
            connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n")  # whose body never comes
        self.until(self.asks, 503)
        self.until(looks, 200)
        self.until(lambda: self.get("/metrics")[0], 200)
        self.assertEqual(self.asks(), 503)
        self.until(looks_beside_four, 503)
        self.until(looks, 200)
        self.assertEqual(self.asks(), 503)
        for connection in held:
            connection.close()
        self.until(self.asks, 200)


class TwoSeconds(Served):
    """That a request has."""

    arguments = ("0", "4", "2")

    def test_a_request_that_trickles_in_is_ended(self):
        connection = socket.create_connection((self.host, self.port))
        deadline = time.monotonic() + 60
        ended = False
        while not ended and time.monotonic() < deadline:
            try:
                connection.sendall(b"P")
                time.sleep(0.2)
                ended = connection.recv(1, socket.MSG_DONTWAIT) == b""
            except BlockingIOError:
                pass
            except OSError:
                ended = True
        connection.close()
        self.assertTrue(ended)

    def test_what_comes_late_of_a_body_is_no_request(self):
        hidden = b"GET /readyz HTTP/1.1\r\n\r\n"
        for length in (len(hidden) + 1, 1 << 40):
            with socket.create_connection((self.host, self.port), 20) as connection:
                connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n{" % length)
                time.sleep(2.5)  # a request has two seconds
                said = b""
                try:
                    connection.sendall(hidden)
                    while piece := connection.recv(1 << 16):
                        said += piece
                except ConnectionError:
                    pass
                self.assertNotIn(b"ready", said, length)


class Connections(Served):
    arguments = Patient.arguments  # nothing here goes by the clock

    def test_only_this_machine_is_listened_to(self):
        self.assertEqual(self.host, "127.0.0.1")
        listening = subprocess.run(["cat", "/proc/net/tcp"], capture_output=True, text=True).stdout
        self.assertIn(f"0100007F:{self.port:04X}", listening)
        self.assertNotIn(f"00000000:{self.port:04X}", listening)

    def test_one_connection_for_many_calls(self):
        connection = self.connect()
        for _ in range(20):
            status, text = self.post({"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber"}, connection)
            self.assertEqual((status, json.loads(text)["result"]), (200, "0x3"))

    def exchange(self, request: bytes) -> bytes:
        """All that comes back until the server ends the connection."""
        with socket.create_connection((self.host, self.port), 20) as connection:
            said = b""
            try:
                connection.sendall(request)
                while piece := connection.recv(1 << 16):
                    said += piece
            except ConnectionError:  # it does not listen to the rest
                pass
            return said

    def test_an_answer_is_never_in_ranges(self):
        whole = self.get("/metrics")[1]
        said = self.exchange(b"GET /metrics HTTP/1.1\r\nConnection: close\r\nRange: bytes=" + b",".join([b"0-"] * 2000) +
                             b"\r\n\r\n")
        self.assertTrue(said.startswith(b"HTTP/1.1 200"), said[:100])
        self.assertLess(len(said), 2 * len(whole))

    def test_limits_that_no_length_announces(self):
        head = b"POST / HTTP/1.1\r\nConnection: close\r\n"
        call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber"}).encode()
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (call[:10], call[10:]))
        self.assertIn(b'"0x3"', self.exchange(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"))
        many = b"1000\r\n" + b" " * 0x1000 + b"\r\n"
        said = self.exchange(head + b"Transfer-Encoding: chunked\r\n\r\n" + many * 50 + chunks + b"0\r\n\r\n")
        self.assertNotIn(b"200", said[:20])
        said = self.exchange(b"GET /healthz HTTP/1.1\r\n" + (b"A: " + b"b" * 1000 + b"\r\n") * 100 + b"\r\n")
        self.assertNotIn(b"200", said[:20])

    def test_a_compressed_body_is_refused(self):
        bomb = gzip.compress(b" " * 10_000_000)
        self.assertLess(len(bomb), 100_000)
        said = self.exchange(b"POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb)
        self.assertTrue(said.startswith(b"HTTP/1.1 415"), said[:100])

    def test_no_response_is_compressed(self):
        """Brotli, as well as it can: a minute for a response that there may be, and the limit is ten seconds."""
        call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_getCode", "params": [ACCOUNT]}).encode()
        self.tell("noise 9000")
        for how in (b"br", b"gzip", b"deflate, gzip, br", b"*"):
            said = self.exchange(b"POST / HTTP/1.1\r\nConnection: close\r\nAccept-Encoding: " + how +
                                 b"\r\nContent-Length: %d\r\n\r\n" % len(call) + call)
            head, _, body = said.partition(b"\r\n\r\n")
            self.assertNotIn(b"content-encoding", head.lower())
            self.assertEqual(len(json.loads(body)["result"]), 2 + 2 * 9000)

    def test_a_body_never_passes_for_a_request(self):
        """Behind a proxy that sees another end of the first, the second answer would be somebody else's."""
        hidden = b"GET /readyz HTTP/1.1\r\n\r\n"
        call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber"}).encode()
        chunk = b"%x\r\n%s\r\n0\r\n\r\n" % (len(call), call)
        for first in (b"GET /healthz HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(hidden),
                      b"GET /healthz HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
                      b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n" + chunk,
                      b"POST / HTTP/1.1\r\nContent-Length: %d\r\nContent-Length: 0\r\n\r\n" % len(call) + call,
                      b"POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(hidden),
                      b"POST / HTTP/1.1\r\nContent-Type: multipart/form-data\r\nContent-Length: %d\r\n\r\n" % len(hidden),
                      b"POST / HTTP/1.1\r\nContent-Length: 0x%x\r\n\r\n" % len(hidden),
                      b"POST / HTTP/1.1\r\nContent-Length: 0, %d\r\n\r\n" % len(hidden),
                      b"POST / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length : %d\r\n\r\n" % len(hidden),
                      b"GET /healthz HTTP/1.1\r\nContent-Length : %d\r\n\r\n" % len(hidden),
                      b"GET /healthz HTTP/1.1\r\nA: b\r\n Content-Length: %d\r\n\r\n" % len(hidden),
                      b"GET /healthz HTTP/1.1\r\nA: b\rContent-Length: %d\r\n\r\n" % len(hidden),
                      b"nothing of HTTP\r\n"):
            said = self.exchange(first + hidden)
            self.assertEqual(said.count(b"HTTP/1.1 "), 1, (first, said))
            self.assertNotIn(b"ready", said)

    def test_wrong_addresses(self):
        from support import PROGRAM
        for address in ("", "host", "127.0.0.1:70000", ":1", "127.0.0.1:x", "203.0.113.1:80"):
            ended = subprocess.run([PROGRAM, self.folder / "other", address], capture_output=True, text=True,
                                   timeout=20)
            self.assertEqual(ended.returncode, 1, address)
            self.assertTrue(ended.stderr, address)
        for limits in (("1025",), ("0",), ("8", "0"), ("8", "3601"), ("8", "5", "0"),
                       ("8", "5", str((1 << 30) + 1)), ("8", "5", "1000", str((1 << 40) + 1))):
            ended = subprocess.run([PROGRAM, self.folder / "other", "0", *limits], capture_output=True, text=True,
                                   timeout=20)
            self.assertEqual(ended.returncode, 1, limits)
            self.assertIn("a limit of the server is out of its range", ended.stderr, limits)
        taken = subprocess.run([PROGRAM, self.folder / "other", self.address], capture_output=True, text=True,
                               timeout=20)
        self.assertEqual(taken.returncode, 1)

    def test_an_address_of_ipv6_stands_in_brackets(self):
        from support import PROGRAM
        if not pathlib.Path("/proc/net/if_inet6").exists() or not pathlib.Path("/proc/net/if_inet6").read_text():
            self.skipTest("no IPv6 here")
        served = subprocess.Popen([PROGRAM, self.folder / "other", "[::1]:0"], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        try:
            port = int(served.stdout.readline().strip().rpartition(":")[2])
            connection = http.client.HTTPConnection("::1", port, timeout=20)
            connection.request("GET", "/healthz")
            self.assertEqual(connection.getresponse().status, 200)
            connection.close()
            with self.assertRaises(OSError):  # and nowhere else
                socket.create_connection(("127.0.0.1", port), 5).close()
        finally:
            served.kill()
            served.wait()
            served.stdin.close()
            served.stdout.close()


if __name__ == "__main__":
    unittest.main()
