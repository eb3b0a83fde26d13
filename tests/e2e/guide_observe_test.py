#!/usr/bin/env python3
"""The guide to looking after apps: its commands do what it says."""

import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import harness

GUIDE = harness.SOURCE / "docs/guide-observe.md"
harness.require(harness.BINARY, GUIDE)
for tool in ("clang-22", "curl"):
    if shutil.which(tool) is None:
        harness.skip(f"{tool} is not installed")


class GuideTest(unittest.TestCase):
    def test_its_commands_print_what_they_should(self):
        blocks = re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
        self.assertGreater(len(blocks), 4)
        folder = self.enterContext(tempfile.TemporaryDirectory())
        script = "set -em\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + "".join(blocks)
        port = str(harness.free_port())
        script = script.replace("8080", port).replace("/tmp/observe", folder)
        # The program under test is not always the one that the guide names.
        script = script.replace("$PWD/build/release:", f"{pathlib.Path(harness.BINARY).resolve().parent}:")
        # Instead of pauses: the port answers; the follower has begun; its line has come.
        self.assertEqual(script.count("sleep 2\n"), 1)
        script = script.replace("sleep 2\n", f"curl -s --retry 100 --retry-connrefused --retry-delay 1 "
                                             f"-o {folder}/first http://127.0.0.1:{port}/\n")
        script = script.replace("curl http://site.localhost:" + port + "/followed\nsleep 1\n",
                                f"until grep -q followed {folder}/followed; do curl -s -o {folder}/first "
                                f"http://site.localhost:{port}/followed; done\n")
        # The log is written a moment after the answer.
        script = script.replace("selvedge app logs site\n",
                                "until selvedge app logs site | grep -q 'GET /broken 502'; do true; done\n"
                                "selvedge app logs site\n", 1)
        done = subprocess.run(["bash", "-c", script], cwd=harness.SOURCE, capture_output=True, text=True, check=False,
                              timeout=harness.START_SECONDS_MAX)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        rest = done.stdout
        for pattern in (r"fine\n", r"HTTP/1.1 502 Bad Gateway", r"(?i)\nx-request-id: \w+",
                        r"Z v1 stderr +\w+ asked for /\n",
                        r"Z v1 request +\w+ GET / 200 5 bytes \d+\.\d+ ms, cold start\n",
                        r"Z v1 stderr +\w+ asked for /broken\n",
                        r"Z v1 platform \w+ exited with code 3 before it sent a complete head\n",
                        r"Z v1 request +\w+ GET /broken 502 \d+ bytes \d+\.\d+ ms(, cold start)?\n",
                        r"\n20\S+Z v1 platform \w+ exited with code 3", r"\n20\S+Z v1 request +\w+ GET /broken 502",
                        r'\n\{.*"stream":"stderr".*"text":"asked for /".*\}\n',
                        r"Z v1 stderr +\w+ asked for /followed\n",
                        r'selvedge_app_requests_total\{app="site",version="1",class="none"\} \d+\n',
                        r'selvedge_app_requests_total\{app="site",version="1",class="2xx"\} [2-9]\d*\n',
                        r'selvedge_app_requests_total\{app="site",version="1",class="5xx"\} 1\n'):
            found = re.search(pattern, rest)
            self.assertTrue(found, f"{pattern} in\n{done.stdout}")
            rest = rest[found.start() + 1:]


if __name__ == "__main__":
    unittest.main(verbosity=2)
