"""Pages of docs/ as tests: their shell blocks run as one script, in a folder and at ports of the test's own."""

import pathlib
import re
import subprocess

import harness


def blocks_of(page, at_least):
    """The text of its ```sh blocks, one after the other."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    if len(blocks) < at_least:
        raise AssertionError(f"{page} has {len(blocks)} blocks of commands, not {at_least}")
    return "".join(blocks)


def script_of(page, at_least, replaced):
    """Its commands with `replaced` (folders and ports of the page by the test's) in them."""
    script = blocks_of(page, at_least)
    for written, own in replaced.items():
        script = script.replace(written, str(own))
    # The program under test is not always the one that the page names.
    return script.replace("$PWD/build/release:", f"{pathlib.Path(harness.BINARY).resolve().parent}:")


def until_answered(folder, *ports):
    """A command, instead of a pause, that ends when somebody answers at each of the ports."""
    return "; ".join(f"curl -s --retry 100 --retry-connrefused --retry-delay 1 -o {folder}/first "
                     f"http://127.0.0.1:{port}/" for port in ports)


def replace_pauses(script, *commands):
    """The commands in the place of the script's `sleep 2`, of which there must be as many."""
    if script.count("sleep 2\n") != len(commands):
        raise AssertionError(f"{script.count('sleep 2')} pauses, not {len(commands)}")
    for command in commands:
        script = script.replace("sleep 2\n", command + "\n", 1)
    return script


def run(script):
    """The finished script, which must have succeeded. What it began in the background ends with it: the test would
    wait for its output."""
    script = "set -em\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + script
    done = subprocess.run(["bash", "-c", script], cwd=harness.SOURCE, capture_output=True, text=True, check=False,
                          timeout=harness.START_SECONDS_MAX)
    if done.returncode != 0:
        raise AssertionError(done.stdout + done.stderr)
    return done


def expect_in_order(text, lines):
    """Each of the lines stands behind the one before it."""
    rest = text
    for line in lines:
        if line not in rest:
            raise AssertionError(f"{line!r} is not in\n{rest}\nof\n{text}")
        rest = rest[rest.index(line) + len(line):]
