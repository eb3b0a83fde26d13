#!/usr/bin/env python3
"""Health checks of apps: a program that does not serve is started anew, and a deploy of one changes nothing."""

import pathlib
import shutil
import tempfile
import time
import unittest

import harness

SERVER = harness.SOURCE / "examples/http-server/server.wasm"  # a program that listens, and counts its requests
STATUS = harness.GUESTS / "wcgi_status.wasm"  # a CGI program that answers as its query says
EXITS = harness.GUESTS / "proxy_server.wasm"  # a program that listens, and ends when it is asked for /exit
harness.require(harness.BINARY, SERVER, STATUS, EXITS)
SECONDS_MAX = 60


class HealthTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def site(self, module, runner, check):
        site = self.folder / "site"
        site.mkdir(exist_ok=True)
        shutil.copy(module, site / "web.wasm")
        (site / "wasmer.toml").write_text(
            '[package]\nname = "test/site"\nversion = "1.0.0"\n[[module]]\nname = "web"\nsource = "web.wasm"\n'
            f'[[command]]\nname = "web"\nmodule = "web"\nrunner = "{runner}"\n')
        (site / "app.yaml").write_text(
            f"kind: wasmer.io/App.v0\nname: site\npackage: .\nhealth_checks:\n  - http: {check}\n")
        return site

    def test_a_program_that_passes_becomes_active_and_stays(self):
        with harness.Node(self.folder / "node") as node:
            made = node.json("deploy", self.site(SERVER, "wasi", "{path: /, interval: 100ms}"))
            self.assertEqual(made["version"], 1)
            self.assertEqual(node.get("site.localhost")[0], 200)
            self.assertNotIn("unhealthy", node.output())

    def test_a_deploy_that_does_not_pass_changes_nothing(self):
        with harness.Node(self.folder / "node") as node:
            node.json("deploy", self.site(STATUS, "wcgi", "{path: '/?status=204'}"))
            refused = node.command("deploy", self.site(STATUS, "wcgi", "{path: '/?status=500'}"))
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn("version 2 is not active, because a health check did not pass: GET /?status=500 answered "
                          "500, not 200 to 299", refused.stderr)
            info = node.json("app", "info", "site")
            self.assertEqual(info["active"], [{"version": 1, "weight": 1}])
            self.assertEqual(node.get("site--v2.localhost", "/?status=204")[0], 204)
            warned = node.command("deploy", self.site(STATUS, "wcgi", "{path: '/?status=204'}"))
            self.assertEqual(warned.returncode, 0, warned.stderr)
            self.assertIn("health_checks are asked now and not again", warned.stderr)

    def test_a_program_that_ends_does_not_become_active(self):
        with harness.Node(self.folder / "node") as node:
            node.json("deploy", self.site(SERVER, "wasi", "{path: /}"))
            refused = node.command("deploy", self.site(EXITS, "wasi", "{path: /exit}"))
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn("a health check did not pass: the program exited with code 3", refused.stderr)
            self.assertIn(b"request ", node.get("site.localhost")[2])
            self.assertEqual(node.json("app", "info", "site")["active"], [{"version": 1, "weight": 1}])

    def test_a_program_that_gets_ill_is_started_anew_while_requests_wait(self):
        # It counts its requests, so that what it answers is soon not what is expected any more.
        with harness.Node(self.folder / "node") as node:
            node.json("deploy", self.site(SERVER, "wasi", "{path: /, interval: 100ms, unhealthy_threshold: 1, "
                                          "expect: {body_regex: 'request [0-9]\\b'}}"))
            deadline = time.monotonic() + SECONDS_MAX
            while node.output().count("is unhealthy") < 2:
                status, _, body = node.get("site.localhost")
                # 502: it was at this request when it was ended. Never 503: others wait.
                self.assertIn(status, (200, 502), body)
                self.assertLess(time.monotonic(), deadline, node.output())
            self.assertIn("answered 200 with nothing that matches", node.output())


if __name__ == "__main__":
    unittest.main()
