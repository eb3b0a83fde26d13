#!/usr/bin/env python3
"""Answers over HTTP/1.1, next to nginx, workerd and Wasmer.

usage: http_bench.py gateway|wcgi|proxy [--seconds N] [--rounds N] [--connections N] [--wasmer PROGRAM] [--write]

gateway   the health route: what the gateway itself costs, next to nginx `return 200`
wcgi      a C program under WCGI, a fresh instance for each request, next to nginx and workerd
proxy     examples/http-server behind the gateway, next to nginx before the same server built natively, and to the same
          program under Wasmer without anything before it
"""

import argparse
import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile

import peers
import report

BINARY = pathlib.Path(os.environ.get("SELVEDGE_BINARY", report.ROOT / "build/release/selvedge"))
GUESTS = pathlib.Path(os.environ.get("SELVEDGE_GUESTS", report.ROOT / "build/release/guests"))
HEALTH = "/.well-known/selvedge/health"


def selvedge(name, path):
    command = [BINARY, "run", "--http", "127.0.0.1:{port}", "--shards", "1", GUESTS / "wcgi_hello.wasm"]
    return peers.Server(name, command, path)


def build(source, program, *options):
    subprocess.run(["clang-22", "-O2", "-std=gnu17", *options, source, "-o", program], check=True)


def kernel_alone(folder):
    build(report.ROOT / "bench/native/fixed_answer.c", folder / "fixed_answer")
    return peers.Server("epoll_wait, recv and send, nothing parsed", [folder / "fixed_answer"], env={"PORT": "{port}"})


def proxied(folder, wasmer):
    example = report.ROOT / "examples/http-server"
    build(example / "server.c", folder / "server", "-D_GNU_SOURCE", "-I", report.ROOT / "bench/guests/linux")
    native = peers.Server("native server", [folder / "server"], env={"PORT": "{port}"})
    servers = [peers.nginx_before(folder, native),
               peers.Server("selvedge, the same as a guest",
                            [BINARY, "run", "--http", "127.0.0.1:{port}", example])]
    if wasmer:
        servers.append(peers.Server("Wasmer, the same guest alone",
                                    [wasmer, "run", "--net", "--env", "PORT={port}", example / "server.wasm"]))
    return servers


def contestants(what, folder, wasmer):
    if what == "proxy":
        return proxied(folder, wasmer)
    nginx = peers.nginx(folder)
    if what == "gateway":
        return [nginx, kernel_alone(folder), selvedge("selvedge, health route", HEALTH)]
    servers = [nginx, kernel_alone(folder), selvedge("selvedge, C hello, fresh instance", "/")]
    program = shutil.which("workerd", path=os.environ.get("SELVEDGE_NODE_BIN", "")) or shutil.which("workerd")
    if program is None:
        print("workerd is not installed: not measured (./dev bench wcgi installs it)")
    else:
        servers.append(peers.workerd(folder, program))
    return servers


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["gateway", "wcgi", "proxy"])
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--wasmer", help="the wasmer program to compare with")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        servers = contestants(options.what, pathlib.Path(folder), options.wasmer)
        for server in servers:
            stack.enter_context(server)
        results = peers.compare(servers, options.connections, options.seconds, options.rounds)
    table = peers.comparison_table(results, servers[0].name)
    note = (f"servers pinned to core 0, wrk to core 1, {options.connections} connections, median of "
            f"{options.rounds} interleaved rounds of {options.seconds} s")
    report.publish(options.what, f"{table}\n\n{report.conditions(note)}", options.write)


if __name__ == "__main__":
    main()
