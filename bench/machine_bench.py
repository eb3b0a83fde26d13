#!/usr/bin/env python3
"""What threads, pipes, sockets and children cost a program: under Selvedge, natively, and under Wasmer.

usage: machine_bench.py [--rounds N] [--wasmer PROGRAM] [--only NAME] [--write]

The same C sources (bench/guests) become a WebAssembly and a native program; all take turns, on core 0 or the cores that
the row says, and the time is what the program itself measures with its monotonic clock. A dash: that runtime could not
run it.
"""

import argparse
import functools
import itertools
import os
import pathlib
import resource
import statistics
import subprocess
import tempfile

import peers
import report

BINARY = os.environ.get("SELVEDGE_BINARY", report.ROOT / "build/release/selvedge")
GUESTS = report.ROOT / "bench/guests"
ENTRY = report.ROOT / "examples/threads/thread_entry.s"
WASM = ["clang-22", "--target=wasm32-wasi", "-Wno-deprecated", "-O2", "-std=gnu17", "-I", report.ROOT / "sdk/include"]
LINUX = ["clang-22", "-O2", "-std=gnu17", "-I", GUESTS / "linux", "-pthread"]
FREESTANDING = ["-ffreestanding", "-matomics", "-mbulk-memory", "-nostdlib",
                "-Wl,--import-memory,--shared-memory,--max-memory=4194304,--export=wasi_thread_start"]
RUN_SECONDS_MAX = 120
FILES_MAX = 20_000

# program, name, operations, what the table says, the cores it may use
CASES = [
    ("threads", "create_and_join", 5_000, "thread: create and join", "0"),
    ("threads", "futex_ping_pong", 200_000, "futex: to another thread and back", "0"),
    ("threads", "sum_on_one_core", 400_000, "four threads compute on one core: a block of 1,000 steps", "0"),
    ("threads", "sum_on_two_cores", 400_000, "the same on two cores", "0,1"),
    ("machine", "spawn_and_wait", 300, "child: spawn and wait", "0"),
    ("machine", "pipe_block", 20_000, "pipe: 64 KiB to a child", "0"),
    ("machine", "tcp_block", 20_000, "TCP at 127.0.0.1: 64 KiB to a child", "0"),
    ("machine", "tcp_round_trip", 50_000, "TCP at 127.0.0.1: a byte to a child and back", "0"),
    ("machine", "epoll_wake", 100_000, "epoll: one of 10,000 sockets wakes", "0"),
]


def build(folder):
    def compile_(*command):
        subprocess.run(list(map(str, command)), check=True)
    compile_(*WASM, GUESTS / "machine.c", "-o", folder / "machine.wasm")
    compile_(*LINUX, GUESTS / "machine.c", "-o", folder / "machine")
    compile_(*WASM, *FREESTANDING, GUESTS / "threads.c", GUESTS / "threads_freestanding.c", ENTRY,
             "-o", folder / "threads.wasm")
    compile_(*LINUX, GUESTS / "threads.c", "-o", folder / "threads")


# Of the host, where a port that was just used is not free for a minute.
PORTS = itertools.cycle(range(20_000, 30_000, 8))


def arguments(program, own_path, name, count):
    return [own_path, name, count, next(PORTS)] if program == "machine" else [name, count]


def runners(folder, wasmer):
    """name -> (program, name, count) -> command"""
    def selvedge(program, name, count):
        return [BINARY, "run", "-q", "--file-limit", FILES_MAX, "--dir", f"{folder}::/programs:ro",
                folder / f"{program}.wasm", "--", *arguments(program, f"/programs/{program}.wasm", name, count)]

    def linux(program, name, count):
        return [folder / program, *arguments(program, folder / program, name, count)]

    def other(program, name, count):
        return [wasmer, "run", "--net", "--volume", f"{folder}:/programs", folder / f"{program}.wasm", "--",
                *arguments(program, f"/programs/{program}.wasm", name, count)]

    found = {"selvedge": selvedge, "Linux": linux}
    if wasmer:
        found["Wasmer"] = other
    return found


def nanoseconds(command, cores):
    """What the program printed; None when it failed."""
    try:
        finished = subprocess.run(peers.pin(cores, command), capture_output=True, text=True, check=False,
                                  stdin=subprocess.DEVNULL, timeout=RUN_SECONDS_MAX)
        return float(finished.stdout.strip())
    except (ValueError, subprocess.TimeoutExpired):
        return None


def measure(commands, cores, rounds):
    """runner -> median, the runners taking turns. One that fails once is not asked again."""
    results = {runner: [] for runner in commands}
    for _ in range(rounds):
        for runner, command in commands.items():
            if None not in results[runner]:
                results[runner].append(nanoseconds(command(), cores))
    return {runner: None if None in times else statistics.median(times) for runner, times in results.items()}


def readable(time):
    if time is None:
        return "–"
    return f"{time / 1e3:,.2f}" if time < 1e5 else f"{time / 1e3:,.0f}"


def row(text, medians):
    cells = [readable(medians["selvedge"])]
    for runner, time in medians.items():
        if runner != "selvedge":
            known = time is not None and medians["selvedge"] is not None
            cells += [readable(time), f"{medians['selvedge'] / time:.2f}" if known else ""]
    return f"| {text} | " + " | ".join(cells) + " |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--wasmer", help="the wasmer program to compare with")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES_MAX, max(FILES_MAX, hard)))
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        build(folder)
        known = runners(folder, options.wasmer)
        others = [runner for runner in known if runner != "selvedge"]
        lines = ["| operation | selvedge µs | " + " | ".join(f"{runner} µs | ratio" for runner in others) + " |",
                 "|---|--:|" + "--:|--:|" * len(others)]
        for program, case, count, text, cores in CASES:
            if options.only in case:
                commands = {runner: functools.partial(command, program, case, count)
                            for runner, command in known.items()}
                lines.append(row(text, measure(commands, cores, options.rounds)))
    note = f"pinned to core 0, or to both where the row says so, median of {options.rounds} interleaved rounds"
    report.publish("machine", "\n".join(lines) + f"\n\n{report.conditions(note)}", options.write)


if __name__ == "__main__":
    main()
