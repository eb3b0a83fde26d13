#!/usr/bin/env python3
"""vfork of programs without Asyncify: proc_fork_env, with an exec or exit that returns in the parent."""

import unittest

import harness

VFORK = harness.GUESTS / "vfork.wasm"
harness.require(harness.BINARY, VFORK)


class VforkTest(unittest.TestCase):
    def expect(self, output, *arguments, options=()):
        done = harness.run(*options, VFORK, "--", *arguments)
        self.assertEqual((done.returncode, done.stdout.decode()), (0, output), done.stderr)

    def test_pipeline_of_other_programs(self):
        self.expect("20000 lines\nok\n", "pipeline", "/guests/vfork.wasm",
                    options=("--dir", f"{harness.GUESTS}::/guests:ro"))

    def test_exits_and_programs_that_are_not_there(self):
        self.expect("ok\n", "exits")


if __name__ == "__main__":
    unittest.main(verbosity=2)
