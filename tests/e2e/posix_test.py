#!/usr/bin/env python3
"""Programs that use what POSIX programs use: datagrams, multicast, unix sockets, signals and timers."""

import signal
import subprocess
import unittest

import harness

SOCKETS = harness.GUESTS / "local_sockets.wasm"
SIGNALS = harness.GUESTS / "signals.wasm"
harness.require(harness.BINARY, SOCKETS, SIGNALS)


class PrintingTest(unittest.TestCase):
    def prints(self, text, *arguments):
        done = harness.run(*arguments)
        self.assertEqual((done.returncode, done.stdout.decode()), (0, text), done.stderr.decode())


class LocalSocketTest(PrintingTest):
    def test_udp(self):
        self.prints("ping from port 5000\npong from port 5001\n", SOCKETS, "--", "udp")

    def test_multicast(self):
        self.prints("to the group from port 5000\ndirect from port 5000\n", SOCKETS, "--", "multicast")

    def test_unix(self):
        self.prints("hello and the end\n", SOCKETS, "--", "unix")


class SignalTest(PrintingTest):
    def test_timer(self):
        self.prints("5 ticks, sleeps were interrupted\n", SIGNALS, "--", "timer")

    def test_child(self):
        self.prints("SIGCHLD came 1 time(s)\n", "--dir", f"{SIGNALS.parent}::/programs:ro", SIGNALS, "--", "child",
                    "/programs/signals.wasm")

    def test_broken_pipe(self):
        self.prints("write: Broken pipe, SIGPIPE came 1 time(s)\n", SIGNALS, "--", "pipe")

    def test_signals_of_the_host_reach_the_program(self):
        for number, name in ((signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "SIGINT")):
            with subprocess.Popen([harness.BINARY, "run", SIGNALS, "--", "wait"], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, text=True) as process:
                self.assertEqual(process.stdout.readline(), "ready\n")
                process.send_signal(number)
                self.assertEqual(process.stdout.read(), f"{name} came\n")
            self.assertEqual(process.returncode, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
