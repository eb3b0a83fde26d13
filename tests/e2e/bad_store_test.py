#!/usr/bin/env python3
"""Stores that fail: full, read-only, gone, with a clock that goes backwards, on a server that ignores conditions. One
clear sentence, what is active is served on, and a later deploy works."""

import http.server
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading
import time
import unittest
import uuid

import crash
import harness
import s3_server

harness.require(harness.BINARY, crash.ECHO)

DAY = 86_400


def can_unshare():
    return subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True,
                          check=False).returncode == 0


class BadStoreTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.data = self.folder / "data"
        self.data.mkdir()
        self.socket = self.data / "admin.sock"

    def deploy(self, label, content="content"):
        site = crash.write_site(self.folder, "site", label, content)
        return subprocess.run([harness.BINARY, "deploy", site, "--node", self.socket], capture_output=True, text=True,
                              check=False, timeout=120)

    def deployed(self, node, label, content="content"):
        done = self.deploy(label, content)
        self.assertEqual(done.returncode, 0, done.stderr + node.output())
        self.assertEqual(node.label("site.localhost"), label)

    def recovers(self, node, label, content="content"):
        """The next deploys work, as soon as the store was asked again."""
        deadline = time.monotonic() + 30
        while (done := self.deploy(label, content)).returncode != 0:
            self.assertLess(time.monotonic(), deadline, done.stderr + node.output())
        self.assertEqual(node.label("site.localhost"), label)

    def refused(self, node, label, sentence, content="content"):
        """The deploy says the sentence, on one line, and what was active is served on."""
        before = node.label("site.localhost")
        done = self.deploy(label, content)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        self.assertRegex(done.stderr, sentence)
        self.assertNotEqual(before, label)
        self.assertEqual(node.label("site.localhost"), before)

    def node(self, *options, prefix=(), environment=None):
        node = crash.Node(self.data, *options, prefix=prefix, environment=environment)
        self.addCleanup(node.__exit__)
        return node.__enter__()


class MountedTest(BadStoreTest):
    """The store is a file system of its own, that only the node sees mounted."""

    def setUp(self):
        super().setUp()
        if not can_unshare():
            self.skipTest("unshare -rm is not allowed here: no file system of the test's own")
        self.mount = self.folder / "mount"
        self.mount.mkdir()

    def mounted(self, *options):
        node = self.node(*options, prefix=(
            "unshare", "-rm", "sh", "-c", f'mount -t tmpfs -o size=16m none {self.mount}; exec "$@"', "sh"))
        self.seen = pathlib.Path(f"/proc/{node.process.pid}/root") / str(self.mount)[1:]
        return node

    def fill(self):
        """A file that takes what room there is."""
        filler = self.seen / "filler"
        with filler.open("wb", buffering=0) as file, self.assertRaisesRegex(OSError, "No space left"):
            while True:
                file.write(bytes(4096))
        return filler

    @staticmethod
    def inside(node, *command):
        subprocess.run(["nsenter", "-U", "-m", "--preserve-credentials", "-t", str(node.process.pid), *command],
                       check=True, capture_output=True)

    def test_a_full_disk_of_the_store(self):
        node = self.mounted("--store", self.mount / "store")
        self.deployed(node, "one")
        filler = self.fill()
        self.refused(node, "two", "the disk of .* is full", content="other content" * 10_000)
        self.assertEqual(os.listdir(self.seen / "store/.new"), [])
        self.assertEqual(os.listdir(self.data / "uploads"), [])
        filler.unlink()
        self.recovers(node, "three", content="other content" * 10_000)
        self.assertEqual(len(node.json("app", "info", "site")["versions"]), 2)

    def test_a_full_disk_of_everything(self):
        self.data = self.mount / "data"
        node = self.mounted()
        node.data = self.seen / "data"
        self.socket = node.data / "admin.sock"
        self.deployed(node, "one")
        filler = self.fill()
        self.refused(node, "two", "No space left on device", content="other content" * 10_000)
        for folder in ("uploads", "store/.new"):
            self.assertEqual(os.listdir(node.data / folder), [])
        filler.unlink()
        self.recovers(node, "three", content="other content" * 10_000)
        self.assertEqual(len(node.json("app", "info", "site")["versions"]), 2)

    def test_a_disk_that_becomes_read_only(self):
        node = self.mounted("--store", self.mount / "store")
        self.deployed(node, "one")
        self.inside(node, "mount", "-o", "remount,ro", str(self.mount))
        self.refused(node, "two", "cannot be changed or read by this process: Read-only file system")
        refused = node.command("cluster", "collect")
        self.assertEqual(len(refused.stderr.strip().splitlines()), 1, refused.stderr)
        self.assertIn("Read-only file system", refused.stderr)
        self.inside(node, "mount", "-o", "remount,rw", str(self.mount))
        self.recovers(node, "three")


