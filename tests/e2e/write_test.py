#!/usr/bin/env python3
"""Programs that write once and trust write(2) to wait: to slow readers of every kind all bytes arrive. Errors of the
standard streams are the host's."""

import fcntl
import os
import socket
import subprocess
import tempfile
import unittest

import harness

WRITER = harness.GUESTS / "write_once.wasm"
harness.require(harness.BINARY, WRITER)

PIPE_BYTES = 4096
SMALL = (5000, 2000)
LARGE = (1_000_000, 10)
CONTENT = (1_000_000, 20)


def blocks(size, count):
    return b"".join(bytes([ord("a") + index % 26]) * size for index in range(count))


class SlowReaderTest(unittest.TestCase):
    def run_into_a_small_pipe(self, what, piece):
        """What comes out, read in pieces, and standard error."""
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        command = [harness.BINARY, "run", WRITER, what]
        with subprocess.Popen(command, stdout=writer, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
            os.close(writer)
            received = bytearray()
            while data := os.read(reader, piece):
                received += data
            os.close(reader)
            return bytes(received), process.communicate(timeout=60)[1]

    def test_standard_output(self):
        for what, shape in (("small", SMALL), ("large", LARGE)):
            received, said = self.run_into_a_small_pipe(what, 1000)
            self.assertEqual(len(received), shape[0] * shape[1], what)
            self.assertTrue(received == blocks(*shape), what)
            self.assertEqual(said, b"short 0\n", what)

    def test_a_file(self):
        with tempfile.NamedTemporaryFile() as file:
            command = [harness.BINARY, "run", WRITER, "large"]
            result = subprocess.run(command, stdout=file, stderr=subprocess.PIPE, timeout=60, check=False)
            self.assertEqual(result.stderr, b"short 0\n")
            with open(file.name, "rb") as written:
                self.assertTrue(written.read() == blocks(*LARGE))

    def test_a_client(self):
        with harness.Server(WRITER) as server, socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PIPE_BYTES)
            client.settimeout(60)
            client.connect(("127.0.0.1", server.port))
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            received = bytearray()
            while data := client.recv(PIPE_BYTES):
                received += data
            content = bytes(received).partition(b"\r\n\r\n")[2]
            self.assertEqual(len(content), CONTENT[0] * CONTENT[1])
            self.assertTrue(content == blocks(*CONTENT))


class ErrorTest(unittest.TestCase):
    def said(self, *words, **streams):
        return subprocess.run([harness.BINARY, "run", WRITER, *words], stderr=subprocess.PIPE, timeout=60,
                              check=False, **streams).stderr

    def test_full_device(self):
        with open("/dev/full", "wb") as full:
            self.assertEqual(self.said("error", stdout=full, stdin=subprocess.DEVNULL), b"No space left on device\n")

    def test_reader_that_has_left(self):
        reader, writer = os.pipe()
        os.close(reader)
        self.assertEqual(self.said("error", stdout=writer, stdin=subprocess.DEVNULL), b"Broken pipe\n")
        os.close(writer)

    def test_folder_as_input(self):
        with tempfile.TemporaryDirectory() as folder:
            descriptor = os.open(folder, os.O_RDONLY)
            self.assertEqual(self.said("read", stdin=descriptor), b"Is a directory\n")
            os.close(descriptor)


if __name__ == "__main__":
    unittest.main()
