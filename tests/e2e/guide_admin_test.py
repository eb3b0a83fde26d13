#!/usr/bin/env python3
"""The guide to administration over a network: its commands do what it says."""

import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import harness

GUIDE = harness.SOURCE / "docs/guide-admin.md"
harness.require(harness.BINARY, GUIDE, harness.SOURCE / "examples/c-hello/hello.wasm")
for tool in ("curl", "openssl"):
    if shutil.which(tool) is None:
        harness.skip(f"{tool} is not installed")


class GuideTest(unittest.TestCase):
    def test_its_commands_print_what_they_should(self):
        blocks = re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
        self.assertGreater(len(blocks), 6)
        folder = self.enterContext(tempfile.TemporaryDirectory())
        script = "set -em\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + "".join(blocks)
        http, admin = str(harness.free_port()), str(harness.free_port())
        script = script.replace("8080", http).replace("7443", admin).replace("/tmp/remote", folder)
        # The program under test is not always the one that the guide names.
        script = script.replace("$PWD/build/release:", f"{pathlib.Path(harness.BINARY).resolve().parent}:")
        # Instead of a pause: the port answers.
        self.assertEqual(script.count("sleep 2\n"), 1)
        script = script.replace("sleep 2\n", f"curl -s --retry 100 --retry-connrefused --retry-delay 1 "
                                             f"-o {folder}/first http://127.0.0.1:{http}/\n")
        done = subprocess.run(["bash", "-c", script], cwd=harness.SOURCE, capture_output=True, text=True, check=False,
                              timeout=harness.START_SECONDS_MAX)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        found = re.search(rf"^Admin API on the network: https://127.0.0.1:{admin}#sha256:([0-9a-f]{{64}})$",
                          done.stdout, re.MULTILINE)
        self.assertIsNotNone(found, done.stdout)
        token = re.search(r"^([0-9a-f]{16})  ci               deploy, apps site        until \d{4}-", done.stdout,
                          re.MULTILINE)
        self.assertIsNotNone(token, done.stdout)
        self.assertNotIn("slv_", done.stdout)
        rest = done.stdout
        for line in ("Deployed site version 1\n", "Hello, ", "site ", '"name":"site"',
                     f"{found[1]}  -\n", "POST   /v1/apps/site/versions  token " + token[1] + " (ci), from 127.0.0.1",
                     "done, version 1\n", "DELETE /v1/apps/site", f"Revoked {token[1]}"):
            self.assertIn(line, rest)
            rest = rest[rest.index(line) + len(line):]
        said = done.stderr
        for line in (f"Token {token[1]} (deploy, apps site; until", "this takes one of scope admin\n",
                     f"the certificate of https://localhost:{admin} is not trusted",
                     f"the token {token[1]} was revoked: ask for a new one\n"):
            self.assertIn(line, said)
            said = said[said.index(line) + len(line):]


if __name__ == "__main__":
    unittest.main()
