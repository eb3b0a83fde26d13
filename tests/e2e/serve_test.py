#!/usr/bin/env python3
"""`selvedge run --http`: the WCGI runner with guests that behave and guests that do not, and what they leave behind."""

import concurrent.futures
import http.client
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import harness

ECHO = harness.GUESTS / "wcgi_echo.wasm"
HELLO = harness.GUESTS / "wcgi_hello.wasm"
MISBEHAVE = harness.GUESTS / "misbehave.wasm"
harness.require(harness.BINARY, ECHO, HELLO, MISBEHAVE)


def variables(body):
    """The environment that wcgi_echo answered with."""
    return dict(line.split("=", 1) for line in body.split(b"\n\n", 1)[0].decode().splitlines())


def descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def resident_kib(server):
    for line in pathlib.Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


class EchoTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(harness.Server(ECHO, "--env", "MODE=test"))

    def test_variables(self):
        headers = {"X-Colour": "red", "Proxy": "evil", "X_Under": "1"}
        status, _, body = self.server.request("GET", "/a/b%20c?x=1", headers=headers)
        self.assertEqual(status, 200)
        found = variables(body)
        wanted = {"REQUEST_METHOD": "GET", "QUERY_STRING": "x=1", "PATH_INFO": "/a/b c", "SCRIPT_NAME": "",
                  "REQUEST_URI": "/a/b%20c?x=1", "HTTP_X_COLOUR": "red", "GATEWAY_INTERFACE": "CGI/1.1",
                  "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1", "SERVER_NAME": "127.0.0.1",
                  "SERVER_PORT": str(self.server.port), "MODE": "test"}
        for name, value in wanted.items():
            self.assertEqual(found.get(name), value, name)
        for name in ("HTTP_PROXY", "HTTP_X_UNDER", "CONTENT_LENGTH", "AUTH_TYPE", "HOME", "PATH"):
            self.assertNotIn(name, found)

    def test_content_is_streamed_through(self):
        data = os.urandom(3 << 20)
        status, _, body = self.server.request("POST", "/", data, {"Content-Type": "application/octet-stream"})
        self.assertEqual(status, 200)
        head, echoed = body.split(b"\n\n", 1)
        self.assertEqual(echoed, data)
        self.assertIn(b"CONTENT_LENGTH=%d\n" % len(data), head + b"\n")

    def test_chunked_content_gets_a_length(self):
        def pieces():
            yield b"one"
            yield b"two"
        status, _, body = self.server.request("POST", "/", pieces())
        self.assertEqual(status, 200)
        self.assertEqual(variables(body)["CONTENT_LENGTH"], "6")
        self.assertTrue(body.endswith(b"\n\nonetwo"))

    def test_chunked_content_too_long_for_that(self):
        status, _, _ = self.server.request("POST", "/", (b"x" * 65536 for _ in range(40)))
        self.assertEqual(status, 411)

    def test_head_request_has_no_content(self):
        status, _, body = self.server.request("HEAD", "/")
        self.assertEqual((status, body), (200, b""))

    def test_answer_comes_while_the_request_goes_on(self):
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=30) as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nfirst")
            received = b""
            while not b"first" in received:
                block = connection.recv(65536)
                self.assertTrue(block, received)
                received += block
            connection.sendall(b"again")
            while not b"again" in received:
                received += connection.recv(65536)


class MisbehaveTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        server = harness.Server(MISBEHAVE, "--time-limit", "2s", "--memory-limit", "64MiB")
        cls.server = cls.enterClassContext(server)

    def tearDown(self):
        status, _, body = self.server.request("GET", "/fine")
        self.assertEqual((status, body), (200, b"fine\n"))

    def test_no_answer_is_502_with_the_request_id(self):
        for what in ("exit0", "exit1", "exit255", "trap", "abort", "recurse", "nothing", "malformed", "inject",
                     "allocate", "endless-head", "no-end-of-head"):
            status, headers, body = self.server.request("GET", f"/{what}")
            self.assertEqual(status, 502, (what, body))
            self.assertIn(b"Request ", body)
            self.assertNotIn("Set-Cookie", headers)

    def test_no_answer_in_time_is_504(self):
        for what in ("spin", "sleep"):
            status, _, body = self.server.request("GET", f"/{what}")
            self.assertEqual(status, 504, (what, body))

    def test_half_an_answer_aborts_the_connection(self):
        for what in ("trap-later", "sleep-later"):
            with self.assertRaises((http.client.IncompleteRead, ConnectionError), msg=what):
                self.server.request("GET", f"/{what}")

    def test_whole_answers(self):
        for what, text in (("exit-later", b"whole\n"), ("close-output", b"closed\n"), ("log", b"logged\n")):
            status, _, body = self.server.request("GET", f"/{what}")
            self.assertEqual((status, body), (200, text), what)

    def test_guest_closes_its_input(self):
        status, _, body = self.server.request("POST", "/close-input", b"x" * (1 << 20))
        self.assertEqual((status, body), (200, b"closed\n"))

    def test_client_that_leaves_ends_the_guest(self):
        for what in ("write", "sleep"):
            with socket.create_connection(("127.0.0.1", self.server.port), timeout=30) as connection:
                connection.sendall(f"GET /{what} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                if what == "write":
                    self.assertTrue(connection.recv(65536))

    def test_endless_output_is_bounded_by_its_reader(self):
        before = resident_kib(self.server)
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=30) as connection:
            connection.sendall(b"GET /write HTTP/1.1\r\nHost: x\r\n\r\n")
            connection.recv(1024)
            time.sleep(1)
            self.assertLess(resident_kib(self.server) - before, 32 * 1024)

    def test_log_is_escaped_and_bounded(self):
        self.server.request("GET", "/log")
        text = self.server.output()
        self.assertIn("line 1 \\x1b[31mred", text)
        self.assertNotIn("line 9999 ", text)


