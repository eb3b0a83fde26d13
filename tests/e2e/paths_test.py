#!/usr/bin/env python3
"""Files as a POSIX C library has them: absolute links, telldir, redirected streams, sockets, /dev/shm."""

import os
import pathlib
import stat
import subprocess
import tempfile
import unittest

import harness

PATHS = harness.GUESTS / "paths.wasm"
harness.require(harness.BINARY, PATHS)


class PathsTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def run_guest(self, *arguments, options=(), **streams):
        return subprocess.run([harness.BINARY, "run", *map(str, options), PATHS, "--", *arguments], timeout=60,
                              check=False, **({"capture_output": True} | streams))

    def prints(self, lines, *arguments, options=()):
        done = self.run_guest(*arguments, options=options)
        self.assertEqual((done.returncode, done.stdout.decode().splitlines()), (0, lines), done.stderr.decode())

    def test_absolute_links(self):
        expected = ["put: ok", "symlink: ok", "AT/file", "AT/link: text", "symlink: ok",
                    "AT/passwd: No such file or directory", "symlink: ok", "unlink: ok", "symlink: ok",
                    "AT/loop: Symbolic link loop"]
        self.prints([line.replace("AT", "/tmp") for line in expected], "links")
        self.prints([line.replace("AT", "/data") for line in expected], "links", "/data",
                    options=("--dir", f"{self.folder}::/data"))
        self.prints([line.replace("AT", "/srv/app") for line in expected], "links", "/srv/app",
                    options=("--dir", f"{self.folder}::/srv/app/data"))
        self.assertEqual(os.readlink(self.folder / "link"), "/data/file")
        self.assertEqual(os.readlink(self.folder / "passwd"), "/etc/passwd")

    def test_links_of_the_host_stay_in_the_guests_files(self):
        (self.folder / "inside").mkdir()
        (self.folder / "secret").write_text("secret")
        (self.folder / "inside/link").symlink_to(self.folder / "secret")
        done = self.run_guest("positions", "/link", options=("--dir", f"{self.folder}/inside::/"))
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"No such file or directory", done.stderr)

    def test_positions_in_directories(self):
        for number in range(1000):
            (self.folder / f"file{number}").touch()
        self.prints(["1002 entries, 0 wrong"], "positions", "/data", options=("--dir", f"{self.folder}::/data"))
        self.prints(["1003 entries, 0 wrong"], "positions", "/",
                    options=("--dir", f"{self.folder}::/", "--dir", f"{self.folder}::/mounted"))

    def test_redirected_streams_are_files(self):
        (self.folder / "in").write_bytes(b"0123456789")
        (self.folder / "out").write_bytes(b"before\n")
        with open(self.folder / "in", "rb") as source, open(self.folder / "out", "ab") as target:
            done = self.run_guest("streams", stdin=source, stdout=target, stderr=subprocess.PIPE, capture_output=False)
            self.assertEqual(os.lseek(source.fileno(), 0, os.SEEK_CUR), 5, "the next program goes on there")
        self.assertEqual(done.stderr.decode().splitlines(),
                         ["in: file, size 10, at 0", "read 3: 234", "in: file, size 10, at 5",
                          "out: file, size 7, at 7", "out: file, size 16, at 16"])
        self.assertEqual((self.folder / "out").read_bytes(), b"before\nwritten\nW")
        with open(self.folder / "in", "rb") as source, open(self.folder / "out", "wb") as target:
            self.run_guest("streams", stdin=source, stdout=target, stderr=subprocess.PIPE, capture_output=False)
        self.assertEqual((self.folder / "out").read_bytes(), b"Written\n")

    def test_pipes_are_no_files(self):
        done = self.run_guest("streams", input=b"0123456789")
        self.assertEqual(done.stderr.decode().splitlines(),
                         ["in: no file, size -1, at -1", "in: no file, size -1, at -1"] +
                         ["out: no file, size -1, at -1"] * 2)
        self.assertEqual(done.stdout, b"written\n")

    def test_sockets_are_files(self):
        expected = ["bind: ok", "stat: ok", "socket: 1", "bind again: Address in use", "connect: ok",
                    "connect to the closed one: Connection refused", "unlink: ok",
                    "connect to the removed one: No such file or directory", "bind: ok"]
        self.prints(expected, "sockets")
        self.prints(expected, "sockets", "/data", options=("--dir", f"{self.folder}::/data"))
        self.assertTrue(stat.S_ISSOCK((self.folder / "service").stat().st_mode))
        read_only = self.run_guest("sockets", "/data", options=("--dir", f"{self.folder}::/data:ro"))
        self.assertEqual(read_only.stdout.decode().splitlines()[0], "bind: Address in use")
        (self.folder / "service").unlink()
        read_only = self.run_guest("sockets", "/data", options=("--dir", f"{self.folder}::/data:ro"))
        self.assertEqual(read_only.stdout.decode().splitlines()[0], "bind: Read-only file system")

    def test_shared_memory(self):
        for options in ((), ("--dir", f"{self.folder}::/"), ("--dir", f"{self.folder}::/dev")):
            self.prints(["put: ok", "/dev/shm/memory: shared"], "shared", options=options)
        self.assertEqual(list(self.folder.iterdir()), [])
        self.prints(["put: ok", "/dev/shm/memory: shared"], "shared",
                    options=("--dir", f"{self.folder}::/dev/shm"))
        self.assertEqual((self.folder / "memory").read_text(), "shared")


if __name__ == "__main__":
    unittest.main(verbosity=2)
