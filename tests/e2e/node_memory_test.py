#!/usr/bin/env python3
"""A node near its limit of memory: idle apps end, those first that were used longest ago; at it, nothing is started."""

import pathlib
import shutil
import tempfile
import time
import unittest

import harness

SERVER = harness.GUESTS / "proxy_server.wasm"  # /hold takes 48 MiB
HELLO = harness.GUESTS / "wcgi_hello.wasm"
harness.require(harness.BINARY, SERVER, HELLO)
MANIFEST = """
[package]
name = "test/holder"
version = "1.0.0"
[[module]]
name = "holder"
source = "proxy_server.wasm"
[[command]]
name = "holder"
module = "holder"
runner = "wasi"
"""
MEBIBYTE = 1 << 20


class MemoryTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.package = self.folder / "holder"
        self.package.mkdir()
        shutil.copy(SERVER, self.package)
        (self.package / "wasmer.toml").write_text(MANIFEST)

    def node(self, memory):
        config = self.folder / "node.toml"
        config.write_text(f'[limits]\nmemory = "{memory}MiB"\nshards = 1\n')
        return harness.Node(self.folder / "data", "--config", config)

    def used(self, node):
        fields = dict(line.split(":", 1) for line in
                      pathlib.Path(f"/proc/{node.process.pid}/status").read_text().splitlines())
        return sum(int(fields[name].split()[0]) * 1024 for name in ("RssAnon", "RssShmem")) // MEBIBYTE

    def wait(self, what, condition):
        deadline = time.monotonic() + 60
        while not condition():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.05)

    def hold(self, node, app):
        status, _, _ = node.get(f"{app}.localhost", "/hold")
        self.assertEqual(status, 200)

    def test_idle_apps_end_before_the_limit(self):
        with self.node(4096) as node:
            for app in ("first", "second", "third"):
                node.json("deploy", "--app", app, self.package)
            self.hold(node, "first")
            alone = self.used(node)
        with self.node(int(alone * 1.5)) as node:
            for app in ("first", "second", "third"):
                self.hold(node, app)
            # Each holds 48 MiB: two of them have to go.
            self.wait("idle apps end", lambda: self.used(node) < alone + 24)
            self.assertRegex(node.output(), "memory: .* are used")
            # They come back when they are asked for.
            self.wait("what ended starts again", lambda: node.get("first.localhost")[0] == 200)

    def test_at_the_limit_what_runs_is_served_and_nothing_else(self):
        with self.node(64) as node:
            node.json("deploy", "--app", "other", HELLO)
            node.json("deploy", "--app", "busy", self.package)
            for _ in range(3):
                self.hold(node, "busy")
            self.wait("the limit is seen", lambda: "no app is started" in node.output())
            self.assertEqual(node.get("other.localhost")[0], 503)
            self.assertEqual(node.get("busy.localhost")[0], 200)
            # Once nobody uses it any more it ends, and there is memory again.
            self.wait("memory returns", lambda: node.get("other.localhost")[0] == 200)


if __name__ == "__main__":
    unittest.main()
