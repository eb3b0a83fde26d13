#!/usr/bin/env python3
"""`selvedge run` on this terminal: streams, arguments, environment, folders, limits, signals, exit codes; bad input."""

import os
import pathlib
import pty
import signal
import subprocess
import tempfile
import time
import unittest

import harness

TERMINAL = harness.GUESTS / "terminal.wasm"
MISBEHAVE = harness.GUESTS / "misbehave.wasm"
harness.require(harness.BINARY, TERMINAL, MISBEHAVE)


def run(*words, timeout=60, **options):
    """The completed process of `selvedge run WORDS...`."""
    return subprocess.run([harness.BINARY, "run", *map(str, words)], capture_output=True, timeout=timeout, **options)


class CommandTest(unittest.TestCase):
    def test_arguments_pass_unchanged(self):
        words = ["args", "", "two words", "--help", "--", "ü", "$HOME"]
        result = run(TERMINAL, "--", *words)
        shown = result.stdout.decode().splitlines()
        self.assertEqual(shown, ["[terminal.wasm]", *(f"[{word}]" for word in words)])
        self.assertEqual(result.returncode, 0)

    def test_environment_is_only_what_was_given(self):
        self.assertEqual(run("--env", "COLOUR=red=1", TERMINAL, "env", "COLOUR").stdout, b"red=1\n")
        self.assertEqual(run("--env", "A=1", "--env", "A=2", TERMINAL, "env", "A").stdout, b"2\n")
        self.assertEqual(run("--env", "HOME", TERMINAL, "env", "HOME").stdout.decode().strip(), os.environ["HOME"])
        self.assertEqual(run(TERMINAL, "env", "PATH").stdout, b"(unset)\n")

    def test_environment_file(self):
        with tempfile.NamedTemporaryFile("w", suffix=".env") as file:
            file.write("# comment\nNAME='of the rose'\n")
            file.flush()
            self.assertEqual(run("--env-file", file.name, TERMINAL, "env", "NAME").stdout, b"of the rose\n")

    def test_streams_are_ours(self):
        result = run(TERMINAL, "both")
        self.assertEqual((result.stdout, result.stderr), (b"to stdout\n", b"to stderr\n"))
        data = os.urandom(1 << 20)
        self.assertEqual(run(TERMINAL, "copy", input=data).stdout, data)

    def test_standard_input_from_a_file_and_closed(self):
        with open(__file__, "rb") as source:
            result = run(TERMINAL, "copy", stdin=source)
        self.assertEqual(result.stdout, pathlib.Path(__file__).read_bytes())
        command = f'set -o pipefail; "{harness.BINARY}" run "{TERMINAL}" copy <&- | head -c 100'
        closed = subprocess.run(["bash", "-c", command], capture_output=True, timeout=60)
        self.assertEqual((closed.returncode, closed.stdout), (0, b""))

    def test_a_terminal_looks_like_one(self):
        leader, follower = pty.openpty()
        command = [harness.BINARY, "run", TERMINAL, "tty"]
        with subprocess.Popen(command, stdin=follower, stdout=subprocess.PIPE, stderr=follower) as process:
            self.assertEqual(process.communicate(timeout=60)[0], b"101\n")
        os.close(leader)
        os.close(follower)

    def test_reader_that_leaves_ends_the_program(self):
        command = f'set -o pipefail; "{harness.BINARY}" run "{MISBEHAVE}" write | head -c 100 >/dev/null'
        result = subprocess.run(["bash", "-c", command], timeout=60, capture_output=True)
        self.assertEqual(result.returncode, 4, result.stderr)  # write(2) failed in the guest

    def test_exit_codes(self):
        for code in (0, 1, 3, 42, 255):
            self.assertEqual(run(MISBEHAVE, f"exit{code}").returncode, code)

    def test_progress_only_on_a_terminal(self):
        with tempfile.TemporaryDirectory() as cache:
            self.assertEqual(run("--cache-dir", cache, TERMINAL).stderr, b"")


class FolderTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        (self.folder / "file").write_text("content\n")

    def test_read_and_write(self):
        self.assertEqual(run("--dir", f"{self.folder}::/data", TERMINAL, "cat", "/data/file").stdout, b"content\n")
        self.assertEqual(run("--dir", f"{self.folder}::/data", TERMINAL, "write", "/data/new", "x").returncode, 0)
        self.assertEqual((self.folder / "new").read_text(), "x")

    def test_same_path(self):
        self.assertEqual(run("--dir", self.folder, TERMINAL, "cat", self.folder / "file").stdout, b"content\n")
        result = run("--dir", ".", TERMINAL, "cat", "file", cwd=self.folder)
        self.assertEqual(result.stdout, b"content\n", result.stderr)

    def test_read_only(self):
        mount = f"{self.folder}::/data:ro"
        self.assertEqual(run("--dir", mount, TERMINAL, "cat", "/data/file").stdout, b"content\n")
        self.assertEqual(run("--dir", mount, TERMINAL, "write", "/data/new", "x").returncode, 1)
        self.assertFalse((self.folder / "new").exists())

    def test_nothing_else_is_visible(self):
        for path in ("/etc/passwd", "/data/../../../etc/passwd", "../../etc/passwd"):
            result = run("--dir", f"{self.folder}::/data", TERMINAL, "cat", path)
            self.assertEqual((result.returncode, result.stdout), (1, b""), path)
        (self.folder / "link").symlink_to("/etc/passwd")
        self.assertEqual(run("--dir", f"{self.folder}::/data", TERMINAL, "cat", "/data/link").returncode, 1)

    def test_scratch_space(self):
        self.assertEqual(run(TERMINAL, "write", "/tmp/x", "y").returncode, 0)

    def test_bad_folders(self):
        for option, sentence in ((f"{self.folder}/missing::/x", b"no such folder"),
                                 (f"{self.folder}/file::/x", b"not a folder"), ("::/x", b"names no folder")):
            result = run("--dir", option, TERMINAL)
            self.assertIn(sentence, result.stderr)
            self.assertIn(result.returncode, (1, 2))
            self.assertEqual(result.stderr.count(b"\n"), 1)


class LimitTest(unittest.TestCase):
    def test_time_limit(self):
        begin = time.monotonic()
        for what in ("spin", "sleep"):
            result = run("--time-limit", "500ms", MISBEHAVE, what)
            self.assertEqual(result.returncode, 124, result.stderr)
            self.assertEqual(result.stderr.count(b"\n"), 1, result.stderr)
        self.assertLess(time.monotonic() - begin, 30)

    def test_memory_limit_is_out_of_memory_for_the_guest(self):
        result = run("--memory-limit", "32MiB", MISBEHAVE, "allocate")
        self.assertEqual((result.returncode, result.stdout), (3, b"out of memory\n"), result.stderr)

    def test_traps(self):
        for what in ("trap", "abort", "recurse"):
            result = run(MISBEHAVE, what)
            self.assertEqual(result.returncode, 134, (what, result.stderr))
            self.assertTrue(result.stderr.startswith(b"selvedge: the program "), result.stderr)
            self.assertEqual(result.stderr.count(b"\n"), 1, result.stderr)


class SignalTest(unittest.TestCase):
    def start(self, what):
        process = subprocess.Popen([harness.BINARY, "run", MISBEHAVE, what], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def test_interrupt_and_terminate(self):
        for what in ("spin", "sleep"):
            for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
                process = self.start(what)
                time.sleep(0.5)
                process.send_signal(number)
                self.assertEqual(process.wait(timeout=30), code)

    def start_computing(self, handler, stack_pointer=""):
        """A program with this handler, which has told that handlers can be called and computes for ever."""
        program = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()), "busy.wat")
        program.write_text(f"""(module
          (import "wasix_32v1" "callback_signal" (func $callback (param i32 i32)))
          (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
          (import "wasi_snapshot_preview1" "fd_write"
            (func $write (param i32 i32 i32 i32) (result i32)))
          (memory (export "memory") 1)
          {stack_pointer}
          (data (i32.const 0) "__wasm_signal\\n")
          (data (i32.const 32) "\\00\\00\\00\\00\\0e\\00\\00\\00")
          (func (export "__wasm_signal") (param i32) {handler})
          (func (export "_start")
            (call $callback (i32.const 0) (i32.const 13))
            (drop (call $write (i32.const 1) (i32.const 32) (i32.const 1) (i32.const 40)))
            (loop $busy (br $busy))))""")
        process = subprocess.Popen([harness.BINARY, "run", program], stdout=subprocess.PIPE)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), b"__wasm_signal\n")
        return process

    def test_a_program_that_computes_takes_it_in_its_handler(self):
        process = self.start_computing("(call $exit (local.get 0))",
                                       '(global (export "__stack_pointer") (mut i32) (i32.const 4096))')
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=30), signal.SIGINT)

    def test_a_second_one_ends_who_does_not_take_the_first(self):
        # Without its stack pointer, handlers run after a call of the program, and this one makes none.
        process = self.start_computing("")
        process.send_signal(signal.SIGTERM)
        with self.assertRaises(subprocess.TimeoutExpired):
            process.wait(timeout=0.5)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=30), 130)


class BadInputTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def sentence(self, *words, code=1):
        result = run(*words)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(result.stdout, b"")
        text = result.stderr.decode()
        self.assertTrue(text.startswith("selvedge: "), text)
        self.assertEqual(text.count("\n"), 1, text)
        return text

    def module(self, data, name="bad.wasm"):
        path = self.folder / name
        path.write_bytes(data)
        return path

    def test_command_lines(self):
        self.assertIn("needs a target", self.sentence(code=2))
        self.assertIn("--frob", self.sentence("--frob", TERMINAL, code=2))
        unknown = subprocess.run([harness.BINARY, "dploy"], capture_output=True, timeout=60)
        self.assertEqual((unknown.returncode, unknown.stderr.count(b"\n")), (2, 1))

    def test_targets(self):
        self.assertIn("no such file", self.sentence(self.folder / "missing.wasm"))
        self.assertIn("no wasmer.toml", self.sentence(self.folder))
        self.assertIn("x.webc", self.sentence(self.module(b"", "x.webc")))

    def test_not_wasm(self):
        self.assertIn("bad.wasm", self.sentence(self.module(b"#!/bin/sh\n")))
        self.assertIn("bad.wasm", self.sentence(self.module(b"")))

    def test_truncated(self):
        whole = TERMINAL.read_bytes()
        self.assertRegex(self.sentence(self.module(whole[: len(whole) // 2])), r"(offset|byte)")

    def test_component(self):
        self.assertIn("component", self.sentence(self.module(b"\0asm\x0d\0\x01\0")))

    def test_unknown_import(self):
        wat = self.module(b'(module (import "env" "magic" (func (param i32))) (memory (export "memory") 1)'
                          b' (func (export "_start")))', "import.wat")
        text = self.sentence(wat)
        self.assertIn("env", text)
        self.assertIn("magic", text)

    def test_unsupported_features(self):
        wat = self.module(b'(module (memory (export "memory") i64 1) (func (export "_start")))', "m64.wat")
        self.assertRegex(self.sentence(wat), "(memory64|64-bit)")

    def test_text_with_a_mistake(self):
        self.assertRegex(self.sentence(self.module(b"(module\n  (func $f (param i33)))\n", "bad.wat")), "2")

    def test_no_start(self):
        self.assertIn("_start", self.sentence(self.module(b'(module (memory (export "memory") 1))', "lib.wat")))

    def test_manifest(self):
        (self.folder / "wasmer.toml").write_text('[package]\nname = "a/b"\nentrypoint = "x"\n')
        self.assertIn("wasmer.toml:3:14: ", self.sentence(self.folder))
        (self.folder / "wasmer.toml").write_text("[package\n")
        self.assertIn("wasmer.toml:1:", self.sentence(self.folder))

    def test_text_module_runs(self):
        wat = self.module(b'(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))'
                          b' (memory (export "memory") 1) (func (export "_start") (call $exit (i32.const 9))))',
                          "nine.wat")
        self.assertEqual(run(wat).returncode, 9)

    def test_json_errors(self):
        result = run("--json", self.folder / "missing.wasm")
        self.assertIn(b'{"error":', result.stderr)


if __name__ == "__main__":
    unittest.main()
