#!/usr/bin/env python3
"""Nodes that share a store in S3, configured by a file: deploys reach all, and they go on without the server."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest

import harness
import s3_server

ECHO = harness.GUESTS / "wcgi_echo.wasm"
harness.require(harness.BINARY, ECHO, s3_server.PROGRAM)


def config_of(name, port):
    return f'data = "{name}"\n{s3_server.config(port)}[limits]\nshards = 2\n'


class ConfiguredNode(harness.Node):
    def __init__(self, folder, server, name):
        self.port = harness.free_port()
        self.data = folder / name
        config = folder / f"{name}.toml"
        config.write_text(config_of(name, server.port))
        self.start(["node", "--config", config, "--http", f"127.0.0.1:{self.port}"])


class NodeS3Test(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        s3_server.write_keys(self.folder)
        self.server = s3_server.S3Server(self.folder)
        self.addCleanup(self.server.stop)
        self.server.start()

    def site(self, name, label):
        site = self.folder / name
        site.mkdir(exist_ok=True)
        shutil.copy(ECHO, site / "echo.wasm")
        (site / "wasmer.toml").write_text(
            '[package]\nname = "test/site"\nversion = "1.0.0"\n'
            '[[module]]\nname = "echo"\nsource = "echo.wasm"\n'
            '[[command]]\nname = "echo"\nmodule = "echo"\nrunner = "wcgi"\n')
        (site / "app.yaml").write_text(
            f"kind: wasmer.io/App.v0\nname: {name}\npackage: .\nenv:\n  LABEL: {label}\n")
        return site

    def label(self, node, app="site"):
        status, _, body = node.get(f"{app}.localhost")
        if status != 200:
            return status
        return dict(line.split("=", 1) for line in body.decode().split("\n") if "=" in line)["LABEL"]

    def until(self, node, wanted, seconds, app="site"):
        deadline = time.monotonic() + seconds
        while (label := self.label(node, app)) != wanted and time.monotonic() < deadline:
            time.sleep(0.05)
        return label

    def test_a_deploy_reaches_the_other_node(self):
        with ConfiguredNode(self.folder, self.server, "here") as here, \
                ConfiguredNode(self.folder, self.server, "there") as there:
            self.assertEqual(self.label(there), 404)
            here.json("deploy", self.site("site", "one"))
            self.assertEqual(self.label(here), "one")
            self.assertEqual(self.until(there, "one", 2), "one")
            there.json("deploy", self.site("site", "two"))
            self.assertEqual(self.until(here, "two", 2), "two")

    def test_nodes_go_on_without_the_server_and_catch_up(self):
        with ConfiguredNode(self.folder, self.server, "there") as there:
            with ConfiguredNode(self.folder, self.server, "here") as here:
                here.json("deploy", self.site("site", "one"))
                self.assertEqual(self.label(here), "one")
                self.assertEqual(self.until(there, "one", 2), "one")
                self.server.stop()
                self.assertEqual(self.label(here), "one")
                self.assertEqual(self.label(there), "one")
                refused = here.command("deploy", self.site("site", "two"))
                self.assertEqual(refused.returncode, 1)
                self.assertEqual(len(refused.stderr.strip().splitlines()), 1, refused.stderr)
                self.assertIn("this has to wait until the store answers", refused.stderr)
                refused = here.command("app", "rollback", "site")
                self.assertIn("this has to wait until the store answers", refused.stderr)
            # A node that starts without the server knows what it has seen.
            with ConfiguredNode(self.folder, self.server, "here") as here:
                self.assertEqual(self.label(here), "one")
                self.says(there, "the store does not answer")
                self.assertEqual(self.label(there), "one")
                self.server.start()
                deadline = time.monotonic() + 30
                while (done := here.command("deploy", self.folder / "site")).returncode != 0:
                    self.assertLess(time.monotonic(), deadline, done.stderr)
                self.assertEqual(self.label(here), "two")
                self.assertEqual(self.until(there, "two", 10), "two")
            self.says(there, "the store answers again")

    def says(self, node, sentence):
        """The node's log has the sentence, at the latest after half a minute."""
        deadline = time.monotonic() + 30
        while sentence not in node.output():
            self.assertLess(time.monotonic(), deadline, node.output())
            time.sleep(0.1)

    def test_without_credentials_the_sentence_says_what_to_do(self):
        (self.folder / "node.toml").write_text(
            config_of("node", self.server.port).replace("access_key_file = \"access-key\"\n", "")
            .replace("secret_key_file = \"secret-key\"\n", ""))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        done = subprocess.run([harness.BINARY, "node", "--config", self.folder / "node.toml", "--http", "0"],
                              capture_output=True, text=True, check=False, timeout=60, env=environment)
        self.assertEqual(done.returncode, 1)
        self.assertIn("AWS_ACCESS_KEY_ID", done.stderr)

    def test_a_wrong_key_of_the_file_is_named(self):
        config = self.folder / "node.toml"
        config.write_text("data = \"x\"\n[http]\nlisen = \":80\"\n")
        done = subprocess.run([harness.BINARY, "node", "--config", config], capture_output=True, text=True, check=False,
                              timeout=60)
        self.assertEqual(done.returncode, 2)
        self.assertIn(f"{config}:3:1: unknown key http.lisen: did you mean http.listen?", done.stderr)


if __name__ == "__main__":
    unittest.main()
