#!/usr/bin/env python3
"""Programs with contexts (coroutines)."""

import unittest

import harness

CONTEXTS = harness.GUESTS / "contexts.wasm"
harness.require(harness.BINARY, CONTEXTS)


class ContextsTest(unittest.TestCase):
    def expect(self, output, *arguments, options=()):
        done = harness.run(*options, CONTEXTS, "--", *arguments)
        self.assertEqual((done.returncode, done.stdout.decode()), (0, output), done.stderr)

    def expect_end(self, code, reason, *arguments, options=()):
        done = harness.run(*options, CONTEXTS, "--", *arguments)
        self.assertEqual((done.returncode, done.stdout), (code, b""), done.stderr)
        self.assertIn(reason, done.stderr.decode())

    def test_generator_that_recurses(self):
        self.expect("ok\n", "generator")

    def test_many_that_switch_to_each_other(self):
        self.expect("abcdefghijklmnopqrst" * 3 + "\nok\n", "talk")

    def test_waiting_output_and_growth_in_a_context(self):
        self.expect("from a context, 7\nok\n", "system")

    def test_errors(self):
        self.expect("ok\n", "errors")

    def test_as_many_as_threads_are_allowed(self):
        self.expect("9 contexts, errno 6\nok\n", "limit", options=("--thread-limit", "10"))

    def test_what_ends_the_program(self):
        self.expect_end(134, "has returned", "returns")
        self.expect_end(134, "unreachable", "traps")
        self.expect_end(23, "", "leaves")
        self.expect_end(124, "time", "spins", options=("--time-limit", "200ms"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
