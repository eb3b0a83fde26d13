"""Our webc codec against the crate `webc`: equal listings of each other's packages, and equal bytes.

usage: webc_crosscheck.py WEBC_TOOL

WEBC_SAMPLES names a folder with packages of others (*.webc), which are listed by both as well.
"""

import base64
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).parent
CACHE = pathlib.Path(os.environ.get("SELVEDGE_CACHE") or pathlib.Path.home() / ".cache/selvedge")
OURS = pathlib.Path(sys.argv.pop(1)) if len(sys.argv) > 1 else None
CODE = b"\0asm\1\0\0\0"


def build_theirs():
    """The Rust program; None, with the reason on standard output, when the crate cannot be had."""
    environment = dict(os.environ, CARGO_TARGET_DIR=str(CACHE / "cargo-webc-crosscheck"),
                       PATH=f"{pathlib.Path.home()}/.cargo/bin:{os.environ['PATH']}")
    built = subprocess.run(
        ["cargo", "build", "--quiet", "--locked", "--manifest-path", HERE / "Cargo.toml"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if built.returncode != 0:
        print(built.stdout)
        return None
    return CACHE / "cargo-webc-crosscheck/debug/webc-crosscheck"


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout


def manifest(version):
    """What Wasmer's tools would make; in version 2 mounts name a folder of one volume."""
    signature = "sha256:" + base64.b64encode(hashlib.sha256(CODE).digest()).decode()
    folder = {"host_path": "/"} if version == 2 else {}
    return {
        "use": {"wasmer/python": "wasmer/python@^3.12", "other": "https://example.com/other.webc"},
        "package": {
            "wapm": {"name": "me/site", "version": "1.2.3", "description": "A site – with ümlauts.",
                     "license": "MIT", "readme": {"volume": "metadata", "path": "/README.md"}},
            "fs": [{"from": None, "volume_name": "/public", **folder, "mount_path": "/public"},
                   {"from": None, "volume_name": "/lib", **folder, "mount_path": "/public/lib"}],
        },
        "atoms": {"tool": {"kind": "https://webc.org/kind/wasm", "signature": signature,
                           "annotations": {"wasm": {"features": ["simd", "threads"]}}}},
        "commands": {
            "run": {"runner": "https://webc.org/runner/wasi", "annotations": {
                "atom": {"name": "python", "dependency": "wasmer/python"},
                "wasi": {"atom": "wasmer/python:python", "env": ["A=1", "B="], "main-args": ["-m", "site"],
                         "exec-name": "python3"}}},
            "serve": {"runner": "https://webc.org/runner/wcgi", "annotations": {
                "atom": {"name": "tool"}, "wasi": {"atom": "tool"}, "custom": {"n": [1, -70000, {"deep": True}]}}},
        },
        "bindings": [{"name": "b", "kind": "wit@0.1.0",
                      "annotations": {"wit": {"exports": "metadata:/x.wit", "module": "tool"}}}],
        "entrypoint": "serve",
    }  # fmt: skip


def make_tree(root, version):
    (root / "manifest.json").write_text(json.dumps(manifest(version)), encoding="utf-8")
    (root / "atoms").mkdir()
    (root / "atoms/tool").write_bytes(CODE)
    files = {
        "volumes/%2Fpublic/index.html": b"<p>hello</p>",
        "volumes/%2Fpublic/empty": b"",
        "volumes/%2Fpublic/deep/er/st/file": b"x" * 100_000,
        "volumes/%2Fpublic/caf\u00e9 \u2603": b"name",
        "volumes/%2Flib/a.so": bytes(range(256)) * 300,
        "volumes/metadata/README.md": b"# read me\n",
    }
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (root / "volumes/%2Fpublic/nothing").mkdir()
    if version == 3:
        (root / "volumes/%2Fpublic/deep/home").symlink_to("../index.html")
        (root / "volumes/%2Fpublic/gone").symlink_to("nowhere")
    for number, path in enumerate(sorted(root.rglob("*"))):
        os.utime(path, (1_600_000_000, 1_700_000_000 + number * 1000), follow_symlinks=False)


class Packages(unittest.TestCase):
    theirs = None

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)

    def written_by_them(self, version):
        source = self.folder / f"source{version}"
        source.mkdir()
        make_tree(source, version)
        package = self.folder / f"theirs{version}.webc"
        run(self.theirs, "write", source, package, version)
        return package

    def test_theirs_are_listed_here_as_there(self):
        for version in (2, 3):
            with self.subTest(version=version):
                package = self.written_by_them(version)
                listing = run(self.theirs, "dump", package)
                self.assertEqual(run(OURS, "dump", package), listing)
                self.assertEqual(listing.count("\nfile "), 6)
                self.assertIn(f"version 00{version}\n", listing)
                self.assertIn('command "serve" https://webc.org/runner/wcgi "tool"', listing)

    def test_ours_have_the_same_bytes(self):
        for version in (2, 3):
            with self.subTest(version=version):
                package = self.written_by_them(version)
                ours = self.folder / f"ours{version}.webc"
                run(OURS, "rewrite", package, ours, version)
                self.assertEqual(ours.read_bytes(), package.read_bytes())

    def test_ours_of_the_other_version_open_there(self):
        package = self.written_by_them(2)
        ours = self.folder / "upgraded.webc"
        run(OURS, "rewrite", package, ours, 3)
        listing = run(self.theirs, "dump", ours)
        self.assertEqual(run(OURS, "dump", ours), listing)
        self.assertIn("version 003\n", listing)
        back = self.folder / "back.webc"
        run(OURS, "rewrite", ours, back, 2)
        self.assertEqual(back.read_bytes(), package.read_bytes())

    def test_links_do_not_fit_version_2(self):
        package = self.written_by_them(3)
        with self.assertRaisesRegex(AssertionError, "version 2 have no symbolic links"):
            run(OURS, "rewrite", package, self.folder / "x.webc", 2)

    def test_a_changed_byte_is_refused_by_both(self):
        package = self.written_by_them(3)
        content = bytearray(package.read_bytes())
        content[content.rindex(b"<p>hello")] ^= 1
        package.write_bytes(content)
        with self.assertRaisesRegex(AssertionError, "checksum is wrong"):
            run(OURS, "dump", package)
        with self.assertRaises(AssertionError):
            run(self.theirs, "dump", package)

    def test_samples(self):
        samples = os.environ.get("WEBC_SAMPLES")
        if not samples:
            self.skipTest("WEBC_SAMPLES names no folder of packages")
        for package in sorted(pathlib.Path(samples).glob("*.webc")):
            with self.subTest(package=package.name):
                self.assertEqual(run(OURS, "dump", package), run(self.theirs, "dump", package))


if __name__ == "__main__":
    if OURS is None:
        sys.exit("usage: webc_crosscheck.py WEBC_TOOL")
    Packages.theirs = build_theirs()
    if Packages.theirs is None:
        print("SKIPPED: the crate webc cannot be built here")
        sys.exit(77)
    unittest.main(verbosity=2)
