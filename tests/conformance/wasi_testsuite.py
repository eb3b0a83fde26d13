#!/usr/bin/env python3
"""Runs the WebAssembly/wasi-testsuite against the real binary: preview 1 (branch prod/testsuite-base), and wasi-threads
where the checkout has it (branch prod/testsuite-all).

WASI_TESTSUITE_DIR names a checkout of the suite; without it the test is skipped (exit code 77), and says so. The
format of the specifications is in the suite's doc/specification.md; preview 1 tests use the form with args, env, root,
exit_code, stdout and stderr. Each test gets a fresh copy of its root folder, so tests neither see each other nor change
the checkout.

  WASI_TESTSUITE_DIR=... SELVEDGE_BINARY=build/release/selvedge tests/conformance/wasi_testsuite.py [name-part...]
"""

import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77
TEST_SECONDS_MAX = 60
# Name of a suite and its folder in the checkout.
SUITES = {
    **{name: f"tests/{name}/testsuite/wasm32-wasip1" for name in ("c", "rust", "assemblyscript")},
    "wasi-threads": "tests/proposals/wasi-threads",
}


def run_test(runner, wasm, scratch):
    """The reasons for which the test fails; empty when it passes."""
    specification = wasm.with_suffix(".json")
    expected = json.loads(specification.read_text()) if specification.exists() else {}
    command = list(runner)
    for key, value in expected.get("env", {}).items():
        command += ["--env", f"{key}={value}"]
    # A folder as the root. Older checkouts name it: tests that take the name as an argument look for that very preopen.
    arguments = expected.get("args", [])
    folders = {name: "/" if name in arguments else f"/{name}" for name in expected.get("dirs", [])}
    arguments = [folders.get(argument, argument) for argument in arguments]
    if expected.get("root"):
        folders = {expected["root"]: "/"}
    for folder, guest_path in folders.items():
        copy = scratch / wasm.stem / folder
        shutil.copytree(wasm.parent / folder, copy, symlinks=True)
        command += ["--dir", f"{copy}::{guest_path}"]
    command += [str(wasm), *arguments]
    # wasi-threads: some end a thread that waits for input, so there is none and it does not end.
    silence = None if "wasi-threads" not in wasm.parts else os.pipe()
    try:
        result = subprocess.run(command, stdin=silence[0] if silence else subprocess.DEVNULL, capture_output=True,
                                timeout=TEST_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        return [f"did not end within {TEST_SECONDS_MAX} s"]
    finally:
        for descriptor in silence or ():
            os.close(descriptor)
    reasons = []
    wanted_code = expected.get("exit_code", 0)
    if result.returncode != wanted_code:
        reasons.append(f"exit code {result.returncode}, not {wanted_code}")
    for stream in ("stdout", "stderr"):
        got = getattr(result, stream).decode(errors="replace")
        if stream in expected and got != expected[stream]:
            reasons.append(f"{stream} {got!r}, not {expected[stream]!r}")
    if reasons and result.stderr:
        reasons.append(result.stderr.decode(errors="replace").strip())
    return reasons


def main():
    suite = os.environ.get("WASI_TESTSUITE_DIR")
    if not suite:
        print("SKIPPED: WASI_TESTSUITE_DIR names no checkout of WebAssembly/wasi-testsuite (prod/testsuite-base)")
        return SKIPPED
    binary = os.environ.get("SELVEDGE_BINARY", "build/release/selvedge")
    runner = shlex.split(os.environ.get("SELVEDGE_WASI_RUNNER", f"{shlex.quote(binary)} run"))
    parts = sys.argv[1:]
    passed, failed = {name: 0 for name in SUITES}, []
    with tempfile.TemporaryDirectory(prefix="wasi-testsuite-") as folder:
        for name, place in SUITES.items():
            tests = sorted(pathlib.Path(suite, place).glob("*.wasm"))
            scratch = pathlib.Path(folder, name)
            scratch.mkdir()
            for wasm in tests:
                if parts and not any(part in wasm.stem for part in parts):
                    continue
                reasons = run_test(runner, wasm, scratch)
                if reasons:
                    failed.append(f"{name}/{wasm.stem}")
                    print(f"FAILED {name}/{wasm.stem}: " + "\n    ".join(reasons), flush=True)
                else:
                    passed[name] += 1
    print("passed: " + ", ".join(f"{name} {count}" for name, count in passed.items()) + f"; failed: {len(failed)}")
    if not failed and sum(passed.values()) == 0:
        print(f"FAILED: there are no tests under {suite}")
        return 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
