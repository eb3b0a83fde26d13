"""Runs a program at a terminal, and types what its lines ask for: "type N: TEXT", "resize N: ROWS COLUMNS"."""

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time


def _resize(terminal, rows, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def _answer(terminal, line):
    """Does what a line asks for, if it does."""
    asked = re.match(r"(type|resize) \d+: (.*)", line)
    if asked and asked.group(1) == "type":
        os.write(terminal, codecs.decode(asked.group(2), "unicode_escape").encode("latin-1"))
    elif asked:
        _resize(terminal, *map(int, asked.group(2).split()))


def converse(command, variables, seconds_max):
    """Lines of the terminal and exit code of a run, and no standard error, which is the terminal too."""
    terminal, end = pty.openpty()
    _resize(terminal, 24, 80)
    # setsid makes the terminal that of a session of the program's own, so that keys become signals.
    process = subprocess.Popen(["setsid", "--ctty", *command], env=variables, stdin=end, stdout=end, stderr=end)
    os.close(end)
    deadline = time.monotonic() + seconds_max
    text, answered, code = b"", 0, f"none after {seconds_max} s"
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], deadline - time.monotonic())[0]:
            break
        try:
            text += os.read(terminal, 4096)
        except OSError:  # all that had the terminal have ended
            code = process.wait()
            break
        lines = text.decode(errors="replace").split("\r\n")[:-1]
        for line in lines[answered:]:
            _answer(terminal, line)
        answered = len(lines)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    os.close(terminal)
    lines = text.decode(errors="replace").replace("\r\n", "\n").splitlines()
    return lines + [f"exit code: {code}"], ""
