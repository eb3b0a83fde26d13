#!/usr/bin/env python3
"""The command line and a node that asks it to come again later (429): it does, says so, and ends all the same."""

import http.server
import os
import pathlib
import pty
import socketserver
import subprocess
import tempfile
import threading
import time
import unittest

import harness
from admin_network_test import RemoteNode


class Refusing(http.server.BaseHTTPRequestHandler):
    """Answers 429 as often as the server says, then like an empty node."""

    protocol_version = "HTTP/1.1"

    def answer(self, status, content, *headers):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if content:
            self.wfile.write(content)

    def serve(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.command, self.path))
        if len(self.server.requests) <= self.server.refusals:
            self.answer(429, b'{"error":"too many of them","kind":"overloaded"}\n',
                        ("Retry-After", str(self.server.retry_after)))
        elif self.command == "DELETE":
            self.answer(204, b"")
        else:
            self.answer(200, b'{"apps":[]}\n')

    do_GET = do_PUT = do_POST = do_DELETE = serve  # noqa: N815

    def address_string(self):
        return "client"

    def log_message(self, *_):
        pass


class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class RetryTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def refusing(self, refusals, retry_after):
        server = self.enterContext(UnixServer(str(self.folder / "socket"), Refusing))
        server.refusals, server.retry_after, server.requests = refusals, retry_after, []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.shutdown)
        return server

    def command(self, *arguments):
        return subprocess.run([harness.BINARY, *arguments, "--node", self.folder / "socket"], capture_output=True,
                              text=True, check=False, timeout=120)

    def test_it_comes_again_after_the_time(self):
        for arguments, request in ((("app", "list"), ("GET", "/v1/apps")),
                                   (("app", "delete", "site", "--yes"), ("DELETE", "/v1/apps/site"))):
            server = self.refusing(2, 1)
            begin = time.monotonic()
            done = self.command(*arguments)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(server.requests, [request] * 3)
            self.assertGreaterEqual(time.monotonic() - begin, 2)
            (self.folder / "socket").unlink()

    def test_a_time_that_is_too_long_is_not_waited_for(self):
        server = self.refusing(1, 3600)
        done = self.command("app", "list")
        self.assertEqual((done.returncode, done.stderr), (1, "selvedge: too many of them\n"))
        self.assertEqual(len(server.requests), 1)

    def test_a_terminal_is_told(self):
        self.refusing(1, 1)
        controller, terminal = pty.openpty()
        process = subprocess.Popen([harness.BINARY, "app", "list", "--node", self.folder / "socket"], stderr=terminal,
                                   stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        os.close(terminal)
        told = b""
        try:
            while piece := os.read(controller, 4096):
                told += piece
        except OSError:  # the other end is closed
            pass
        self.assertEqual(process.wait(timeout=60), 0)
        self.assertIn(b"the node is busy (too many of them): trying again in 1 s", told)
        self.assertTrue(told.endswith(b"\r\x1b[K"), told)  # and nothing is left of it

    def test_a_real_node(self):
        with RemoteNode(self.folder / "node") as node:
            token = node.token("--scope", "read")
            url = f"{node.url}/v1/node"
            codes = [subprocess.run(["curl", "-sk", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_code}", url],
                                    capture_output=True, text=True, check=True, timeout=60).stdout for _ in range(12)]
            self.assertEqual(codes[-1], "429")
            # A token that the node has not seen yet has to wait as well: five seconds.
            done = node.remote("app", "list", token=token)
            self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
