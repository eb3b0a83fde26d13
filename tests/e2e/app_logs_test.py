#!/usr/bin/env python3
"""`selvedge app logs`: what an app says, what is said of it, and its requests; kept, bounded, followed."""

import json
import pathlib
import queue
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

import harness

STATUS = harness.GUESTS / "wcgi_status.wasm"  # misbehaves as its query says
SERVER = harness.SOURCE / "examples/http-server"  # a program that listens
harness.require(harness.BINARY, STATUS, SERVER / "server.wasm")
WAIT_SECONDS_MAX = 60


class LogsTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.data = self.folder / "data"

    def deploy(self, node, more="", name="site"):
        """An app of the CGI program that obeys its query."""
        site = self.folder / "site"
        site.mkdir(exist_ok=True)
        shutil.copy(STATUS, site / "status.wasm")
        (site / "wasmer.toml").write_text(
            '[package]\nname = "test/site"\nversion = "1.0.0"\n'
            '[[module]]\nname = "status"\nsource = "status.wasm"\n'
            '[[command]]\nname = "status"\nmodule = "status"\nrunner = "wcgi"\n')
        (site / "app.yaml").write_text(f"kind: wasmer.io/App.v0\nname: {name}\npackage: .\n{more}")
        return node.json("deploy", site)

    def logs(self, node, *options, app="site"):
        done = node.command("app", "logs", app, "--json", *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def wait_for(self, node, condition, *options, app="site"):
        """The log once the condition holds of it: it is written a moment after the answer."""
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while not condition(found := self.logs(node, *options, app=app)):
            self.assertLess(time.monotonic(), deadline, f"{found}\n{node.output()}")
            time.sleep(0.05)
        return found

    def ask(self, node, query, host="site.localhost"):
        """(status, id of the request)"""
        status, headers, _ = node.get(host, f"/page?{query}")
        return status, headers["x-request-id"]

    def test_a_502_is_explained_by_the_log(self):
        with harness.Node(self.data) as node:
            self.deploy(node)
            status, request = self.ask(node, "exit=3")
            self.assertEqual(status, 502)
            self.assertTrue(request)
            entries = self.wait_for(node, lambda found: len(found) == 3, "--request", request)
            wrote, said, answered = entries
            self.assertEqual((wrote["stream"], wrote["text"]), ("stderr", "exiting as asked"))
            self.assertEqual((said["stream"], said["version"], said["request"]), ("platform", 1, request))
            self.assertEqual(said["text"], "exited with code 3 before it sent a complete head")
            self.assertEqual({key: answered[key] for key in ("stream", "method", "path", "status", "version")},
                             {"stream": "request", "method": "GET", "path": "/page", "status": 502, "version": 1})
            self.assertTrue(answered["cold_start"])
            self.assertGreater(answered["microseconds"], 0)
            self.assertRegex(answered["time"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$")
            # The same instance, once more: the version runs already.
            status, request = self.ask(node, "status=204")
            answered = self.wait_for(node, bool, "--request", request)[0]
            self.assertEqual(answered["status"], 204)
            _, request = self.ask(node, "trap")
            trap = self.wait_for(node, lambda found: len(found) == 2, "--request", request)[0]
            self.assertIn("unreachable", trap["text"])
            # For people.
            text = node.command("app", "logs", "site", "--request", request).stdout
            self.assertRegex(text, rf"(?m)^20.*Z v1 request  {request} GET /page 502 \d+ bytes \d+\.\d+ ms")

    def test_standard_error_of_a_cgi_program_has_the_request(self):
        with harness.Node(self.data, "--shards", "1") as node:
            self.deploy(node)
            status, request = self.ask(node, "log=hello")
            self.assertEqual(status, 200)
            line = self.wait_for(node, bool, "--stream", "stderr")[-1]
            self.assertEqual((line["text"], line["request"], line["version"]), ("hello", request, 1))
            self.assertEqual(line["shard"], 0)
            self.assertGreater(line["instance"], 0)
            self.assertNotIn("hello", node.output())

    def test_a_program_that_cannot_start_says_why(self):
        with harness.Node(self.data) as node:
            self.deploy(node, "env:\n  A: b\n")
            # Another node of the store has lost the module.
            for blob in (self.data / "store/blobs").rglob("*"):
                if blob.is_file():
                    blob.unlink()
            status, request = self.ask(node, "status=200")
            self.assertGreaterEqual(status, 400)
            said, answered = self.wait_for(node, lambda found: len(found) == 2, "--request", request)
            self.assertIn("cannot be started: ", said["text"])
            self.assertEqual(answered["status"], status)

    def test_a_program_that_listens_has_both_streams_and_its_end(self):
        listener = self.folder / "listener"
        shutil.copytree(SERVER, listener)
        (listener / "app.yaml").write_text("kind: wasmer.io/App.v0\nname: listener\npackage: .\n")
        with harness.Node(self.data, "--shards", "1") as node:
            node.json("deploy", listener)
            self.assertEqual(node.get("listener.localhost", "/a")[0], 200)
            said = self.wait_for(node, lambda found: any(e["stream"] != "request" for e in found), app="listener")
            written = [entry for entry in said if entry["stream"] in ("stdout", "stderr")]
            self.assertTrue(written, said)
            self.assertEqual({(entry["instance"], "request" in entry) for entry in written}, {(1, False)})

    def test_it_is_followed_as_it_comes(self):
        with harness.Node(self.data) as node:
            self.deploy(node)
            self.ask(node, "log=before")
            self.wait_for(node, bool, "--stream", "stderr")
            follower = subprocess.Popen(
                [harness.BINARY, "app", "logs", "site", "-f", "--stream", "stderr", "--lines", "1", "--json", "--node",
                 str(self.data / "admin.sock")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            lines = queue.Queue()
            reader = threading.Thread(target=lambda: [lines.put(json.loads(line)) for line in follower.stdout])
            reader.start()
            try:
                self.assertEqual(lines.get(timeout=WAIT_SECONDS_MAX)["text"], "before")
                for text in ("one", "two", "three"):
                    _, request = self.ask(node, f"log={text}")
                    entry = lines.get(timeout=WAIT_SECONDS_MAX)
                    self.assertEqual((entry["text"], entry["request"]), (text, request))
                # A node that drains ends it well.
                node.stop()
                self.assertEqual(follower.wait(timeout=WAIT_SECONDS_MAX), 0, follower.stderr)
            finally:
                follower.kill()
                follower.wait()
                reader.join()
                follower.stdout.close()
                follower.stderr.close()

    def test_followers_that_leave_make_room(self):
        with harness.Node(self.data) as node:
            self.deploy(node)
            for _ in range(70):
                follower = subprocess.Popen(
                    [harness.BINARY, "app", "logs", "site", "-f", "--lines", "1", "--node",
                     str(self.data / "admin.sock")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                try:
                    self.ask(node, "log=heard")
                    self.assertIn("v1", follower.stdout.readline())
                finally:
                    follower.kill()
                    follower.wait()
                    follower.stdout.close()

    def test_a_restart_keeps_it(self):
        with harness.Node(self.data) as node:
            self.deploy(node)
            _, request = self.ask(node, "log=kept")
        with harness.Node(self.data) as node:
            before = self.logs(node)
            self.assertIn(("kept", request), [(entry.get("text"), entry.get("request")) for entry in before])
            self.ask(node, "log=after")
            after = self.wait_for(node, lambda found: len(found) == len(before) + 2)
            self.assertEqual([entry["sequence"] for entry in after], list(range(1, len(after) + 1)))

    def test_a_killed_node_loses_nothing_that_was_written(self):
        with harness.Node(self.data) as node:
            self.deploy(node)
            self.ask(node, "log=kept")
            before = self.wait_for(node, lambda found: len(found) == 2)
            node.process.kill()
            node.process.wait()
            node.process.returncode = 0  # as meant
        segment, = (self.data / "logs/site").iterdir()
        with segment.open("ab") as file:
            file.write(b"\x30\x00\x00\x00torn")
        with harness.Node(self.data) as node:
            self.assertEqual(self.logs(node), before)
            self.ask(node, "log=after")
            self.assertEqual(len(self.wait_for(node, lambda found: len(found) == 4)), 4)

    def test_its_ring_is_bounded(self):
        config = self.folder / "node.toml"
        config.write_text('[logs]\napp_bytes = "64KiB"\ntotal_bytes = "128KiB"\n')
        with harness.Node(self.data, "--config", config) as node:
            self.deploy(node)
            text = "x" * 1000
            for number in range(150):
                self.ask(node, f"log={number:04}{text}")
            # Shards write one after the other: each has written what it had once the log was read.
            self.logs(node)
            _, last = self.ask(node, f"log=last{text}")
            kept = self.wait_for(node, lambda found: found[-1].get("request") == last, "--lines", "1000")
            sizes = [path.stat().st_size for path in (self.data / "logs").rglob("*.log")]
            self.assertLessEqual(sum(sizes), 64 * 1024)
            self.assertGreater(sum(sizes), 32 * 1024)
            self.assertLess(len(kept), 200)
            self.assertEqual(len(self.logs(node, "--lines", "3")), 3)
            sequences = sorted(entry["sequence"] for entry in kept)
            self.assertEqual(sequences, list(range(sequences[0], sequences[0] + len(kept))))

    def test_times_and_versions_choose(self):
        with harness.Node(self.data) as node:
            self.deploy(node)
            self.ask(node, "log=first")
            first = self.wait_for(node, lambda found: len(found) == 2)
            self.deploy(node)
            self.ask(node, "log=second")
            both = self.wait_for(node, lambda found: len(found) == 4)
            moment = both[2]["time"]
            self.assertEqual(self.logs(node, "--until", moment), first)
            self.assertEqual(self.logs(node, "--from", moment), both[2:])
            self.assertEqual(self.logs(node, "--version", "1"), first)
            self.assertEqual(self.logs(node, "--from", "1h"), both)
            self.assertEqual(self.logs(node, "--until", "1h"), [])

    def test_a_deleted_app_takes_its_log_with_it(self):
        with harness.Node(self.data) as node:
            self.deploy(node)
            self.ask(node, "log=old")
            self.wait_for(node, bool)
            node.json("app", "delete", "site", "--yes")
            self.assertFalse((self.data / "logs/site").exists())
            self.deploy(node)
            self.assertEqual(self.logs(node), [])

    def test_another_node_that_deleted_it_takes_this_ones_log_too(self):
        with harness.Node(self.data) as node, harness.Node(self.folder / "other", "--store",
                                                           self.data / "store") as other:
            self.deploy(node)
            self.ask(node, "log=old")
            self.wait_for(node, bool)
            other.json("app", "delete", "site", "--yes")
            deadline = time.monotonic() + WAIT_SECONDS_MAX
            while (self.data / "logs/site").exists():
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.1)

    def test_mistakes_are_told(self):
        with harness.Node(self.data) as node:
            self.deploy(node)
            self.assertEqual(self.logs(node), [])
            for options, sentence in (
                    (("nobody",), "there is no app nobody"),
                    (("No--App",), "is not the name of an app"),
                    (("site", "--from", "yesterday"), "is neither a moment"),
                    (("site", "--stream", "err"), "none of stdout, stderr, request and platform"),
                    (("site", "-f", "--until", "1m"), "exclude each other"),
                    (("site", "--lines", "1000000000"), "at most 100000")):
                done = node.command("app", "logs", *options)
                self.assertNotEqual(done.returncode, 0, options)
                self.assertIn(sentence, done.stderr)
            # Names that somebody makes up leave nothing.
            self.assertEqual(node.get("unknown.localhost")[0], 404)
            self.assertEqual(node.get("unknown--v1.localhost")[0], 404)
            self.assertEqual(node.get("site--v7.localhost")[0], 404)
            self.ask(node, "status=200")
            self.assertEqual([entry["version"] for entry in self.wait_for(node, bool)], [1])
            self.assertEqual([path.name for path in (self.data / "logs").iterdir()], ["site"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
