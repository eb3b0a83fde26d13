#!/usr/bin/env python3
"""A node: how long a deploy takes, what finding the app costs, cold requests, switches of versions, many instances.

usage: node_bench.py [PART...] [--runs N] [--seconds N] [--rounds N] [--apps N] [--write]

deploy      a module that the node has not seen, which it compiles, and the same again as the next version
routing     a C program under WCGI by `run --http`, and as one of 1, 100 … apps of a node that are asked in turn
cold        the first request of an app: after the node's start (artifact on disk), and in a node that runs
activate    switches between two versions, one after another, under the load of wrk
change      the time until all of three nodes on one store serve another version, on a folder and on S3
instances   resident memory with 10 instances of each of many apps, all of them in a request
"""

import argparse
import contextlib
import http.client
import json
import os
import pathlib
import random
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import http_bench
import peers
import report
import start_bench

sys.path.insert(0, str(report.ROOT / "tests/e2e"))
import s3_server  # noqa: E402

HELLO = http_bench.GUESTS / "wcgi_hello.wasm"
ECHO = http_bench.GUESTS / "wcgi_echo.wasm"
SLEEPER = http_bench.GUESTS / "misbehave.wasm"
MANIFEST = """
[package]
name = "bench/program"
version = "1.0.0"
[[module]]
name = "program"
source = "program.wasm"
[[command]]
name = "program"
module = "program"
runner = "wcgi"
"""


