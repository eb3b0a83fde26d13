#!/usr/bin/env python3
"""The guide to deploying: its commands do what it says, and its table has every key that app.yaml's parser has."""

import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import harness

GUIDE = harness.SOURCE / "docs/guide-deploy.md"
PARSER = harness.SOURCE / "src/app/app_config.cc"
READERS = harness.SOURCE / "src/app/internal"  # of keys that are lists of mappings
harness.require(harness.BINARY, GUIDE, harness.SOURCE / "examples/c-hello/hello.wasm")
for tool in ("clang-22", "curl"):
    if shutil.which(tool) is None:
        harness.skip(f"{tool} is not installed")


class GuideTest(unittest.TestCase):
    def test_its_commands_print_what_they_should(self):
        blocks = re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
        self.assertGreater(len(blocks), 6)
        folder = self.enterContext(tempfile.TemporaryDirectory())
        script = "set -em\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + "".join(blocks)
        first, *others = ports = [str(harness.free_port()) for _ in range(3)]
        for written, free in zip(("8080", "8081", "8082"), ports, strict=True):
            script = script.replace(written, free)
        script = script.replace("/tmp/deploy", folder)
        # The program under test is not always the one that the guide names.
        script = script.replace("$PWD/build/release:", f"{pathlib.Path(harness.BINARY).resolve().parent}:")

        def ready(*of):
            return "; ".join(f"curl -s --retry 100 --retry-connrefused --retry-delay 1 -o {folder}/first "
                             f"http://127.0.0.1:{port}/" for port in of)
        # Instead of pauses: the ports answer, the other node has heard.
        self.assertEqual(script.count("sleep 2\n"), 2)
        script = script.replace("sleep 2\n", ready(first) + "\n", 1).replace("sleep 2\n", ready(*others) + "\n", 1)
        script = script.replace("sleep 1\n", f"curl -sf --retry 20 --retry-all-errors --retry-delay 1 "
                                             f"-o {folder}/first http://c-hello.localhost:{others[1]}/\n")
        done = subprocess.run(["bash", "-c", script], cwd=harness.SOURCE, capture_output=True, text=True, check=False,
                              timeout=harness.START_SECONDS_MAX)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        said = done.stdout.replace(first, "8080")
        self.assertTrue(said.startswith("No apps yet. Put one online: selvedge deploy FOLDER\n"), said)
        promised = re.search(r"^```\n(Deployed hello version 1\n.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
        rest = said
        for line in (promised[1],  # what follows is in this order
                     "Deployed greeter version 1\n", "Deployed c-hello version 1\n", "Hello, Ada!",
                     "Deployed hello version 2, not active\n  http://hello--v2.localhost:8080/\n",
                     "Ada asks /\nGrace asks /\n", "hello now serves version 2\n", "Grace asks /\n",
                     "hello now serves version 1 (90 %), 2 (10 %)\n", "hello now serves version 1\n", "Ada asks /\n",
                     "active: 1\n", "Deployed hello version 3\n", "Grace asks /\n", "Hello, Grace!",
                     "Deleted hello\n404\n"):
            self.assertIn(line, rest)
            rest = rest[rest.index(line) + len(line):]

    def test_its_table_has_every_key(self):
        section = GUIDE.read_text().split("## What app.yaml's keys do here")[1].split("\n## ")[0]
        rows = re.findall(r"^\| (`[^|]*`) \| (.*) \|$", section, re.MULTILINE)
        told = {key: effect for names, effect in rows for key in re.findall(r"`([a-z_.]+)`", names)}
        functions = re.split(r"^\w.*AppConfigParser::", PARSER.read_text(), flags=re.MULTILINE)
        functions[-1] = functions[-1].split("\n}\n")[0]
        keys = set()
        idle = set()
        for function in functions:
            for owner, method, key in re.findall(
                    r'(\w+)(?:\.|->)(text|texts|map|integer|duration|bytes|environment|without_effect|find)\("(\w+)"',
                    function):
                # A mapping has rows for its keys.
                if method != "map":
                    parent = "capabilities.memory" if owner == "memory" else owner
                    path = key if owner == "root" else f"{parent}.{key}"
                    keys.add(path)
                    if method == "without_effect":
                        idle.add(path)
        for reader in READERS.glob("*_reader.cc"):
            keys |= set(re.findall(r'root\.maps\("(\w+)"', reader.read_text()))
        ignored = set(re.findall(r'"(\w+)"', re.search(r"for \(const auto\* key : \{(.*?)\}", PARSER.read_text())[1]))
        self.assertGreater(len(keys), 25)
        self.assertEqual(keys | ignored, set(told))
        self.assertEqual({key for key in told if told[key].startswith("no effect")}, idle | ignored)


if __name__ == "__main__":
    unittest.main(verbosity=2)