class SpinningTest(unittest.TestCase):
    def test_others_go_on_beside_spinning_guests(self):
        server = harness.Server(MISBEHAVE, "--time-limit", "20s")
        with server, concurrent.futures.ThreadPoolExecutor(16) as pool:
            spinning = []
            for _ in range(os.cpu_count() or 1):
                connection = socket.create_connection(("127.0.0.1", server.port))
                connection.sendall(b"GET /spin HTTP/1.1\r\nHost: x\r\n\r\n")
                spinning.append(connection)
            begin = time.monotonic()
            answers = list(pool.map(lambda _: server.request("GET", "/fine")[0], range(200)))
            self.assertEqual(answers, [200] * 200)
            self.assertLess(time.monotonic() - begin, 15)
            for connection in spinning:
                harness.reset(connection)


class FailureLeakTest(unittest.TestCase):
    """Requests that fail in every way leave no memory and no descriptor behind either."""

    WAYS = ("fine", "exit1", "trap", "malformed", "trap-later", "write", "close-output", "log", "abandon")

    def ask(self, server, what):
        address = ("127.0.0.1", server.port)
        with socket.create_connection(address, timeout=60) as connection:
            path = "sleep" if what == "abandon" else what
            connection.sendall(f"GET /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            if what == "abandon":
                time.sleep(0.02)  # the guest runs
                harness.reset(connection)
                return
            while connection.recv(65536) and what != "write":
                pass

    def round(self, server, count):
        for what in self.WAYS:
            for _ in range(count):
                self.ask(server, what)

    def settled(self, server, limit):
        """Waits until the closed connections are gone from the server too."""
        deadline = time.monotonic() + 10
        while descriptors(server) > limit and time.monotonic() < deadline:
            time.sleep(0.05)
        return descriptors(server)

    def test_nothing_stays_behind(self):
        with harness.Server(MISBEHAVE, "--log-level", "off") as server:
            idle = descriptors(server)
            self.round(server, 20)
            memory = resident_kib(server)
            self.round(server, 100)
            self.assertLessEqual(self.settled(server, idle), idle)
            self.assertLess(resident_kib(server) - memory, 16 * 1024)


class LifecycleTest(unittest.TestCase):
    def test_busy_port(self):
        with harness.Server(HELLO) as server:
            command = [harness.BINARY, "run", "--http", f"127.0.0.1:{server.port}", HELLO]
            again = subprocess.run(command, capture_output=True, timeout=60)
            self.assertEqual(again.returncode, 1)
            self.assertIn(b"in use", again.stderr)
            self.assertEqual(again.stderr.count(b"\n"), 1)

    def test_address_line_and_port_zero(self):
        command = [harness.BINARY, "run", "--http", "[::1]:0", HELLO]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            line = process.stdout.readline().decode()
            self.assertRegex(line, r"^Serving wcgi_hello at http://\[::1\]:\d+/\n$")
            port = int(line.rstrip("/\n").rsplit(":", 1)[1])
            connection = http.client.HTTPConnection("::1", port, timeout=60)
            connection.request("GET", "/")
            self.assertEqual(connection.getresponse().status, 200)
            connection.close()
        finally:
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(timeout=60), 0)
            process.stdout.close()

    def test_drain_lets_a_request_finish(self):
        with (harness.Server(ECHO) as server,
              socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection):
            connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nfirst")
            received = b""
            while not b"first" in received:
                received += connection.recv(65536)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            with self.assertRaises(OSError):
                socket.create_connection(("127.0.0.1", server.port), timeout=5)
            connection.sendall(b"again")
            while block := connection.recv(65536):
                received += block
            self.assertIn(b"again", received)
            self.assertEqual(server.process.wait(timeout=30), 0)

    def test_manifest_runner_decides(self):
        with tempfile.TemporaryDirectory() as folder:
            os.symlink(HELLO, f"{folder}/m.wasm")
            for runner, words, sentence in (("wasi", ["--http", "0"], b"run it without --http"),
                                            ("wcgi", [], b"serve it with --http")):
                module = '[[module]]\nname = "m"\nsource = "m.wasm"\n'
                command = f'[[command]]\nname = "c"\nmodule = "m"\nrunner = "{runner}"\n'
                pathlib.Path(folder, "wasmer.toml").write_text(module + command)
                result = subprocess.run([harness.BINARY, "run", *words, folder], capture_output=True, timeout=60)
                self.assertEqual(result.returncode, 1)
                self.assertIn(sentence, result.stderr)


if __name__ == "__main__":
    unittest.main()
