#!/usr/bin/env python3
"""Jobs of apps: on time, in intervals, after a deploy and on request; once for all nodes, and shown with their ends."""

import pathlib
import shutil
import signal
import tempfile
import time
import unittest

import harness

STATUS = harness.GUESTS / "wcgi_status.wasm"  # answers as its query says
HELLO = harness.GUESTS / "hello.wasm"  # a command that can fail
harness.require(harness.BINARY, STATUS, HELLO)
SECONDS_MAX = 60

MANIFEST = """[package]
name = "test/site"
version = "1.0.0"
entrypoint = "web"
[[module]]
name = "web"
source = "web.wasm"
[[module]]
name = "hello"
source = "hello.wasm"
[[command]]
name = "web"
module = "web"
runner = "wcgi"
[[command]]
name = "hello"
module = "hello"
"""


class JobsTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.site = self.folder / "site"
        self.site.mkdir()
        shutil.copy(STATUS, self.site / "web.wasm")
        shutil.copy(HELLO, self.site / "hello.wasm")
        (self.site / "wasmer.toml").write_text(MANIFEST)

    def configure(self, *jobs):
        (self.site / "app.yaml").write_text(
            "kind: wasmer.io/App.v0\nname: site\npackage: .\nenv: {GREETING: good day}\njobs:\n" +
            "".join(f"  - {job}\n" for job in jobs))
        return self.site

    def node(self, name="node", *options):
        return harness.Node(self.folder / name, *options)

    def job(self, node, name):
        return {job["name"]: job for job in node.json("app", "jobs", "site")["jobs"]}[name]

    def wait_for(self, node, name, condition):
        """The job, once its runs are as wanted."""
        deadline = time.monotonic() + SECONDS_MAX
        while True:
            job = self.job(node, name)
            if condition(job["runs"]):
                return job
            self.assertLess(time.monotonic(), deadline, f"{job}\n{node.output()}")
            time.sleep(0.05)

    def test_an_interval_fetches_from_the_app(self):
        with self.node() as node:
            node.json("deploy", self.configure(
                "{name: tick, trigger: 1s, action: {fetch: {path: '/?status=204'}}}"))
            job = self.wait_for(node, "tick", lambda runs: len(runs) >= 3)
            self.assertEqual({run["result"] for run in job["runs"]}, {"succeeded"})
            self.assertEqual({run["cause"] for run in job["runs"]}, {"schedule"})
            dues = [run["due_ms"] for run in job["runs"]]
            self.assertEqual(dues, sorted(set(dues), reverse=True))
            self.assertEqual({(a - b) % 1000 for a, b in zip(dues, dues[1:])}, {0})
            self.assertGreater(job["next_ms"], dues[0])
            shown = node.command("app", "jobs", "site").stdout
            self.assertIn("tick", shown)
            self.assertIn("succeeded", shown)

    def test_a_command_of_the_package_runs_after_each_deploy(self):
        with self.node() as node:
            site = self.configure("{name: migrate, trigger: post-deployment, action: {execute: {command: hello, "
                                  "cli_args: [to, you], env: {GREETING: welcome}}}}")
            node.json("deploy", site)
            self.wait_for(node, "migrate", lambda runs: len(runs) == 1)
            deadline = time.monotonic() + SECONDS_MAX  # the log is written a moment later
            while " stdout   job-migrate welcome to you\n" not in (
                    logged := node.command("app", "logs", "site", "--request", "job-migrate").stdout):
                self.assertLess(time.monotonic(), deadline, logged)
                time.sleep(0.05)
            node.json("deploy", "--no-activate", site)
            node.json("app", "activate", "site", "2")
            job = self.wait_for(node, "migrate", lambda runs: len(runs) == 2)
            self.assertEqual([run["version"] for run in job["runs"]], [2, 1])
            self.assertEqual([run["result"] for run in job["runs"]], ["succeeded", "succeeded"])
            node.json("app", "rollback", "site")
            node.json("app", "jobs", "site", "--run", "migrate")
            job = self.wait_for(node, "migrate", lambda runs: len(runs) == 3)
            self.assertEqual((job["runs"][0]["cause"], job["runs"][0]["version"]), ("request", 1))

    def test_what_fails_is_tried_again_and_told(self):
        with self.node() as node:
            node.json("deploy", self.configure(
                "{name: command, trigger: post-deployment, retries: 1, action: {execute: {command: hello, "
                "cli_args: [fail]}}}",
                "{name: status, trigger: post-deployment, action: {fetch: {path: '/?status=500'}}}",
                "{name: slow, trigger: post-deployment, timeout: 500ms, action: {fetch: {path: '/?spin'}}}",
                "{name: none, trigger: post-deployment, action: {execute: {command: other}}}"))
            ended = len
            command, status, slow, none = (self.wait_for(node, name, ended)["runs"][0]
                                           for name in ("command", "status", "slow", "none"))
            self.assertEqual((command["result"], command["attempts"]), ("failed", 2))
            self.assertIn("exited with code 7", command["message"])
            self.assertEqual((status["result"], status["message"]),
                             ("failed", "GET /?status=500 answered 500, not 200 to 299"))
            self.assertEqual(slow["result"], "timed-out")
            self.assertEqual(none["result"], "failed")
            self.assertIn('no command "other"', none["message"])

    def test_one_of_two_nodes_runs_it_and_the_other_takes_over(self):
        store = self.folder / "store"
        with self.node("a", "--store", store) as first, self.node("b", "--store", store) as second:
            first.json("deploy", self.configure(
                "{name: tick, trigger: 1s, timeout: 1s, action: {fetch: {path: '/?status=204'}}}"))
            job = self.wait_for(second, "tick", lambda runs: len(runs) >= 5)
            dues = [run["due_ms"] for run in job["runs"]]
            self.assertEqual(len(dues), len(set(dues)))
            first.process.send_signal(signal.SIGKILL)
            first.process.wait()
            first.process.returncode = 0
            newest = job["runs"][0]["due_ms"]
            self.wait_for(second, "tick", lambda runs: runs[0]["due_ms"] > newest + 2000)

    def test_a_schedule_runs_by_the_clock_of_its_time_zone(self):
        with self.node() as node:
            node.json("deploy", self.configure(
                "{name: there, trigger: 0 3 * * *, timezone: Asia/Kathmandu, action: {fetch: {path: /}}}",
                "{name: here, trigger: 0 3 * * *, action: {fetch: {path: /}}}",
                "{name: tick, trigger: 1h, action: {fetch: {path: /}}}"))
            there, here, tick = (self.job(node, name) for name in ("there", "here", "tick"))
            day, minute = 24 * 3600 * 1000, 60 * 1000
            self.assertEqual(there["next_ms"] % day, (21 * 60 + 15) * minute)
            self.assertRegex(there["next_local"], r"^\d{4}-\d\d-\d\dT03:00:00\+05:45$")
            self.assertEqual(here["next_ms"] % day, 3 * 60 * minute)
            self.assertEqual([job.get("timezone") for job in (there, here, tick)], ["Asia/Kathmandu", "UTC", None])
            self.assertNotIn("next_local", here)
            self.assertIn("+05:45 Asia/Kathmandu\n", node.command("app", "jobs", "site").stdout)

    def test_mistakes_are_named(self):
        with self.node() as node:
            node.json("deploy", self.configure("{name: tick, trigger: 1h, action: {fetch: {path: /}}}"))
            refused = node.command("deploy", self.configure(
                "{name: tick, trigger: '61 * * * *', action: {fetch: {path: /}}}"))
            self.assertEqual(refused.returncode, 1, refused.stderr)
            self.assertIn("app.yaml:6:27: jobs[0].trigger: the minute must be 0 to 59, not 61", refused.stderr)
            self.assertIn("has no job other", node.command("app", "jobs", "site", "--run", "other").stderr)
            self.assertIn("there is no app nobody", node.command("app", "jobs", "nobody").stderr)
            self.assertIsInstance(self.job(node, "tick")["next_ms"], int)


if __name__ == "__main__":
    unittest.main()
