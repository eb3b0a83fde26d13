#!/usr/bin/env python3
"""How long a large interpreter takes to its first byte: in a running server, next to `wasmtime run` of its AOT file.

usage: start_bench.py [--runs N] [--wasmtime PROGRAM] [--write]

Both run the same module with the same script and the same environment, from a warm cache: Selvedge answers an HTTP
request (each one a fresh instance); wasmtime is a new process that maps the artifact it compiled before. The clock runs
from sending the request (or starting the process) to the first byte of the program's output.
"""

import argparse
import os
import pathlib
import socket
import statistics
import subprocess
import tempfile
import time

import peers
import report

BINARY = pathlib.Path(os.environ.get("SELVEDGE_BINARY", report.ROOT / "build/release/selvedge"))
FETCHED = pathlib.Path(os.environ.get("SELVEDGE_CACHE_GUESTS", pathlib.Path.home() / ".cache/selvedge/guests"))

_MANIFEST = """
[package]
name = "bench/start"
version = "0.1.0"
[fs]
{mounts}
[[module]]
name = "program"
source = "program.wasm"
[[command]]
name = "program"
module = "program"
runner = "wcgi"
[command.annotations.wasi]
main-args = [{arguments}]
env = [{env}]
"""



def quoted(items):
    return ", ".join(f'"{item}"' for item in items)


class Program:
    """A module with the arguments and environment that make it answer one CGI request."""

    def __init__(self, name, module, folders, arguments, env):
        self.name = name
        self.module = FETCHED / module
        self.folders = folders  # guest path -> host folder, copied into the package
        self.arguments = arguments
        self.env = env

    def package(self, folder):
        folder.mkdir()
        (folder / "program.wasm").write_bytes(self.module.read_bytes())
        mounts = []
        for index, (guest, host) in enumerate(self.folders.items()):
            subprocess.run(["cp", "-r", host, folder / f"mount{index}"], check=True)
            mounts.append(f'"{guest}" = "mount{index}"')
        (folder / "wasmer.toml").write_text(_MANIFEST.format(
            mounts="\n".join(mounts), arguments=quoted(self.arguments),
            env=quoted(f"{key}={value}" for key, value in self.env.items())))
        return folder

    def wasmtime_command(self, wasmtime, artifact):
        command = [wasmtime, "run", "--allow-precompiled"]
        for guest, host in self.folders.items():
            command += ["--dir", f"{host}::{guest}"]
        cgi = {"GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": "GET", "REDIRECT_STATUS": "200",
               "SCRIPT_FILENAME": "/app/index.php", "SCRIPT_NAME": "/index.php", "REQUEST_URI": "/"}
        for key, value in {**cgi, **self.env}.items():
            command += ["--env", f"{key}={value}"]
        return [*command, str(artifact), *self.arguments]


def request_seconds(port):
    request = b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        began = time.perf_counter()
        connection.sendall(request)
        first = connection.recv(65536)
        elapsed = time.perf_counter() - began
        while connection.recv(65536):
            pass
    if not first.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"bad answer: {first[:200]!r}")
    return elapsed


def process_seconds(command):
    began = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        first = process.stdout.read(1)
        elapsed = time.perf_counter() - began
        process.stdout.read()
    if not first or process.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}")
    return elapsed


def measure(program, folder, options):
    """(ours, theirs) in milliseconds, medians of runs that take turns."""
    ours, theirs = [], []
    artifact = folder / "program.cwasm"
    if options.wasmtime:
        subprocess.run([options.wasmtime, "compile", program.module, "-o", artifact], check=True)
    package = program.package(folder / "package")
    server = peers.Server(program.name, [BINARY, "run", "--http", "127.0.0.1:{port}", "--shards", "1", package])
    with server:
        for _ in range(3):
            request_seconds(server.port)
        for _ in range(options.runs):
            ours.append(request_seconds(server.port) * 1e3)
            if options.wasmtime:
                command = peers.pin(0, program.wasmtime_command(options.wasmtime, artifact))
                theirs.append(process_seconds(command) * 1e3)
    return ours, theirs


def median_and_p90(runs):
    if not runs:
        return "not measured"
    return f"{statistics.median(runs):.1f} ({statistics.quantiles(runs, n=10)[8]:.1f})"


def programs(folder):
    php = folder / "php"
    python = folder / "python"
    php.mkdir()
    python.mkdir()
    (php / "index.php").write_text("<?php echo 1;\n")
    (python / "main.py").write_text('print("Content-Type: text/plain\\r\\n\\r\\n1")\n')
    return [
        Program("php-cgi 8.2", "php-cgi.wasm", {"/app": php}, [], {"DOCUMENT_ROOT": "/app"}),
        Program("CPython 3.11", "python.wasm",
                {"/app": python, "/usr/local/lib": FETCHED / "python/usr/local/lib"}, ["/app/main.py"],
                {"PYTHONHOME": "/usr/local", "PYTHONDONTWRITEBYTECODE": "1"}),
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--wasmtime", help="the wasmtime program to compare with")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    options = parser.parse_args()
    lines = ["| program | selvedge, in a running server, ms (p90) | `wasmtime run` of its AOT file, ms (p90) | ratio |",
             "|---|--:|--:|--:|"]
    with tempfile.TemporaryDirectory() as name:
        for index, program in enumerate(programs(pathlib.Path(name))):
            folder = pathlib.Path(name) / str(index)
            folder.mkdir()
            ours, theirs = measure(program, folder, options)
            cells = [median_and_p90(runs) for runs in (ours, theirs)]
            ratio = f"{statistics.median(ours) / statistics.median(theirs):.2f}" if theirs else ""
            lines.append(f"| {program.name}, to its first byte | {cells[0]} | {cells[1]} | {ratio} |")
    note = f"server and wasmtime pinned to core 0, {options.runs} runs taking turns, medians"
    report.publish("start", "\n".join(lines) + f"\n\n{report.conditions(note)}", options.write)


if __name__ == "__main__":
    main()
