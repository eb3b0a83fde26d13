#!/usr/bin/env python3
"""Real clients against the gateway: curl, h2load, wrk, python's http.client; many slow clients; the drain on SIGTERM.

usage: http_clients.py RECORDER
"""

import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import http_peers

SLOW_CLIENTS = 300


def run(*command, data=None):
    return subprocess.run([str(part) for part in command], input=data, capture_output=True, timeout=60,
            check=True).stdout


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def with_curl(port):
    url = f"http://127.0.0.1:{port}"
    check(json.loads(run("curl", "-sS", f"{url}/a?b"))["method"] == "GET", "curl GET")
    check(b"200 OK" in run("curl", "-sS", "-I", f"{url}/"), "curl HEAD")
    check(json.loads(run("curl", "-sS", "-0", f"{url}/"))["method"] == "GET", "curl HTTP/1.0")
    with tempfile.NamedTemporaryFile() as upload:
        upload.write(os.urandom(2_000_000))
        upload.flush()
        for options in ([], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"]):
            answer = json.loads(run("curl", "-sS", *options, "--data-binary", f"@{upload.name}", url))
            check(answer["size"] == 2_000_000, f"curl upload {options}")
    connects = run("curl", "-sS", "-o", "/dev/null", "-w", "%{num_connects} ", f"{url}/1", "-o", "/dev/null",
            f"{url}/2")
    check(connects.split() == [b"1", b"0"], f"curl reuses its connection: {connects}")
    upgrade = run("curl", "-sS", "--http2", "-w", "%{http_version}", "-o", "/dev/null", url)
    check(upgrade == b"1.1", "an offered upgrade to h2c is answered over HTTP/1.1")


def with_load_tools(port):
    url = f"http://127.0.0.1:{port}/.well-known/selvedge/health"
    if shutil.which("h2load"):
        report = run("h2load", "--h1", "-n", 5000, "-c", 20, "-t", 1, url).decode()
        check("5000 succeeded, 0 failed" in report, report)
        report = run("h2load", "--h1", "-n", 5000, "-c", 5, "-m", 16, "-t", 1, url).decode()
        check("5000 succeeded, 0 failed" in report, report)
    if shutil.which("wrk"):
        report = run("wrk", "-t1", "-c50", "-d1s", url).decode()
        check("Non-2xx" not in report and "Socket errors" not in report, report)


def with_python(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for size in (0, 1, 1000, 60_000):
        content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
        connection.request("PUT", "/x", body=iter([content[:10], content[10:]]) if size > 10 else content)
        response = connection.getresponse()
        answer = json.loads(response.read())
        check(bytes.fromhex(answer["content"]) == content, f"content of {size} bytes")
        check(len(response.getheader("x-request-id")) == 16, "request id")
    connection.close()


def descriptors(process_id):
    return len(list(pathlib.Path(f"/proc/{process_id}/fd").iterdir()))


def under_slow_clients(port, process_id):
    """Clients that send a head byte by byte must not slow honest ones, and their descriptors come back."""
    before = descriptors(process_id)
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(SLOW_CLIENTS)]
    for connection in slow:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nX: ")
    start = time.monotonic()
    with_python(port)
    check(time.monotonic() - start < 2, "honest requests beside slow clients")
    deadline = time.monotonic() + 14
    answers = 0
    for connection in slow:
        connection.settimeout(max(0.1, deadline - time.monotonic()))
        answers += connection.recv(100).startswith(b"HTTP/1.1 408 ")
        connection.close()
    check(answers == SLOW_CLIENTS, f"{answers} of {SLOW_CLIENTS} slow clients got 408")
    while descriptors(process_id) > before + 1:
        check(time.monotonic() < deadline + 5, "descriptors come back")
        time.sleep(0.05)


def across_the_drain(port, process):
    """SIGTERM in the middle of a request: it finishes, and the process ends well."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345")
        time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        connection.sendall(b"67890")
        received = b""
        while part := connection.recv(65536):
            received += part
    check(b"HTTP/1.1 200 OK" in received and b"connection: close" in received, f"the drain: {received!r}")
    check(process.wait(timeout=10) == 0, "the exit code after the drain")


def main():
    http_peers.require("curl")
    process = subprocess.Popen([sys.argv[1]], stdout=subprocess.PIPE, text=True)
    try:
        port = int(process.stdout.readline().split()[1])
        with_curl(port)
        with_python(port)
        with_load_tools(port)
        under_slow_clients(port, process.pid)
        across_the_drain(port, process)
    finally:
        if process.poll() is None:
            http_peers.stop(process)
    print("real clients: all as expected")


if __name__ == "__main__":
    main()
