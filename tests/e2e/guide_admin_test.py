#!/usr/bin/env python3
"""The guide to administration over a network: its commands do what it says."""

import re
import shutil
import tempfile
import unittest

import guide
import harness

GUIDE = harness.SOURCE / "docs/guide-admin.md"
harness.require(harness.BINARY, GUIDE, harness.SOURCE / "examples/c-hello/hello.wasm")
for tool in ("curl", "openssl"):
    if shutil.which(tool) is None:
        harness.skip(f"{tool} is not installed")


class GuideTest(unittest.TestCase):
    def test_its_commands_print_what_they_should(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        http, admin = str(harness.free_port()), str(harness.free_port())
        script = guide.script_of(GUIDE, 7, {"8080": http, "7443": admin, "/tmp/remote": folder})
        done = guide.run(guide.replace_pauses(script, guide.until_answered(folder, http)))
        found = re.search(rf"^Admin API on the network: https://127.0.0.1:{admin}#sha256:([0-9a-f]{{64}})$",
                          done.stdout, re.MULTILINE)
        self.assertIsNotNone(found, done.stdout)
        token = re.search(r"^([0-9a-f]{16})  ci               deploy, apps site        until \d{4}-", done.stdout,
                          re.MULTILINE)
        self.assertIsNotNone(token, done.stdout)
        self.assertNotIn("slv_", done.stdout)
        guide.expect_in_order(done.stdout, (
            "Deployed site version 1\n", "Hello, ", "site ", '"name":"site"', f"{found[1]}  -\n",
            "POST   /v1/apps/site/versions  token " + token[1] + " (ci), from 127.0.0.1", "done, version 1\n",
            "DELETE /v1/apps/site", f"Revoked {token[1]}"))
        guide.expect_in_order(done.stderr, (
            f"Token {token[1]} (deploy, apps site; until", "this takes one of scope admin\n",
            f"the certificate of https://localhost:{admin} is not trusted",
            f"the token {token[1]} was revoked: ask for a new one\n"))


if __name__ == "__main__":
    unittest.main()