class Node(peers.Server):
    """A node of one shard on a data folder."""

    def __init__(self, data, name="selvedge node", limits="", store=""):
        self.data = pathlib.Path(data)
        self.data.mkdir(exist_ok=True)
        config = self.data / "node.toml"
        config.write_text(f'data = "."\n[limits]\nshards = 1\n{limits}{store}')
        super().__init__(name, [http_bench.BINARY, "node", "--config", config, "--http", "127.0.0.1:{port}",
                                "--log-level", "warning"])

    def administer(self, *arguments):
        done = subprocess.run([http_bench.BINARY, *map(str, arguments), "--node", self.data / "admin.sock"],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{arguments}: {done.stderr}")
        return done.stdout

    def first_byte_ms(self, app, path="/"):
        """From sending a request on a fresh connection to the first byte of its answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            began = time.perf_counter()
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {app}.localhost\r\nConnection: close\r\n\r\n".encode())
            first = connection.recv(65536)
            elapsed = time.perf_counter() - began
        if not first.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{app}: bad answer: {first[:300]!r}")
        return elapsed * 1e3

    def copy_app(self, app, names):
        """More apps of the same version, written beside it into the store as a backup would be restored."""
        apps = self.data / "store/apps"
        for name in names:
            shutil.copytree(apps / app, apps / name)


def package(folder, module):
    folder.mkdir()
    shutil.copy(module, folder / "program.wasm")
    (folder / "wasmer.toml").write_text(MANIFEST)
    return folder


def php(folder):
    return start_bench.programs(folder)[0].package(folder / "package")


def spread(values, digits=1):
    return f"{statistics.median(values):.{digits}f} ({max(values):.{digits}f})"


def timed_ms(work):
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1e3


def deploy(folder, options):
    modules = [HELLO, *(start_bench.FETCHED / f"{name}.wasm" for name in ("sqlite", "php-cgi", "python"))]
    lines = ["| module | MB | first deploy, compiled, ms (worst) | the same again, ms (worst) |", "|---|--:|--:|--:|"]
    for module in modules:
        target = package(folder / module.stem, module)
        first, again = [], []
        for run in range(max(options.runs // 10, 2)):
            data = folder / f"{module.stem}-{run}"
            with Node(data) as node:
                first.append(timed_ms(lambda: node.administer("deploy", "--app", "bench", target)))
                again += [timed_ms(lambda: node.administer("deploy", "--app", "bench", target)) for _ in range(5)]
            shutil.rmtree(data)
        lines.append(f"| {module.stem} | {module.stat().st_size / 1e6:.2f} | {spread(first, 0)} | {spread(again, 0)} |")
    return lines


SCRIPT = """
local number = 0
request = function()
  number = (number + 1) % {apps}
  wrk.headers["Host"] = "bench-" .. number .. ".localhost"
  return wrk.format("GET", "/")
end
"""


def load_apps(node, folder, apps, options):
    """One round of wrk over so many apps in turn; a round before it has started each of them."""
    script = folder / "apps.lua"
    script.write_text(SCRIPT.replace("{apps}", str(apps)))
    return peers.load(node, options.connections, options.seconds, script=script)


def routing(folder, options):
    counts = [count for count in (1, 100, 10_000) if count <= options.apps]
    with Node(folder / "node") as node:
        node.administer("deploy", "--app", "bench", HELLO)
    node.copy_app("bench", [f"bench-{number}" for number in range(counts[-1])])
    alone = peers.Server("run --http", [http_bench.BINARY, "run", "--http", "127.0.0.1:{port}", "--shards", "1",
                                        "--log-level", "off", HELLO])
    rounds = {"`run --http`, without a router": [], **{f"node, {count:,} apps in turn": [] for count in counts}}
    began = time.perf_counter()
    with node, alone:
        node.first_byte_ms("bench-0")
        start_ms = (time.perf_counter() - began) * 1e3
        for name in [f"bench-{number}" for number in range(counts[-1])]:
            node.first_byte_ms(name)
        for _ in range(options.rounds):
            for name, count in zip(rounds, [0, *counts]):
                rounds[name].append(load_apps(node if count else alone, folder, max(count, 1), options))
        resident = peers.resident_bytes(node.process.pid)
    results = {name: peers.median(measured) for name, measured in rounds.items()}
    lines = peers.comparison_table(results, next(iter(results))).split("\n")
    return [*lines, "", f"From the start of the process with {counts[-1]:,} apps in the store to the first answer "
            f"{start_ms:.0f} ms. Resident once every app had been asked: {resident / 1e6:.0f} MB."]


def cold(folder, options):
    lines = ["| program | first request after the node's start, ms, median (worst) | "
             "first request of one more app, ms, median (worst) |", "|---|--:|--:|"]
    names = [f"cold-{number}" for number in range(options.runs)]
    (folder / "php").mkdir()
    for name, target in (("C hello", HELLO), ("php-cgi 8.2", php(folder / "php"))):
        started, running = [], []
        node = Node(folder / name.split()[0])
        with node:
            node.administer("deploy", "--app", "bench", target)
        node.copy_app("bench", names)
        for _ in range(options.runs):
            with node:
                started.append(node.first_byte_ms("bench"))
        with node:
            node.first_byte_ms("bench")
            running = [node.first_byte_ms(one) for one in names]
        lines.append(f"| {name} | {spread(started, 2)} | {spread(running, 2)} |")
    return lines


def activate(folder, options):
    with Node(folder / "node") as node:
        for _ in range(2):
            node.administer("deploy", "--app", "bench", HELLO)
        seconds = options.seconds * options.rounds
        wrk = subprocess.Popen(
            peers.pin(1, ["wrk", "-t1", f"-c{options.connections}", f"-d{seconds}s", "-H", "Host: bench.localhost",
                          node.url]), stdout=subprocess.PIPE, text=True)
        switches = []
        while wrk.poll() is None:
            version = 1 + len(switches) % 2
            switches.append(timed_ms(lambda version=version: node.administer("app", "activate", "bench", version)))
        output = wrk.stdout.read()
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output).group(1)
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)", output)
    return [f"{len(switches)} switches in {seconds} s at {float(rate):,.0f} requests/s: "
            f"{failed.group(0) if failed else '0 failed requests'}; each {spread(switches)} ms, median (worst), "
            "with the start of the command."]


class Watcher(threading.Thread):
    """Asks a node a thousand times a second for the version it serves. `since`: of the last change, when the first
    answer of the new one was there."""

    def __init__(self, node):
        super().__init__(daemon=True)
        self.connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=60)
        self.state = (None, 0)
        self.ended = False
        self.start()

    def run(self):
        due = time.perf_counter()
        while not self.ended:
            self.connection.request("GET", "/", headers={"Host": "bench.localhost"})
            label = re.search(rb"^VERSION=(.*)$", self.connection.getresponse().read(), re.MULTILINE)
            if label and label.group(1) != self.state[0]:
                self.state = (label.group(1), time.perf_counter())
            due = max(due + 1e-3, time.perf_counter() - 1)
            time.sleep(max(due - time.perf_counter(), 0))

    def serves_since(self, version):
        deadline = time.monotonic() + 60
        while self.is_alive() and time.monotonic() < deadline:
            label, since = self.state
            if label == version.encode():
                return since
            time.sleep(1e-3)
        raise RuntimeError(f"a node does not serve version {version}")

    def end(self):
        self.ended = True
        self.join()


class AdminConnection(http.client.HTTPConnection):
    def __init__(self, node):
        super().__init__("node", timeout=60)
        self.path = str(node.data / "admin.sock")

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)

    def activate(self, version):
        """When it was acknowledged."""
        self.request("PUT", "/v1/apps/bench/active", json.dumps({"versions": [{"version": version}]}))
        answer = self.getresponse()
        text = answer.read()
        if answer.status // 100 != 2:
            raise RuntimeError(f"not activated: {text}")
        return time.perf_counter()


def changes_ms(folder, store, options):
    nodes = [Node(folder / name, store=store) for name in ("one", "two", "three")]
    with contextlib.ExitStack() as stack:
        for node in nodes:
            stack.enter_context(node)
        target = package(folder / "bench", ECHO)
        for version in ("1", "2"):
            (target / "app.yaml").write_text(
                f"kind: wasmer.io/App.v0\nname: bench\npackage: .\nenv:\n  VERSION: '{version}'\n")
            nodes[0].administer("deploy", target)
        watchers = [Watcher(node) for node in nodes]
        for watcher in watchers:
            stack.callback(watcher.end)
            watcher.serves_since("2")
        admin = AdminConnection(nodes[0])
        times = []
        for switch in range(options.runs):
            # Not in step with what the nodes do at fixed intervals.
            time.sleep(random.uniform(0.2, 1.2))
            version = 1 + switch % 2
            acknowledged = admin.activate(version)
            served = [watcher.serves_since(str(version)) for watcher in watchers]
            times.append(max(max(served) - acknowledged, 0) * 1e3)
    return times


def change(folder, options):
    lines = ["| store | from the acknowledged switch until the last of three nodes serves it, ms, median (worst) |",
             "|---|--:|"]
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {1})
    try:
        (folder / "files").mkdir()
        store = f'[store]\npath = "{folder}/store"\n'
        lines.append(f"| a folder | {spread(changes_ms(folder / 'files', store, options), 0)} |")
        if s3_server.PROGRAM.exists():
            (folder / "bucket").mkdir()
            for name in ("one", "two", "three"):
                (folder / "bucket" / name).mkdir()
                s3_server.write_keys(folder / "bucket" / name)
            server = s3_server.S3Server(folder)
            server.start()
            try:
                times = changes_ms(folder / "bucket", s3_server.config(server.port), options)
            finally:
                server.stop()
            lines.append(f"| S3 (versitygw on this machine) | {spread(times, 0)} |")
        else:
            print(f"{s3_server.PROGRAM} is not installed: S3 is not measured (./dev setup)")
    finally:
        os.sched_setaffinity(0, cores)
    return lines


def instances(folder, options):
    apps, each = max(options.apps // 10, 1), 10
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    node = Node(folder / "node", limits=f"instances = {apps * each + 100}\n")
    with node:
        node.administer("deploy", "--app", "bench", package(folder / "sleeper", SLEEPER))
    names = [f"many-{number}" for number in range(apps)]
    node.copy_app("bench", names)
    with node, contextlib.ExitStack() as stack:
        node.first_byte_ms("bench", "/fine")
        before = peers.resident_bytes(node.process.pid)
        for name in names * each:
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", node.port), timeout=60))
            connection.sendall(f"GET /sleep-later HTTP/1.1\r\nHost: {name}.localhost\r\n\r\n".encode())
            if not connection.recv(4096).startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"{name} did not start")
        after = peers.resident_bytes(node.process.pid)
    share = (after - before) / (apps * each) / 1e3
    return [f"{apps:,} apps with {each} instances each, {apps * each:,} requests at work: {after / 1e6:.0f} MB "
            f"resident, {share:.1f} kB for each instance with its connection and its share of the app."]


PARTS = {"deploy": deploy, "routing": routing, "cold": cold, "activate": activate, "change": change,
         "instances": instances}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--apps", type=int, default=10_000, help="the most apps of a node")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    options = parser.parse_args()
    for part in options.parts or PARTS:
        with tempfile.TemporaryDirectory() as name:
            lines = PARTS[part](pathlib.Path(name), options)
        note = (f"node of one shard pinned to core 0, clients to core 1; --runs {options.runs} "
                f"--seconds {options.seconds} --rounds {options.rounds}")
        report.publish(f"node-{part}", "\n".join(lines) + f"\n\n{report.conditions(note)}", options.write)


if __name__ == "__main__":
    main()
