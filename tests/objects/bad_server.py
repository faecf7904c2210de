# SPDX-License-Identifier: Apache-2.0
"""An S3 server in small that behaves badly on demand. Objects are in memory; signatures are not checked."""

import http.server
import re
import socket
import threading
import time
import urllib.parse
from xml.sax.saxutils import escape


class BadServer:
    """`misbehave(method, key, count)` says what a request for `key` meets, `count` being how often it was asked for:
    None, a status such as 503, or one with the service's code, (400, "ExpiredToken"), or one of
      "short"        the connection ends in the middle of the content
      "range"        another range than the one asked for
      "no range"     the whole object, whatever was asked for
      "length"       a length that the object does not have
      "longer"       more bytes than the object has, without a length
      "flip"         a bit is another one
      "stall"        nothing more comes
      "close"        the connection ends without an answer
    `page` is the number of objects on a page of a list, `rate` the bytes a second of a connection."""

    def __init__(self, page: int = 1000):
        self.objects: dict[str, bytes] = {}
        self.misbehave = lambda method, key, count: None
        self.page = page
        self.rate = 0
        self.sent = 0  # bytes of contents
        self.log: list[tuple[str, str]] = []
        self.counts: dict[tuple[str, str], int] = {}
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads = True
        self.server.handle_error = lambda *arguments: None  # connections break here all the time
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def environment(self) -> dict:
        return {"AWS_ENDPOINT_URL": self.url, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
                "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL_S3": ""}

    def close(self):
        self.stopped.set()
        self.server.shutdown()
        self.server.server_close()

    def handler(self):
        bad = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments):
                pass

            def answer(self, status: int, body: bytes = b"", **headers):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def error(self, status: int, code: str):
                self.answer(status, f"<Error><Code>{code}</Code><Message>{code} here</Message></Error>".encode())

            def cut(self):
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)

            def do(self):
                parts = urllib.parse.urlsplit(self.path)
                key = urllib.parse.unquote(parts.path).removeprefix("/bucket/").removeprefix("/bucket")
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with bad.lock:
                    bad.log.append((self.command, key))
                    count = bad.counts[self.command, key] = bad.counts.get((self.command, key), 0) + 1
                how = bad.misbehave(self.command, key, count)
                if how == "close":
                    return self.cut()
                if isinstance(how, tuple):
                    return self.error(*how)
                if isinstance(how, int):
                    return self.error(how, "SlowDown" if how == 503 else "Refused")
                if self.command == "PUT":
                    bad.objects[key] = body
                    return self.answer(200)
                if self.command == "DELETE":
                    bad.objects.pop(key, None)
                    return self.answer(204)
                if key == "":
                    return self.list(urllib.parse.parse_qs(parts.query))
                if key not in bad.objects:
                    return self.error(404, "NoSuchKey")
                if self.command == "HEAD":
                    return self.send_head(bad.objects[key])
                return self.content(bad.objects[key], how)

            do_GET = do_PUT = do_DELETE = do_HEAD = do

            def send_head(self, data: bytes):
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()

            def list(self, query):
                names = sorted(name for name in bad.objects if name.startswith(query.get("prefix", [""])[0]))
                at = int(query.get("continuation-token", ["0"])[0])
                page = names[at:at + bad.page]
                more = at + bad.page < len(names)
                items = "".join(f"<Contents><Key>{escape(name)}</Key><Size>{len(bad.objects[name])}</Size></Contents>"
                                for name in page)
                token = f"<NextContinuationToken>{at + bad.page}</NextContinuationToken>" if more else ""
                self.answer(200, (f"<?xml version='1.0'?><ListBucketResult><IsTruncated>{str(more).lower()}"
                                  f"</IsTruncated>{token}{items}</ListBucketResult>").encode())

            def content(self, data: bytes, how):
                first, last, status = 0, len(data) - 1, 200
                asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
                if asked and how != "no range":
                    first, last, status = int(asked[1]), int(asked[2]), 206
                if how == "range" and status == 206:
                    first -= 1
                part = bytearray(data[first:last + 1])
                if how == "flip" and part:
                    part[len(part) // 2] ^= 1
                if how == "longer":
                    part += b"more"
                self.send_response(status)
                if how == "longer":
                    self.close_connection = True
                else:
                    self.send_header("Content-Length", str(len(part) + (1 if how == "length" else 0)))
                if status == 206:
                    self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
                self.end_headers()
                whole = len(part)
                if how in ("short", "stall"):
                    part = part[:whole // 2]
                for at in range(0, len(part), 1 << 16):
                    piece = part[at:at + (1 << 16)]
                    try:
                        self.wfile.write(piece)
                    except OSError:
                        self.close_connection = True
                        return
                    with bad.lock:
                        bad.sent += len(piece)
                    if bad.rate:
                        time.sleep(len(piece) / bad.rate)
                if how == "stall":
                    bad.stopped.wait(60)
                if how in ("short", "stall", "length"):
                    self.cut()

        return Handler
