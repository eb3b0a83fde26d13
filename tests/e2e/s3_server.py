"""A real S3 server for tests: versitygw over a folder, with the bucket `bucket`."""

import os
import pathlib
import socket
import subprocess
import time

import harness

PROGRAM = pathlib.Path(os.environ.get("SELVEDGE_S3_SERVER") or harness.FETCHED.parent / "tools/bin/versitygw")


class S3Server:
    def __init__(self, folder):
        self.port = harness.free_port()
        self.data = folder / "s3"
        self.bucket = self.data / "bucket"
        self.bucket.mkdir(parents=True)
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [PROGRAM, "--port", f"127.0.0.1:{self.port}", "--access", "test-access", "--secret", "test-secret-key",
             "--keep-alive", "--quiet", "posix", self.data],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1, ("127.0.0.2", 0)).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("the S3 server does not start")

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def config(port):
    """Of a node in the folder that write_keys() was called with."""
    return (f'[store.s3]\nendpoint = "http://127.0.0.1:{port}"\nbucket = "bucket"\n'
            'access_key_file = "access-key"\nsecret_key_file = "secret-key"\n')


def write_keys(folder):
    (folder / "access-key").write_text("test-access\n")
    (folder / "secret-key").write_text("test-secret-key\n")
