#!/usr/bin/env python3
"""scaling of app.yaml: the least and the greatest number of instances."""

import concurrent.futures
import pathlib
import shutil
import tempfile
import time
import unittest

import harness

SERVER = harness.SOURCE / "examples/http-server/server.wasm"  # a program that listens, and counts its requests
MISBEHAVE = harness.GUESTS / "misbehave.wasm"  # a CGI program that does what its path says
harness.require(harness.BINARY, SERVER, MISBEHAVE)
SECONDS_MAX = 60


class ScalingTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def site(self, module, runner, scaling, more=""):
        site = self.folder / "site"
        site.mkdir(exist_ok=True)
        shutil.copy(module, site / "web.wasm")
        (site / "wasmer.toml").write_text(
            '[package]\nname = "test/site"\nversion = "1.0.0"\n[[module]]\nname = "web"\nsource = "web.wasm"\n'
            f'[[command]]\nname = "web"\nmodule = "web"\nrunner = "{runner}"\n')
        (site / "app.yaml").write_text(
            f"kind: wasmer.io/App.v0\nname: site\npackage: .\nscaling: {scaling}\n{more}")
        return site

    def test_a_least_instance_starts_with_the_node(self):
        site = self.site(SERVER, "wasi", "{min_instances: 1}")
        with harness.Node(self.folder / "node") as node:
            node.json("deploy", site)
            self.wait_for_starts(node, 1)
        with harness.Node(self.folder / "node") as node:
            self.wait_for_starts(node, 2)

    def wait_for_starts(self, node, count):
        """Nobody asks for the program; its log tells that it listens."""
        deadline = time.monotonic() + SECONDS_MAX
        while (logged := node.command("app", "logs", "site").stdout).count("listening on port") < count:
            self.assertLess(time.monotonic(), deadline, logged + node.output())
            time.sleep(0.05)

    def test_no_more_instances_than_allowed_run_at_once(self):
        site = self.site(MISBEHAVE, "wcgi", "{max_instances: 1}", "limits: {request_time: 1s}\n")
        with harness.Node(self.folder / "node", "--shards", "2") as node:
            node.json("deploy", site)
            node.get("site.localhost", "/fine")
            began = time.monotonic()
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                statuses = list(pool.map(lambda _: node.get("site.localhost", "/sleep")[0], range(4)))
            # Each takes its whole second, one after the other.
            self.assertEqual(statuses, [504] * 4)
            self.assertGreater(time.monotonic() - began, 3.5)


if __name__ == "__main__":
    unittest.main()
