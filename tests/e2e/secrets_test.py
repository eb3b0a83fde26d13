#!/usr/bin/env python3
"""`selvedge app secret`: values reach the app alone, on every node that has the cluster's secret."""

import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest

import harness

ECHO = harness.GUESTS / "wcgi_echo.wasm"
harness.require(harness.BINARY, ECHO)
VALUE = "confidential value = with \"quotes\""


class SecretsTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.data = self.folder / "data"
        self.secret = self.folder / "cluster-secret"
        done = subprocess.run([harness.BINARY, "cluster", "init", "--cluster-secret", self.secret],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.site = self.folder / "site"
        self.site.mkdir()
        shutil.copy(ECHO, self.site / "echo.wasm")
        (self.site / "wasmer.toml").write_text(
            '[package]\nname = "test/site"\nversion = "1.0.0"\n'
            '[[module]]\nname = "echo"\nsource = "echo.wasm"\n'
            '[[command]]\nname = "echo"\nmodule = "echo"\nrunner = "wcgi"\n')
        (self.site / "app.yaml").write_text(
            "kind: wasmer.io/App.v0\nname: site\npackage: .\nenv:\n  KEY: public\n  OTHER: public\n")

    def node(self, data=None, *options):
        return harness.Node(data or self.data, "--cluster-secret", self.secret, *options)

    def set(self, node, name, value):
        return subprocess.run([harness.BINARY, "app", "secret", "set", "site", name, "--node",
                               node.data / "admin.sock"], input=value, capture_output=True, text=True, check=False)

    def variables(self, node):
        status, _, body = node.get("site.localhost")
        self.assertEqual(status, 200, body)
        return dict(line.split("=", 1) for line in body.decode().split("\n") if "=" in line)

    def test_a_value_reaches_the_app_and_nobody_else(self):
        with self.node() as node:
            node.json("deploy", self.site)
            self.assertEqual(self.variables(node)["KEY"], "public")
            done = self.set(node, "KEY", VALUE + "\n")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(self.variables(node)["KEY"], VALUE)
            self.assertEqual(self.variables(node)["OTHER"], "public")
            listed = node.json("app", "secret", "list", "site")
            self.assertEqual(listed, {"name": "site", "secrets": ["KEY"]})
            self.assertNotIn("confidential", done.stdout + done.stderr + node.output())
        for path in self.data.rglob("*"):
            if path.is_file():
                self.assertNotIn(b"confidential", path.read_bytes(), path)
        # Also after a restart.
        with self.node() as node:
            self.assertEqual(self.variables(node)["KEY"], VALUE)
            node.json("app", "secret", "delete", "site", "KEY")
            self.assertEqual(self.variables(node)["KEY"], "public")
            self.assertIn("site has no secret KEY", node.command("app", "secret", "delete", "site", "KEY").stderr)

    def test_many_come_from_a_file(self):
        (self.folder / "secrets.env").write_text("# comment\nKEY=one\nTOKEN=\"two words\"\n")
        with self.node() as node:
            node.json("deploy", self.site)
            node.json("app", "secret", "set", "site", "--from-file", self.folder / "secrets.env")
            variables = self.variables(node)
            self.assertEqual((variables["KEY"], variables["TOKEN"]), ("one", "two words"))

    def test_other_nodes_follow_and_need_the_same_secret(self):
        store = self.folder / "store"
        with self.node(self.data, "--store", store) as here, \
                self.node(self.folder / "two", "--store", store) as there, \
                harness.Node(self.folder / "stranger", "--store", store) as stranger:
            here.json("deploy", self.site)
            self.assertEqual(self.set(here, "KEY", "one").returncode, 0)
            deadline = time.monotonic() + 5
            while there.get("site.localhost")[0] != 200 or self.variables(there)["KEY"] != "one":
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.05)
            # It does not start the app without them.
            deadline = time.monotonic() + 5
            while (status := stranger.get("site.localhost")[0]) == 404 and time.monotonic() < deadline:
                time.sleep(0.05)
            self.assertGreaterEqual(status, 500)
            self.assertIn("selvedge cluster init", self.set(stranger, "KEY", "two").stderr)

    def test_a_removed_app_leaves_none_to_the_next_of_its_name(self):
        with self.node() as node:
            node.json("deploy", self.site)
            self.set(node, "KEY", "one")
            node.json("app", "delete", "site", "--yes")
            node.json("deploy", self.site)
            self.assertEqual(self.variables(node)["KEY"], "public")
            self.assertEqual(node.json("app", "secret", "list", "site")["secrets"], [])

    def test_what_is_no_secret_is_refused(self):
        with self.node() as node:
            self.assertIn("is not the name of a secret", self.set(node, "A-B", "x").stderr)
            self.assertIn("UTF-8 text without NUL", self.set(node, "A", "confidential\0").stderr)
            (self.folder / "bad").write_text("KEY confidential\n")
            refused = node.command("app", "secret", "set", "site", "--from-file", self.folder / "bad")
            self.assertEqual(refused.returncode, 1)
            self.assertNotIn("confidential", refused.stderr)

    def test_the_clusters_secret_is_never_replaced(self):
        before = self.secret.read_bytes()
        self.assertEqual((len(before), self.secret.stat().st_mode & 0o777), (32, 0o600))
        done = subprocess.run([harness.BINARY, "cluster", "init", "--cluster-secret", self.secret],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("exists already", done.stderr)
        self.assertEqual(self.secret.read_bytes(), before)

    def test_a_node_for_development_makes_its_own(self):
        with harness.Node(self.data, "--dev") as node:
            node.json("deploy", self.site)
            self.assertEqual(self.set(node, "KEY", "one").returncode, 0)
            self.assertEqual(self.variables(node)["KEY"], "one")


if __name__ == "__main__":
    unittest.main()
