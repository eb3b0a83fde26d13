#!/usr/bin/env python3
"""What guests notice of one that takes without end: their latency beside it, against their latency alone.

usage: neighbours_bench.py [--seconds N] [--rounds N] [--connections N] [--write]

One shard. The others are fresh instances that answer at once; beside them runs one request that does the same thing
over and over (tests/guests/flood.c, thread_flood.wat). Alone and beside take turns.
"""

import argparse
import pathlib
import shutil
import socket
import statistics
import tempfile

import http_bench
import peers
import report

WAYS = ("children", "descriptors", "pipe", "sockets", "epoll", "signals", "deadlock", "memory")
MANIFEST = """
[package]
name = "bench/flood"
version = "1.0.0"
[[module]]
name = "flood"
source = "flood.wasm"
[[command]]
name = "flood"
module = "flood"
runner = "wcgi"
"""


def server(target):
    command = [http_bench.BINARY, "run", "--http", "127.0.0.1:{port}", "--shards", "1", "--time-limit", "300s",
               "--log-level", "off", target]
    return peers.Server(f"selvedge {target.name}", command, "/fine")


def beside(running, way, options):
    """One round beside a flood, which ends with its connection."""
    with socket.create_connection(("127.0.0.1", running.port)) as connection:
        connection.sendall(f"GET /{way} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        return peers.load(running, options.connections, options.seconds)


def rows(running, ways, options):
    with running:
        peers.load(running, options.connections, 1)  # not measured
        for way in ways:
            alone, disturbed = [], []
            for _ in range(options.rounds):
                alone.append(peers.load(running, options.connections, options.seconds))
                disturbed.append(beside(running, way, options))
            cells = []
            for field in ("p50_ms", "p99_ms"):
                before, after = (statistics.median(getattr(measured, field) for measured in measurements)
                                 for measurements in (alone, disturbed))
                cells += [f"{before:.2f}", f"{after:.2f}", f"{after / before:.2f}"]
            yield f"| {way} | " + " | ".join(cells) + " |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=100)
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    options = parser.parse_args()
    lines = ["| beside it | p50 ms alone | beside | ratio | p99 ms alone | beside | ratio |",
             "|---|--:|--:|--:|--:|--:|--:|"]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "wasmer.toml").write_text(MANIFEST)
        shutil.copy(http_bench.GUESTS / "flood.wasm", folder)
        lines += rows(server(folder), WAYS, options)
        lines += rows(server(http_bench.GUESTS / "thread_flood.wat"), ["threads"], options)
    note = (f"server pinned to core 0, wrk to core 1, {options.connections} connections, median of {options.rounds} "
            f"interleaved rounds of {options.seconds} s")
    report.publish("neighbours", "\n".join(lines) + f"\n\n{report.conditions(note)}", options.write)


if __name__ == "__main__":
    main()
