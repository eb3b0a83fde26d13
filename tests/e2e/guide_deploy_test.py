#!/usr/bin/env python3
"""The guide to deploying: its commands do what it says, and its table has every key that app.yaml's parser has."""

import re
import shutil
import tempfile
import unittest

import guide
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
        folder = self.enterContext(tempfile.TemporaryDirectory())
        first, *others = ports = [harness.free_port() for _ in range(3)]
        script = guide.script_of(GUIDE, 7, {**dict(zip(("8080", "8081", "8082"), ports, strict=True)),
                                            "/tmp/deploy": folder})
        script = guide.replace_pauses(script, guide.until_answered(folder, first),
                                      guide.until_answered(folder, *others))
        # The other node has heard.
        script = script.replace("sleep 1\n", f"curl -sf --retry 20 --retry-all-errors --retry-delay 1 "
                                             f"-o {folder}/first http://c-hello.localhost:{others[1]}/\n")
        done = guide.run(script)
        said = done.stdout.replace(str(first), "8080")
        self.assertTrue(said.startswith("No apps yet. Put one online: selvedge deploy FOLDER\n"), said)
        promised = re.search(r"^```\n(Deployed hello version 1\n.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
        guide.expect_in_order(said, (
            promised[1],
            "Deployed greeter version 1\n", "Deployed c-hello version 1\n", "Hello, Ada!",
            "Deployed hello version 2, not active\n  http://hello--v2.localhost:8080/\n",
            "Ada asks /\nGrace asks /\n", "hello now serves version 2\n", "Grace asks /\n",
            "hello now serves version 1 (90 %), 2 (10 %)\n", "hello now serves version 1\n", "Ada asks /\n",
            "active: 1\n", "Deployed hello version 3\n", "Grace asks /\n",
            "Deployed several version 1\n", "GET /, request 1\n", "Hello, Grace!",
            "Deleted hello\n404\n"))

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
