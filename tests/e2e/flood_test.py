#!/usr/bin/env python3
"""Guests that take without end: others are answered beside each of them, and nothing of them stays."""

import concurrent.futures
import pathlib
import shutil
import tempfile
import unittest

import harness

FLOOD = harness.GUESTS / "flood.wasm"
THREADS = harness.GUESTS / "thread_flood.wat"
harness.require(harness.BINARY, FLOOD, THREADS)
WAYS = ("children", "descriptors", "pipe", "sockets", "epoll", "signals", "deadlock", "memory")
REQUESTS = 100
MANIFEST = """
[package]
name = "tests/flood"
version = "1.0.0"

[[module]]
name = "flood"
source = "flood.wasm"

[[command]]
name = "flood"
module = "flood"
runner = "wcgi"
"""


class FloodTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        (self.folder / "wasmer.toml").write_text(MANIFEST)
        shutil.copy(FLOOD, self.folder)

    def ask(self, server, path):
        status, _, body = server.request("GET", path)
        return status, body

    def others_are_answered(self, server, ways):
        with concurrent.futures.ThreadPoolExecutor(9) as pool:
            for way in ways:
                flood = pool.submit(self.ask, server, f"/{way}")
                answers = list(pool.map(lambda _: self.ask(server, "/fine"), range(REQUESTS)))
                self.assertEqual(answers, [(200, b"fine\n")] * REQUESTS, way)
                status, body = flood.result()
                self.assertIn(status, (502, 504), (way, body))

    def test_one_thread(self):
        with harness.Server(self.folder, "--time-limit", "2s", "--memory-limit", "64MiB") as server:
            self.others_are_answered(server, WAYS)

    def test_threads(self):
        with harness.Server(THREADS, "--time-limit", "2s") as server:
            self.others_are_answered(server, ["threads"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
