#!/usr/bin/env python3
"""A program on a real terminal (a pty): size, modes, single keys, and the terminal as it was after every way out."""

import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time
import unittest

import harness

GUEST = harness.GUESTS / "tty_modes.wasm"
harness.require(harness.BINARY, GUEST)
SECONDS_MAX = 60


# Leads the session: the terminal lives on when the program has ended, and its keys for signals reach the program.
SHELL = ("sh", "-c", 'trap : INT QUIT; "$@"; echo "code $?"; read -r line', "sh")


class Terminal:
    """`selvedge run tty_modes.wasm WHAT` on a terminal; below a shell it is the controlling one."""

    def __init__(self, what, shell=False, **streams):
        self.leader, self.follower = os.openpty()
        self.resize(100, 30, 1000, 600)
        self.before = termios.tcgetattr(self.follower)
        streams = {"stdin": self.follower, "stdout": self.follower, "stderr": self.follower, **streams}
        if shell:
            streams["start_new_session"] = True
            streams["preexec_fn"] = lambda: fcntl.ioctl(self.follower, termios.TIOCSCTTY, 0)
        command = [*(SHELL if shell else ()), harness.BINARY, "run", GUEST, what]
        self.process = subprocess.Popen(command, **streams)
        self.seen = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.leader)
        os.close(self.follower)

    def resize(self, columns, rows, width=0, height=0):
        fcntl.ioctl(self.leader, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, width, height))

    def expect(self, text):
        """Everything shown so far, once it contains `text`."""
        deadline = time.monotonic() + SECONDS_MAX
        while text not in self.seen:
            ready, _, _ = select.select([self.leader], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise AssertionError(f"{text} is not in {self.seen}")
            self.seen += os.read(self.leader, 4096)
        return self.seen

    def type(self, keys):
        os.write(self.leader, keys)

    def modes(self):
        return termios.tcgetattr(self.follower)

    def wait(self):
        return self.process.wait(timeout=SECONDS_MAX)


class TerminalTest(unittest.TestCase):
    def test_size_descriptors_and_modes(self):
        with Terminal("show") as terminal:
            terminal.expect(b"ready 100x30 1000x600 111 111\r\n")
            self.assertEqual(terminal.wait(), 0)

    def test_redirected_descriptors_are_none(self):
        with Terminal("show", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as terminal:
            shown, _ = terminal.process.communicate(timeout=SECONDS_MAX)
            self.assertEqual(shown, b"ready 100x30 1000x600 001 111\n")

    def test_without_a_terminal(self):
        self.assertEqual(harness.run(GUEST, "show").stdout, b"tty_get: 59\n")

    def test_echo_off(self):
        with Terminal("silent") as terminal:
            terminal.expect(b" 011\r\n")
            self.assertFalse(terminal.modes()[3] & termios.ECHO)
            terminal.type(b"secret\r")
            self.assertEqual(terminal.expect(b"secret\r\n"), b"ready 100x30 1000x600 111 011\r\ngot 7: secret\r\n")
            self.assertEqual(terminal.wait(), 0)
            self.assertEqual(terminal.modes(), terminal.before)

    def test_raw_mode_passes_single_keys(self):
        with Terminal("keys") as terminal:
            terminal.expect(b" 001\r\n")
            for key, shown in ((b"a", b"<61>"), (b"\r", b"<0d>"), (b"\n", b"<0a>"), (b"\x7f", b"<7f>"),
                               (b"\x04", b"<04>"), (b"\x13", b"<13>"), (b"\xc3\xa9", b"<c3><a9>"), (b"q", b"<71>")):
                terminal.type(key)
                terminal.expect(shown)
            self.assertEqual(terminal.wait(), 0)
            self.assertTrue(terminal.seen.endswith(b"001\r\n<61><0d><0a><7f><04><13><c3><a9><71>"), terminal.seen)
            self.assertEqual(terminal.modes(), terminal.before)

    def test_resize(self):
        with Terminal("resize") as terminal:
            terminal.expect(b"ready")
            terminal.resize(132, 50)
            terminal.type(b"q")
            terminal.expect(b"then 132x50 0x0")


    def test_resize_is_told_by_a_signal(self):
        with Terminal("watch", shell=True) as terminal:
            terminal.expect(b"ready 100x30")
            for columns, rows in ((132, 50), (80, 24), (200, 60)):
                terminal.resize(columns, rows)
                terminal.expect(b"size %dx%d 0x0 " % (columns, rows))
            terminal.type(b"q")
            terminal.expect(b"code 0\r\n")


class RestoreTest(unittest.TestCase):
    def expect_restored(self, what, code, end=None):
        with Terminal(what) as terminal:
            terminal.expect(b" 001\r\n")
            self.assertNotEqual(terminal.modes(), terminal.before)
            if end is not None:
                end(terminal)
            self.assertEqual(terminal.wait(), code)
            self.assertEqual(terminal.modes(), terminal.before)

    def test_after_signals(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
            for what in ("keys", "spin"):
                with self.subTest(signal=number, what=what):
                    self.expect_restored(what, 128 + number, lambda terminal: terminal.process.send_signal(number))

    def test_after_keys_for_signals(self):
        for key, code in ((b"\x03", b"code 130\r\n"), (b"\x1c", b"code 131\r\n")):
            with Terminal("keys", shell=True) as terminal:
                terminal.expect(b" 001\r\n")
                terminal.type(key)
                terminal.expect(code)
                self.assertEqual(terminal.modes(), terminal.before)

    def test_after_a_trap(self):
        with Terminal("trap") as terminal:
            terminal.expect(b"selvedge: ")
            self.assertEqual(terminal.wait(), 134)
            self.assertEqual(terminal.modes(), terminal.before)

    def test_hangup_that_the_parent_ignores(self):
        command = f'trap "" HUP; exec "{harness.BINARY}" run "{GUEST}" keys'
        with Terminal("show") as terminal:
            terminal.wait()
            with subprocess.Popen(["sh", "-c", command], stdin=terminal.follower, stdout=subprocess.PIPE) as process:
                self.assertTrue(process.stdout.readline().startswith(b"ready"))
                process.send_signal(signal.SIGHUP)
                terminal.type(b"q")
                self.assertEqual(process.communicate(timeout=SECONDS_MAX)[0], b"<71>")
                self.assertEqual(process.returncode, 0)


if __name__ == "__main__":
    unittest.main()
