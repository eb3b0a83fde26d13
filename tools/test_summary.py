#!/usr/bin/env python3
"""Counts test results and prints the closing line "N passed, N failed".

usage: test_summary.py PRESET...   reads build/PRESET/test-results/{ctest.xml,*.xml}

ctest.xml has one entry per registered test. A GoogleTest program is one such entry but many tests: its own report,
named after the program, is counted instead. A program that failed without a failed test in its report (it crashed, or
ran into the time limit) counts as one failure. No results at all is a failure too.
"""

import pathlib
import sys
import xml.etree.ElementTree as ElementTree


class Counts:
    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.skipped = 0
        self.names_failed = []
        self.names_skipped = []

    def add(self, name, state):
        if state == "passed":
            self.passed += 1
        elif state == "skipped":
            self.skipped += 1
            self.names_skipped.append(name)
        else:
            self.failed += 1
            self.names_failed.append(name)


def gtest_case_state(case):
    if case.find("failure") is not None:
        return "failed"
    if case.find("skipped") is not None or case.get("result") == "skipped":
        return "skipped"
    if case.get("status") == "notrun":
        return None  # disabled or filtered out
    return "passed"


def count_gtest(report, name, counts):
    """Returns how many tests of the report failed, or None when there is no readable report."""
    try:
        tree = ElementTree.parse(report)
    except (OSError, ElementTree.ParseError):
        return None
    failed = 0
    for case in tree.iter("testcase"):
        state = gtest_case_state(case)
        if state is None:
            continue
        failed += state == "failed"
        counts.add(f"{name}: {case.get('classname')}.{case.get('name')}", state)
    return failed


def count_ctest(results, counts):
    try:
        tree = ElementTree.parse(results / "ctest.xml")
    except (OSError, ElementTree.ParseError) as error:
        counts.add(f"{results}: no results ({error})", "failed")
        return
    cases = list(tree.iter("testcase"))
    if not cases:
        counts.add(f"{results}: no tests ran", "failed")
    for case in cases:
        name = case.get("name")
        status = case.get("status")
        if status == "disabled":
            continue
        state = "passed" if status == "run" and case.find("failure") is None else "failed"
        if status == "notrun" and case.find("skipped") is not None:
            message = case.find("skipped").get("message") or ""
            # CTest also calls a test "skipped" whose program does not exist: that is a failure.
            state = "skipped" if "SKIP_" in message else "failed"
        report = results / f"selvedge_{name}_test.xml"
        failed_inside = count_gtest(report, name, counts) if report.exists() else None
        if failed_inside is None:
            counts.add(name, state)
        elif state == "failed" and failed_inside == 0:
            counts.add(f"{name} (the program ended badly)", "failed")


def summarize(folders, out=sys.stdout):
    counts = Counts()
    for folder in folders:
        count_ctest(pathlib.Path(folder), counts)
    for name in counts.names_skipped:
        print(f"SKIPPED  {name}", file=out)
    for name in counts.names_failed:
        print(f"FAILED   {name}", file=out)
    print(f"{counts.passed} passed, {counts.failed} failed", file=out)
    return 1 if counts.failed or not counts.passed else 0


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    return summarize([root / "build" / preset / "test-results" for preset in sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
