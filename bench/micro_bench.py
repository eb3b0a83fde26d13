#!/usr/bin/env python3
"""Runs Google Benchmark programs (src/*/*_bench.cc) and prints one table.

usage: micro_bench.py NAME PROGRAM... [--filter REGEX] [--write]     NAME is the table's place in docs/benchmarks.md
"""

import argparse
import json
import subprocess

import peers
import report

_NANOSECONDS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}


def readable(nanoseconds):
    for limit, divisor, unit in ((1e3, 1, "ns"), (1e6, 1e3, "µs"), (1e9, 1e6, "ms")):
        if nanoseconds < limit:
            return f"{nanoseconds / divisor:.1f} {unit}"
    return f"{nanoseconds / 1e9:.2f} s"


def rows(program, pattern):
    command = [program, "--benchmark_format=json", "--benchmark_repetitions=5", "--benchmark_min_time=0.2",
               "--benchmark_report_aggregates_only=true", f"--benchmark_filter={pattern}"]
    finished = subprocess.run(peers.pin(0, command), capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise SystemExit(f"{program} failed\n{finished.stdout[-2000:]}\n{finished.stderr[-2000:]}")
    for entry in json.loads(finished.stdout)["benchmarks"]:
        if entry.get("aggregate_name") != "median":
            continue
        known = {"name", "run_name", "run_type", "repetitions", "threads", "iterations", "real_time", "cpu_time",
                 "time_unit", "aggregate_name", "aggregate_unit", "family_index", "per_family_instance_index",
                 "items_per_second"}
        scale = _NANOSECONDS[entry["time_unit"]]
        counters = ", ".join(f"{key} {value:,.3g}" for key, value in entry.items()
                             if key not in known and isinstance(value, (int, float)))
        if "items_per_second" in entry:
            counters = ", ".join(filter(None, [f"{readable(1e9 / entry['items_per_second'])} each", counters]))
        yield (f"| {entry['run_name']} | {readable(entry['real_time'] * scale)} | "
               f"{readable(entry['cpu_time'] * scale)} | {counters} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("programs", nargs="+")
    parser.add_argument("--filter", default=".*")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    options = parser.parse_args()
    lines = ["| benchmark | time | CPU | counters |", "|---|--:|--:|---|"]
    for program in options.programs:
        lines += rows(program, options.filter)
    note = "pinned to core 0, median of 5 repetitions"
    report.publish(options.name, "\n".join(lines) + f"\n\n{report.conditions(note)}", options.write)


if __name__ == "__main__":
    main()
