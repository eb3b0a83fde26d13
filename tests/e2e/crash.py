"""What crash_test.py and bad_store_test.py share: the preloaded library, nodes under it, an S3 server."""

import mmap
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import time

import harness

SHIM = pathlib.Path(__file__).resolve().parent / "crash_shim.c"
COMPILER = shutil.which("clang-22") or shutil.which("cc")
S3_SERVER = pathlib.Path(os.environ.get("SELVEDGE_S3_SERVER") or harness.FETCHED.parent / "tools/bin/versitygw")
ECHO = harness.GUESTS / "wcgi_echo.wasm"  # answers with its environment


def build_shim(folder):
    """The library; ends the script as skipped where it cannot be had."""
    if COMPILER is None:
        harness.skip("there is no C compiler")
    library = folder / "crash_shim.so"
    subprocess.run([COMPILER, "-O1", "-shared", "-fPIC", "-o", library, SHIM, "-ldl"], check=True)
    return library


class Page:
    """Shared with one process (struct page of crash_shim.c)."""

    NAMES = ("remaining", "count", "after", "offset")

    def __init__(self, path):
        self.path = path
        path.write_bytes(bytes(8 * len(self.NAMES)))
        with path.open("r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 8 * len(self.NAMES))

    def __getitem__(self, name):
        return struct.unpack_from("q", self.memory, 8 * self.NAMES.index(name))[0]

    def __setitem__(self, name, value):
        struct.pack_into("q", self.memory, 8 * self.NAMES.index(name), value)

    def environment(self, library, path):
        return {**os.environ, "LD_PRELOAD": str(library), "SELVEDGE_CRASH_PAGE": str(self.path),
                "SELVEDGE_CRASH_PATH": str(path)}


class Node(harness.Node):
    """A node that may be killed: leaving it says nothing about how it ended."""

    def __init__(self, data, *options, environment=None, prefix=()):
        self.port = harness.free_port()
        self.data = pathlib.Path(data)
        self.environment = environment
        self.prefix = prefix
        self.start(["node", *options, "--data", data, "--http", f"127.0.0.1:{self.port}"])

    def spawn(self, command):
        return subprocess.Popen([*self.prefix, *command], stdin=subprocess.DEVNULL, stderr=self.log, stdout=self.log,
                                env=self.environment)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __exit__(self, *_):
        self.kill()
        self.log.close()

    def label(self, host):
        """What the app at that host says of itself, or the status that is not 200."""
        status, _, body = self.get(host)
        if status != 200:
            return status
        return dict(line.split("=", 1) for line in body.decode().split("\n") if "=" in line)["LABEL"]


class S3Server:
    """versitygw over a folder, with the bucket `bucket`."""

    def __init__(self, folder):
        self.port = harness.free_port()
        self.data = folder / "s3"
        self.bucket = self.data / "bucket"
        self.bucket.mkdir(parents=True)
        self.process = subprocess.Popen(
            [S3_SERVER, "--port", f"127.0.0.1:{self.port}", "--access", "test-access", "--secret", "test-secret-key",
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
        self.process.kill()
        self.process.wait()


def s3_config(port):
    return (f'[store.s3]\nendpoint = "http://127.0.0.1:{port}"\nbucket = "bucket"\n'
            'access_key_file = "access-key"\nsecret_key_file = "secret-key"\n')


def write_keys(folder):
    (folder / "access-key").write_text("test-access\n")
    (folder / "secret-key").write_text("test-secret-key\n")


def write_site(folder, name, label, content="content", module=""):
    """An app whose answers tell the label, with a folder of its own that has the content. Its module is another one
    for each text `module`."""
    site = folder / name
    (site / "files").mkdir(parents=True, exist_ok=True)
    # A custom section: its size, the size of its name, the name.
    name_bytes = module.encode()
    custom = bytes([0, len(name_bytes) + 1, len(name_bytes)]) + name_bytes if module else b""
    (site / "echo.wasm").write_bytes(ECHO.read_bytes() + custom)
    (site / "files/content.txt").write_text(content)
    (site / "wasmer.toml").write_text(
        '[package]\nname = "test/site"\nversion = "1.0.0"\n[fs]\n"/files" = "files"\n'
        '[[module]]\nname = "echo"\nsource = "echo.wasm"\n'
        '[[command]]\nname = "echo"\nmodule = "echo"\nrunner = "wcgi"\n')
    (site / "app.yaml").write_text(f"kind: wasmer.io/App.v0\nname: {name}\npackage: .\nenv:\n  LABEL: {label}\n")
    return site
