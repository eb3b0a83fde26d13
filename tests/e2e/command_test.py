#!/usr/bin/env python3
"""`selvedge run TARGET`: real programs on this terminal, with their streams, arguments, environment and exit codes."""

import pathlib
import tempfile
import unittest

import harness

harness.require(harness.BINARY, harness.GUESTS / "hello.wasm", harness.FETCHED / "python.wasm",
                harness.FETCHED / "sqlite.wasm", harness.FETCHED / "php-cgi.wasm")

LIBRARY = harness.FETCHED / "python/usr/local/lib"
PYTHON = ("--env", "PYTHONHOME=/usr/local", "--env", "PYTHONDONTWRITEBYTECODE=1",
          "--dir", f"{LIBRARY}::/usr/local/lib:ro")


class ScratchFolder(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))


class HelloTest(unittest.TestCase):
    def test_arguments_environment_and_exit_code(self):
        finished = harness.run("--env", "GREETING=good day", harness.GUESTS / "hello.wasm", "--", "fail", "a b")
        self.assertEqual(finished.returncode, 7)
        self.assertEqual(finished.stdout, b"good day fail a b\n")

    def test_environment_is_not_inherited(self):
        finished = harness.run(harness.GUESTS / "hello.wasm", env={"GREETING": "leaked"})
        self.assertEqual((finished.returncode, finished.stdout), (0, b"hello\n"))


class PythonTest(ScratchFolder):
    def python(self, *arguments, options=(), stdin=b""):
        return harness.run(*PYTHON, *options, harness.FETCHED / "python.wasm", "--", *arguments, stdin=stdin)

    def test_command_line_program(self):
        finished = self.python("-c", "import sys; print(sys.argv[1:], sys.version_info[:2]); sys.exit(3)", "x")
        self.assertEqual((finished.returncode, finished.stdout), (3, b"['x'] (3, 11)\n"), finished.stderr)

    def test_reads_standard_input(self):
        finished = self.python("-c", "import sys; print(len(sys.stdin.buffer.read()))", stdin=b"x" * 1_000_000)
        self.assertEqual(finished.stdout, b"1000000\n", finished.stderr)

    def test_errors_go_to_standard_error(self):
        finished = self.python("-c", "raise ValueError('told')")
        self.assertEqual((finished.returncode, finished.stdout), (1, b""))
        self.assertIn(b"ValueError: told", finished.stderr)

    def test_script_with_files(self):
        (self.folder / "script.py").write_text(
            "import os, pathlib\n"
            "here = pathlib.Path('/data')\n"
            "(here / 'sub').mkdir()\n"
            "(here / 'sub/out.txt').write_text('from the guest')\n"
            "print(sorted(os.listdir(here)), os.stat(here / 'sub/out.txt').st_size)\n"
            "os.rename(here / 'sub/out.txt', here / 'moved.txt')\n"
            "os.rmdir(here / 'sub')\n")
        finished = self.python("/data/script.py", options=("--dir", f"{self.folder}::/data"))
        self.assertEqual((finished.returncode, finished.stdout), (0, b"['script.py', 'sub'] 14\n"), finished.stderr)
        self.assertEqual((self.folder / "moved.txt").read_text(), "from the guest")

    def test_cannot_leave_its_folders(self):
        (self.folder / "inside").mkdir()
        (self.folder / "secret.txt").write_text("secret")
        (self.folder / "inside/link").symlink_to("../secret.txt")
        (self.folder / "inside/absolute").symlink_to(self.folder / "secret.txt")
        program = ("for name in ('/data/../secret.txt', '/data/link', '/data/absolute', '/etc/passwd'):\n"
                   "    try:\n"
                   "        print(open(name).read())\n"
                   "    except OSError:\n"
                   "        print('refused')\n")
        finished = self.python("-c", program, options=("--dir", f"{self.folder}/inside::/data"))
        self.assertEqual(finished.stdout, b"refused\n" * 4, finished.stderr)

    def test_read_only_folder(self):
        program = "open('/data/new.txt', 'w')"
        finished = self.python("-c", program, options=("--dir", f"{self.folder}::/data:ro"))
        self.assertNotEqual(finished.returncode, 0)
        self.assertFalse((self.folder / "new.txt").exists())

    def test_unittest_of_a_program(self):
        (self.folder / "test_json.py").write_text(
            "import json, unittest\n"
            "class JsonTest(unittest.TestCase):\n"
            "    def test_round_trip(self):\n"
            "        self.assertEqual(json.loads(json.dumps({'a': [1, 2.5, None]})), {'a': [1, 2.5, None]})\n")
        options = ("--dir", f"{self.folder}::/data", "--env", "PYTHONPATH=/data")
        finished = self.python("-m", "unittest", "-v", "test_json", options=options)
        self.assertEqual(finished.returncode, 0, finished.stderr)
        self.assertIn(b"Ran 1 test", finished.stderr)


