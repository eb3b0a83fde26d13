#!/usr/bin/env python3
"""What several processes of one program share: the commands of their package, limits, the network in memory."""

import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import harness

harness.require(harness.BINARY, harness.GUESTS / "workload.wasm", harness.GUESTS / "epoll_server.wasm")

MANIFEST = """
[package]
entrypoint = "workload"
[[module]]
name = "workload"
source = "workload.wasm"
[[command]]
name = "workload"
module = "workload"
[[command]]
name = "hog"
module = "workload"
annotations = { wasi = { main-args = ["hog"] } }
[[command]]
name = "teller"
module = "workload"
annotations = { wasi = { main-args = ["tell", "its own"], env = ["OWN=1", "BOTH=manifest"] } }
[[command]]
name = "renamed"
module = "workload"
annotations = { wasi = { main-args = ["tell"], exec-name = "other-name" } }
"""


class PackageTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        shutil.copy(harness.GUESTS / "workload.wasm", self.folder)
        (self.folder / "wasmer.toml").write_text(MANIFEST)

    def run_package(self, *arguments, options=()):
        return harness.run(*options, self.folder, "--", *arguments)


class CommandsTest(PackageTest):
    def test_a_started_command_gets_its_own_arguments_and_variables(self):
        done = self.run_package("start", "teller", "a caller's", options=("--env", "BOTH=caller"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.decode().splitlines(),
                         ["argument teller", "argument tell", "argument its own", "argument a caller's",
                          "variable BOTH=caller", "variable OWN=1"])

    def test_by_path_and_with_another_program_name(self):
        done = self.run_package("start", "/bin/renamed", "x")
        self.assertEqual(done.stdout.decode().splitlines(),
                         ["argument other-name", "argument tell", "argument x"], done.stderr)

    def test_no_such_command(self):
        self.assertEqual(self.run_package("start", "absent").returncode, 127)


class LimitsTest(PackageTest):
    def test_memory_of_all_processes_stays_within_the_limit_and_they_end_at_once(self):
        command = [harness.BINARY, "run", "--memory-limit", "24MiB", str(self.folder), "--", "hogs", "6"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            self.addCleanup(process.kill)
            self.assertEqual(process.stdout.readline(), b"6 started\n")
            process.stdin.write(b"123456")
            process.stdin.flush()
            lines = [process.stdout.readline() for _ in range(6)]
            taken = [int(re.fullmatch(rb"hog (\d+)\n", line).group(1)) for line in lines]
            self.assertGreater(sum(taken), 15)
            self.assertLess(sum(taken), 24)
            begin = time.monotonic()
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(30), 128 + signal.SIGTERM)
            self.assertLess(time.monotonic() - begin, 5)

    def test_a_limit_too_low_for_the_program_is_named(self):
        done = self.run_package("tell", options=("--memory-limit", "64KiB"))
        self.assertEqual(done.returncode, 137)
        self.assertIn(b"limit of 65536 bytes", done.stderr)


class EpollTest(unittest.TestCase):
    def test_five_thousand_connections(self):
        done = harness.run("--file-limit", "10100", harness.GUESTS / "epoll_server.wasm", "--", "5000")
        self.assertEqual((done.returncode, done.stdout), (0, b"5000 connections, 5000 echoes\n"), done.stderr)

    def test_more_than_the_limit_of_descriptors(self):
        done = harness.run(harness.GUESTS / "epoll_server.wasm", "--", "5000")
        self.assertEqual((done.returncode, done.stdout), (1, b""))


if __name__ == "__main__":
    unittest.main(verbosity=2)
