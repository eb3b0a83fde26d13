#!/usr/bin/env python3
"""The example shell: pipelines of the package's commands, redirections, exit codes."""

import os
import pathlib
import select
import subprocess
import tempfile
import time
import unittest

import harness

SHELL = harness.SOURCE / "examples/shell"
harness.require(harness.BINARY, SHELL / "shell.wasm", SHELL / "tools.wasm")


def shell(lines, *options, stdin=b""):
    """(exit code, standard output, standard error) of `shell -c lines`."""
    done = harness.run(*options, SHELL, "--", "-c", lines, stdin=stdin)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


class LinesTest(unittest.TestCase):
    def check(self, lines, output, code=0, error=""):
        status, out, err = shell(lines)
        self.assertEqual((out, status), (output, code), err)
        self.assertIn(error, err)
        if not error:
            self.assertEqual(err, "")

    def test_words_and_quotes(self):
        self.check("echo one  'two  three' \"four $? five\"six \\\"", 'one two  three four 0 fivesix "\n')
        self.check("echo '' $NOTHING end # comment", "  end\n")

    def test_pipelines(self):
        self.check("echo one two | upper", "ONE TWO\n")
        self.check("echo one two three | upper | wc", "1 3 14\n")
        self.check("echo x | cat | cat | cat | cat | cat | cat | cat | upper", "X\n")

    def test_redirections(self):
        self.check("echo one > /tmp/f; echo two >> /tmp/f; upper < /tmp/f | cat; wc < /tmp/f", "ONE\nTWO\n2 2 8\n")
        self.check("echo long line > /tmp/f; echo x > /tmp/f; cat /tmp/f /tmp/f", "x\nx\n")
        self.check("cat /tmp/absent", "", 1, "No such file")
        self.check("upper < /tmp/absent; echo $?", "1\n", 0, "/tmp/absent: No such file")

    def test_devices(self):
        self.check("echo gone > /dev/null; wc < /dev/null; cat /dev/null", "0 0 0\n")
        self.check("echo shown > /dev/stdout; echo x | cat /dev/stdin", "shown\nx\n")
        self.check("echo x > /dev/full; echo > /dev/nothing/here", "", 1, "/dev/nothing/here")
        self.check("cat < /dev/tty", "", 1, "/dev/tty: ")
        status, out, err = shell("cat /dev/stdin > /dev/stderr", stdin=b"typed")
        self.assertEqual((status, out, err), (0, "", "typed"))

    def test_commands_are_files(self):
        size = os.path.getsize(SHELL / "tools.wasm")
        for folder in ("/bin", "/usr/bin"):
            status, out, err = shell(f"cat {folder}/upper | wc; echo x | {folder}/upper")
            self.assertEqual((status, out.split()[2:], err), (0, [str(size), "X"], ""))

    def test_folder_of_the_host_in_the_place_of_bin_or_of_all(self):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "wc").write_text("#!/bin/upper\nthe text of wc\n")
            for place, lines, output in (("/bin", "cat /bin/wc", "#!/bin/upper\nthe text of wc\n"),
                                         ("/", "cat /wc | wc", "2 5 28\n")):
                self.assertEqual(shell(f"echo x | /bin/upper; upper < /dev/null; {lines}", "--dir",
                                       f"{folder}::{place}"), (0, "X\n" + output, ""))
            self.assertEqual(os.listdir(folder), ["wc"])

    def test_exit_codes(self):
        self.check("exit 7", "", 7)
        self.check("cat /absent && echo no; echo $?", "1\n", 0, "/absent")
        self.check("echo a && echo b && cat /absent && echo c", "a\nb\n", 1, "/absent")
        self.check("absent; echo $?", "127\n", 0, "absent: not found")
        self.check("cat /absent | echo last; echo $?", "last\n0\n", 0, "/absent")
        self.check("echo text > /tmp/text; /tmp/text", "", 126, "/tmp/text: ")

    def test_working_directory_is_the_childrens_too(self):
        self.check("cd /tmp && pwd; echo x > here; cat here; cat /tmp/here; cd .. ; pwd; cd absent",
                   "/tmp\nx\nx\n/\n", 1, "absent: No such file")

    def test_what_it_does_not_know(self):
        for lines in ("echo 'open", "echo |", "| echo", "echo &&", "a || b", "a & b", "echo >", "a < b < c"):
            self.check(lines, "", 2, "shell: syntax: ")
        self.check("exit 3 | cat; echo on", "on\n", 0, "not in a pipeline")

    def test_several_lines(self):
        self.check("echo 1\necho 2 | cat\n\necho 3", "1\n2\n3\n")


class StreamsTest(unittest.TestCase):
    def test_lines_on_standard_input(self):
        done = harness.run(SHELL, stdin=b"echo one | upper\ncd /tmp\npwd\nexit 4\necho never\n")
        self.assertEqual((done.stdout, done.returncode), (b"ONE\n/tmp\n", 4), done.stderr)

    def test_input_behind_a_line_belongs_to_its_command(self):
        done = harness.run(SHELL, stdin=b"upper\nfor the command\n")
        self.assertEqual((done.stdout, done.returncode), (b"FOR THE COMMAND\n", 0), done.stderr)

    def test_megabytes_through_a_pipeline(self):
        data = b"word and word\n" * 400_000
        status, out, err = shell("cat | cat | upper | wc", stdin=data)
        self.assertEqual((status, out), (0, f"400000 1200000 {len(data)}\n"), err)

    def test_a_reader_that_ends_early_does_not_hang_the_writer(self):
        status, out, _ = shell("cat | echo done", stdin=b"x" * 1_000_000)
        self.assertEqual((status, out), (0, "done\n"))

    def test_folders_of_the_host(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(f"{folder}/in", "w", encoding="utf-8") as file:
                file.write("from the host\n")
            status, out, err = shell("cd /host && cat in | upper > out && cat out", "--dir", f"{folder}::/host")
            self.assertEqual((status, out), (0, "FROM THE HOST\n"), err)
            with open(f"{folder}/out", encoding="utf-8") as file:
                self.assertEqual(file.read(), "FROM THE HOST\n")

    def test_a_program_by_its_path(self):
        status, out, err = shell("/programs/hello.wasm Ada | upper", "--dir", f"{harness.GUESTS}::/programs:ro")
        self.assertEqual(status, 0, err)
        self.assertTrue(out.startswith("HELLO"), out)

    def test_another_command_of_the_package(self):
        done = harness.run("-e", "upper", SHELL, stdin=b"alone\n")
        self.assertEqual((done.stdout, done.returncode), (b"ALONE\n", 0), done.stderr)

    def test_terminal_gets_a_prompt(self):
        leader, follower = os.openpty()
        command = [harness.BINARY, "run", SHELL]
        with subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower) as process:
            os.write(leader, b"echo typed | upper\nexit 5\n")
            seen = b""
            deadline = time.monotonic() + 60
            while process.poll() is None and time.monotonic() < deadline:
                if select.select([leader], [], [], 0.1)[0]:
                    seen += os.read(leader, 4096)
            process.kill()
        while select.select([leader], [], [], 0)[0]:
            seen += os.read(leader, 4096)
        os.close(leader)
        os.close(follower)
        self.assertEqual(process.returncode, 5, seen)
        self.assertIn(b"$ ", seen)
        self.assertIn(b"TYPED", seen)


if __name__ == "__main__":
    unittest.main(verbosity=2)
