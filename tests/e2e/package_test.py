#!/usr/bin/env python3
"""`selvedge package build`, `inspect`, and `run` with what was built; hostile files get one sentence."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import harness

TERMINAL = harness.GUESTS / "terminal.wasm"
ECHO = harness.GUESTS / "wcgi_echo.wasm"
harness.require(harness.BINARY, TERMINAL, ECHO)

MANIFEST = """[package]
name = "ada/tools"
version = "1.2.0"
description = "Tools for tests"
entrypoint = "show"
[fs]
"/data" = "files"
[[module]]
name = "terminal"
source = "terminal.wasm"
[[module]]
name = "echo"
source = "echo.wasm"
[[command]]
name = "show"
module = "terminal"
runner = "wasi"
[command.annotations.wasi]
main-args = ["args"]
exec-name = "shown"
[[command]]
name = "web"
module = "echo"
runner = "https://webc.org/runner/wcgi"
[[command]]
name = "old"
module = "terminal"
runner = "emscripten"
"""


def package(*words, cwd=None):
    return subprocess.run([harness.BINARY, "package", *map(str, words)], capture_output=True, text=True, check=False,
                          timeout=harness.START_SECONDS_MAX, cwd=cwd)


class PackageTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.source = self.folder / "tools"
        (self.source / "files").mkdir(parents=True)
        (self.source / "files/note").write_text("noted")
        shutil.copy(TERMINAL, self.source / "terminal.wasm")
        shutil.copy(ECHO, self.source / "echo.wasm")
        (self.source / "wasmer.toml").write_text(MANIFEST)
        self.webc = self.folder / "tools.webc"

    def build(self):
        done = package("build", self.source, "-o", self.webc)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def test_a_build_is_reproducible_and_says_what_it_made(self):
        done = self.build()
        self.assertRegex(done.stdout, r"Built .*tools\.webc \(.*, sha256:[0-9a-f]{64}\)")
        self.assertIn('the command "old" cannot be run', done.stderr)
        copy = shutil.copytree(self.source, self.folder / "copy")
        os.utime(copy / "files/note", (1, 1))
        made = package("build", "--json", cwd=copy)
        self.assertEqual(made.returncode, 0, made.stderr)
        told = json.loads(made.stdout)
        self.assertEqual(told["file"], "ada-tools-1.2.0.webc")
        self.assertEqual((copy / told["file"]).read_bytes(), self.webc.read_bytes())

    def test_inspect(self):
        self.build()
        told = json.loads(package("inspect", "--json", self.webc).stdout)
        self.assertEqual((told["name"], told["version"], told["entrypoint"]), ("ada/tools", "1.2.0", "show"))
        self.assertEqual({command["name"]: (command["runner"], command["runnable"]) for command in told["commands"]},
                         {"show": ("wasi", True), "web": ("wcgi", True),
                          "old": ("https://webc.org/runner/emscripten", False)})
        self.assertEqual([module["bytes"] for module in told["modules"]],
                         [ECHO.stat().st_size, TERMINAL.stat().st_size])
        self.assertIn("fd_write", told["modules"][1]["imports"]["wasi_snapshot_preview1"])
        self.assertEqual(told["volumes"][0]["files"][0]["path"], "/note")
        # A folder is inspected as what would be built of it.
        of_folder = json.loads(package("inspect", "--json", self.source).stdout)
        self.assertEqual(of_folder["sha256"], told["sha256"])
        text = package("inspect", self.webc).stdout
        for part in ("ada/tools 1.2.0\n", "sha256:" + told["sha256"], "/note", "runner wcgi, module echo"):
            self.assertIn(part, text)

    def test_run_does_with_a_package_what_it_does_with_the_folder(self):
        self.build()
        for target in (self.source, self.webc):
            shown = harness.run(target, "--", "a b", "c")
            self.assertEqual((shown.returncode, shown.stdout), (0, b"[shown]\n[args]\n[a b]\n[c]\n"), shown.stderr)
            read = harness.run("-e", "show", target, "--", stdin=b"")
            self.assertEqual(read.stdout, b"[shown]\n[args]\n")

    def test_run_serves_a_package(self):
        self.build()
        with harness.Server(self.webc, "-e", "web") as server:
            status, _, body = server.request("GET", "/path?query=1")
            self.assertEqual(status, 200, body)
            self.assertIn(b"query=1", body)

    def test_a_module_becomes_a_package(self):
        done = package("build", TERMINAL, "-o", self.webc)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(harness.run(self.webc, "--", "args", "x").stdout, b"[terminal]\n[args]\n[x]\n")

    def test_what_is_wrong_gets_one_sentence_and_leaves_nothing(self):
        self.build()
        good = self.webc.read_bytes()
        bad = self.folder / "bad.webc"
        for data in (b"", b"\0webc", b"\0webc001" + bytes(64), good[:-1], good[: len(good) // 2], good[:200],
                     good[:300] + bytes(64) + good[364:], good.replace(b"noted", b"noteD")):
            bad.write_bytes(data)
            for done in (package("inspect", bad), subprocess.run([harness.BINARY, "run", bad], capture_output=True,
                                                                 text=True, check=False, timeout=60)):
                self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
                self.assertTrue(done.stderr.startswith("selvedge: "), done.stderr)
                self.assertIn("bad.webc", done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        (self.source / "files/out").symlink_to("/etc/passwd")
        done = package("build", self.source, "-o", self.folder / "new.webc")
        self.assertEqual(done.returncode, 1)
        self.assertIn("out", done.stderr)
        self.assertEqual([path.name for path in self.folder.iterdir() if path.name.startswith("new")], [])
        self.assertEqual(package("build", self.folder / "none").returncode, 1)
        self.assertEqual(package("build", "--runner", "cgi", TERMINAL).returncode, 2)
        self.assertEqual(package().returncode, 2)

    def test_json_errors(self):
        done = package("inspect", "--json", self.folder / "none.webc")
        self.assertEqual(json.loads(done.stderr)["kind"], "not found")


if __name__ == "__main__":
    unittest.main()
