#!/usr/bin/env python3
"""The guide to looking after apps: its commands do what it says."""

import re
import shutil
import tempfile
import unittest

import guide
import harness

GUIDE = harness.SOURCE / "docs/guide-observe.md"
harness.require(harness.BINARY, GUIDE)
for tool in ("clang-22", "curl"):
    if shutil.which(tool) is None:
        harness.skip(f"{tool} is not installed")


class GuideTest(unittest.TestCase):
    def test_its_commands_print_what_they_should(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        port = str(harness.free_port())
        script = guide.script_of(GUIDE, 5, {"8080": port, "/tmp/observe": folder})
        script = guide.replace_pauses(script, guide.until_answered(folder, port))
        # Instead of a pause: the follower has begun, its line has come.
        script = script.replace("curl http://site.localhost:" + port + "/followed\nsleep 1\n",
                                f"until grep -q followed {folder}/followed; do curl -s -o {folder}/first "
                                f"http://site.localhost:{port}/followed; done\n")
        done = guide.run(script)
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
                        r'selvedge_app_requests_total\{app="site",version="1",class="2xx"\} ([2-9]|\d\d+)\n',
                        r'selvedge_app_requests_total\{app="site",version="1",class="5xx"\} 1\n'):
            found = re.search(pattern, rest)
            self.assertTrue(found, f"{pattern} in\n{done.stdout}")
            rest = rest[found.start() + 1:]


if __name__ == "__main__":
    unittest.main(verbosity=2)