class SqliteTest(ScratchFolder):
    def sqlite(self, *arguments, stdin=b""):
        return harness.run("--dir", f"{self.folder}::/data", harness.FETCHED / "sqlite.wasm", "--", *arguments,
                           stdin=stdin)

    def test_database_file_outlives_the_program(self):
        finished = self.sqlite("-batch", "/data/test.db", stdin=b"create table t(x); insert into t values (1), (41);\n")
        self.assertEqual(finished.returncode, 0, finished.stderr)
        finished = self.sqlite("-batch", "/data/test.db", stdin=b"select sum(x) from t;\n")
        self.assertEqual(finished.stdout.strip(), b"42", finished.stderr)
        self.assertTrue((self.folder / "test.db").read_bytes().startswith(b"SQLite format 3"))


class PhpTest(ScratchFolder):
    def test_runs_a_script(self):
        (self.folder / "script.php").write_text("<?php echo strrev('olleh'), PHP_EOL; exit(5);\n")
        finished = harness.run("--dir", f"{self.folder}::/data", "--env", "REDIRECT_STATUS=200",
                               "--env", "SCRIPT_FILENAME=/data/script.php", "--env", "REQUEST_METHOD=GET",
                               harness.FETCHED / "php-cgi.wasm")
        self.assertTrue(finished.stdout.endswith(b"\r\n\r\nhello\n"), finished.stdout + finished.stderr)


class LimitsTest(unittest.TestCase):
    def run_text(self, text, *options):
        text = text.replace("(module", '(module (memory (export "memory") 1)')
        with tempfile.NamedTemporaryFile(suffix=".wat") as file:
            file.write(text.encode())
            file.flush()
            return harness.run(*options, file.name)

    def test_time_limit(self):
        finished = self.run_text('(module (func (export "_start") (loop br 0)))', "--time-limit", "300ms")
        self.assertEqual(finished.returncode, 124, finished.stderr)
        self.assertIn(b"selvedge: ", finished.stderr)

    def test_trap(self):
        finished = self.run_text('(module (func (export "_start") unreachable))')
        self.assertEqual(finished.returncode, 134, finished.stderr)
        self.assertIn(b"unreachable", finished.stderr)

    def test_stack_overflow_is_a_trap(self):
        finished = self.run_text('(module (func $f (export "_start") call $f))')
        self.assertEqual(finished.returncode, 134, finished.stderr)


class BadInputTest(ScratchFolder):
    def expect_sentence(self, finished, *parts, code=1):
        text = finished.stderr.decode()
        self.assertEqual(finished.returncode, code, text)
        self.assertTrue(text.startswith("selvedge: "), text)
        self.assertEqual(text.count("\n"), 1, text)
        for part in parts:
            self.assertIn(part, text)

    def write(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        return path

    def test_targets(self):
        self.expect_sentence(harness.run(self.folder / "gone.wasm"), "gone.wasm")
        self.expect_sentence(harness.run(self.write("a.wasm", b"not wasm")), "a.wasm")
        whole = (harness.GUESTS / "hello.wasm").read_bytes()
        self.expect_sentence(harness.run(self.write("b.wasm", whole[: len(whole) // 2])), "b.wasm", "0x")
        self.expect_sentence(harness.run(self.write("c.wat", b"(module (func")), "c.wat")

    def test_imports_and_features(self):
        unknown = b'(module (import "env" "launch" (func)) (memory (export "memory") 1) (func (export "_start")))'
        self.expect_sentence(harness.run(self.write("a.wat", unknown)), "env", "launch")
        memory64 = b'(module (memory i64 1) (func (export "_start")))'
        self.expect_sentence(harness.run(self.write("b.wat", memory64)), "memory64")

    def test_options(self):
        hello = harness.GUESTS / "hello.wasm"
        self.expect_sentence(harness.run("--dir", f"{self.folder}/gone::/x", hello), "gone")
        self.expect_sentence(harness.run("--memory-limit", "lots", hello), "lots", code=2)
        self.expect_sentence(harness.run("--http", "127.0.0.1:99999", hello), "99999", code=2)

    def test_manifest_error_has_line_and_column(self):
        self.write("wasmer.toml", b'[package]\nname = "a/b"\nversion = "1.0.0"\n[[module]]\nname = 5\n')
        self.expect_sentence(harness.run(self.folder), "wasmer.toml:5:")

    def test_busy_port(self):
        with harness.Server(harness.GUESTS / "wcgi_hello.wasm") as server:
            finished = harness.run("--http", f"127.0.0.1:{server.port}", harness.GUESTS / "wcgi_hello.wasm")
            self.expect_sentence(finished, str(server.port))


if __name__ == "__main__":
    unittest.main(verbosity=2)
