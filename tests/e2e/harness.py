"""What the end-to-end tests share: where things are, servers under test, raw and plain HTTP requests."""

import http.client
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

BINARY = os.environ.get("SELVEDGE_BINARY", "")
GUESTS = pathlib.Path(os.environ.get("SELVEDGE_GUESTS", ""))
SOURCE = pathlib.Path(os.environ.get("SELVEDGE_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
FETCHED = pathlib.Path(os.environ.get("SELVEDGE_CACHE_GUESTS", ""))
START_SECONDS_MAX = 180  # the first start of a large module compiles it
SKIPPED = 77


def skip(reason):
    print(f"SKIPPED: {reason}")
    sys.exit(SKIPPED)


def require(*paths):
    """Ends the script as skipped, loudly, when one of the files is missing."""
    for path in paths:
        if not str(path) or not pathlib.Path(path).exists():
            skip(f"{path} does not exist (./dev setup, ./dev build)")


def run(*arguments, stdin=b"", env=None, timeout=START_SECONDS_MAX, cwd=None):
    """One `selvedge run`: the finished process with its output as bytes."""
    return subprocess.run([BINARY, "run", *map(str, arguments)], input=stdin, capture_output=True, check=False,
                          timeout=timeout, env={**os.environ, **(env or {})}, cwd=cwd)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """`selvedge run --http` as a context manager. Leaving it stops the server with SIGTERM; that it ends well is
    checked there."""

    def __init__(self, target, *options, log=None, arguments=()):
        self.port = free_port()
        self.start(["run", "--http", f"127.0.0.1:{self.port}", *options, target, *arguments], log)

    def start(self, arguments, log=None):
        self.log = log or tempfile.TemporaryFile()
        self.owns_log = log is None
        self.process = self.spawn([BINARY, *map(str, arguments)])

    def spawn(self, command):
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=self.log, stdout=self.log)

    def output(self):
        """What the server wrote so far."""
        # Not seek: the server writes at the same file offset.
        size = os.fstat(self.log.fileno()).st_size
        return os.pread(self.log.fileno(), size, 0).decode(errors="replace")

    def __enter__(self):
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}\n{self.output()}")
            try:
                # From another address: a port that nobody serves yet could otherwise connect to itself.
                socket.create_connection(("127.0.0.1", self.port), 1, ("127.0.0.2", 0)).close()
                return self
            except OSError:
                time.sleep(0.05)
        raise AssertionError("the server did not listen in time")

    def __exit__(self, *_):
        try:
            self.stop()
        finally:
            if self.owns_log:
                self.log.close()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"the server did not end on SIGTERM\n{self.output()}") from None
        if self.process.returncode != 0:
            raise AssertionError(f"the server ended with {self.process.returncode}\n{self.output()}")

    def request(self, method, path, body=None, headers=None, timeout=60):
        """(status, headers, body) of one request on a connection of its own. Names of headers match in any case."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def raw(self, data, timeout=10):
        """Everything the server sends for these bytes until it closes or `timeout` passes in silence."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            connection.sendall(data)
            received = b""
            try:
                while block := connection.recv(65536):
                    received += block
            except TimeoutError:
                pass
            return received


def half_closing_get(port, path="/"):
    """The whole answer to a client that shuts its sending side down with its request (RFC 9112, 9.6)."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while block := connection.recv(65536):
            answer += block
    return answer


def reset(connection):
    """Closes it so that the peer knows at once: one that is only closed looks like one that waits for its answer."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Node(Server):
    """`selvedge node` on a data folder, and its command line."""

    def __init__(self, data, *options, log=None):
        self.port = free_port()
        self.data = pathlib.Path(data)
        self.start(["node", "--data", data, "--http", f"127.0.0.1:{self.port}", *options], log)

    def command(self, *arguments, timeout=START_SECONDS_MAX, cwd=None):
        """`selvedge ARGUMENTS --node …`, finished."""
        return subprocess.run([BINARY, *map(str, arguments), "--node", str(self.data / "admin.sock")],
                              capture_output=True, text=True, check=False, timeout=timeout, cwd=cwd)

    def json(self, *arguments):
        """What a command prints with --json; the test fails when the command does."""
        done = self.command(*arguments, "--json")
        if done.returncode != 0:
            raise AssertionError(f"{arguments}: {done.stderr}\n{self.output()}")
        return json.loads(done.stdout)

    def get(self, host, path="/", **options):
        """(status, headers, body) from the app at that host name."""
        return self.request("GET", path, headers={"Host": host}, **options)
