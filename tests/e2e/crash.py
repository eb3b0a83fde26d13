"""What crash_test.py and bad_store_test.py share: the preloaded library, nodes under it."""

import mmap
import os
import pathlib
import shutil
import struct
import subprocess

import harness

SHIM = pathlib.Path(__file__).resolve().parent / "crash_shim.c"
COMPILER = shutil.which("clang-22") or shutil.which("cc")
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
