"""The conditions of a run, and docs/benchmarks.md: each table lies between <!-- bench:NAME --> and <!-- /bench -->."""

import datetime
import os
import pathlib
import platform
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs/benchmarks.md"


def _output(*command):
    try:
        finished = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    except OSError:
        return ""
    return (finished.stdout + finished.stderr).strip().split("\n")[0]


def _processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().split("\n"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def conditions(*notes):
    today = datetime.datetime.now(datetime.timezone.utc).date()
    commit = _output("git", "rev-parse", "--short", "HEAD")
    load = os.getloadavg()[0]
    facts = [f"{today}, commit {commit}", f"{_processor()}, {os.cpu_count()} cores (virtual machine)",
             f"Linux {platform.release()}", f"load average at the end {load:.1f}", *notes]
    return "Conditions: " + "; ".join(facts) + "."


def publish(name, text, write):
    print(text)
    if not write:
        return
    document = DOCUMENT.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- bench:{re.escape(name)} -->\n).*?(<!-- /bench -->)", re.DOTALL)
    if not pattern.search(document):
        raise SystemExit(f"{DOCUMENT} has no place for bench:{name}")
    DOCUMENT.write_text(pattern.sub(lambda found: found.group(1) + text + "\n" + found.group(2), document),
                        encoding="utf-8")
    print(f"written to {DOCUMENT.relative_to(ROOT)}")