class FolderTest(BadStoreTest):
    def test_a_store_that_vanishes(self):
        store, away = self.folder / "store", self.folder / "away"
        node = self.node("--store", store)
        self.deployed(node, "one")
        store.rename(away)
        self.refused(node, "two", "this has to wait until the store answers: the store .* is gone: is it still mounted")
        self.assertFalse(store.exists(), os.listdir(self.folder))
        away.rename(store)
        self.recovers(node, "three")
        self.assertEqual(node.label("site--v1.localhost"), "one")

    def test_a_store_in_the_data_folder_that_vanishes(self):
        node = self.node()
        self.deployed(node, "one")
        store, away = self.data / "store", self.data / "away"
        store.rename(away)
        self.refused(node, "two", "the store .* is gone: is it still mounted")
        self.assertEqual(node.get("other.localhost")[0], 503)
        away.rename(store)
        self.deployed(node, "three")
        self.assertEqual(node.label("site--v1.localhost"), "one")

    def test_a_clock_that_goes_backwards(self):
        page = crash.Page(self.folder / "page")
        node = self.node(environment=page.environment(crash.build_shim(self.folder), self.data))
        self.deployed(node, "one")
        first = node.json("app", "info", "site")["versions"][0]["created"]
        page["offset"] = -10 * DAY
        self.deployed(node, "two")
        made = node.json("app", "info", "site")["versions"]
        self.assertLess(made[1]["created"], first - 9 * DAY)  # else the clock did not go back
        # Notes and blobs from the future, by the store's clock.
        later = time.time() + 10 * DAY
        for path in (self.data / "store").rglob("*"):
            if path.is_file():
                os.utime(path, (later, later))
        self.assertEqual(node.json("cluster", "collect")["blobs"], 0)
        self.deployed(node, "three")
        node.json("app", "rollback", "site")
        self.assertEqual(node.label("site.localhost"), "two")
        node.kill()
        node = self.node()
        self.assertEqual(node.label("site.localhost"), "two")

    def test_what_nothing_needs_is_collected(self):
        node = self.node()
        self.deployed(node, "one", "small")
        self.deployed(node, "two", "large" * 100_000)
        node.json("app", "delete", "site", "--yes")
        self.deployed(node, "three", "small")
        self.assertEqual(node.json("cluster", "collect")["blobs"], 0)
        days_ago = time.time() - 3 * DAY
        for use in (self.data / "store/uses").iterdir():
            os.utime(use, (days_ago, days_ago))
        wouldbe = node.json("cluster", "collect", "--dry-run")
        self.assertGreater(wouldbe["bytes"], 400_000)
        done = node.command("cluster", "collect")
        self.assertRegex(done.stdout, rf"^Removed {wouldbe['blobs']} blobs \(\d+ KiB\)")
        self.assertEqual(node.json("cluster", "collect")["blobs"], 0)
        self.assertEqual(node.label("site.localhost"), "three")
        self.deployed(node, "four", "large" * 100_000)


class CarelessServer(http.server.BaseHTTPRequestHandler):
    """An S3 server that ignores the conditions of a write: the one thing a real one does not do."""

    protocol_version = "HTTP/1.1"
    objects = {}

    def answer(self, status, headers=(), content=b""):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def do_PUT(self):
        content = self.rfile.read(int(self.headers["content-length"] or 0))
        self.objects[self.path] = content
        self.answer(200, [("etag", f'"{uuid.uuid4().hex}"')])

    def do_DELETE(self):
        self.objects.pop(self.path, None)
        self.answer(204)

    def do_GET(self):
        self.answer(404, content=b"<Error><Code>NoSuchKey</Code></Error>")

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


class ServerTest(BadStoreTest):
    def config(self, port):
        s3_server.write_keys(self.folder)
        config = self.folder / "node.toml"
        config.write_text(s3_server.config(port))
        return config

    def test_a_server_that_ignores_conditions(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), CarelessServer)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        done = subprocess.run([harness.BINARY, "node", "--config", self.config(server.server_port), "--data", self.data,
                               "--http", f"127.0.0.1:{harness.free_port()}"],
                              capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual(done.returncode, 1, done.stderr)
        sentence = done.stderr.strip().splitlines()[-1]
        self.assertIn("the store cannot be used", sentence)
        self.assertIn("the server ignores If-None-Match of conditional writes", sentence)
        self.assertEqual([name for name in CarelessServer.objects if re.search("checks", name)], [])

    def test_a_server_that_does_not_answer_stops_no_node(self):
        node = self.node("--config", self.config(harness.free_port()))
        self.assertEqual(node.get("site.localhost")[0], 503)


if __name__ == "__main__":
    unittest.main(verbosity=2)
