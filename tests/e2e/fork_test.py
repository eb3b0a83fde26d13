#!/usr/bin/env python3
"""Programs that fork, vfork, setjmp and longjmp, as wasm-opt --asyncify makes them."""

import unittest

import harness

FORK = harness.GUESTS / "fork.wasm"
THREAD = harness.GUESTS / "fork_thread.wasm"
HANDLERS = harness.GUESTS / "fork_handlers.wasm"
harness.require(harness.BINARY, FORK, THREAD, HANDLERS)


class ForkTest(unittest.TestCase):
    def expect(self, output, *arguments, options=()):
        done = harness.run(*options, FORK, "--", *arguments)
        self.assertEqual((done.returncode, done.stdout.decode()), (0, output), done.stderr)

    def expect_trap(self, reason, *arguments):
        done = harness.run(FORK, "--", *arguments)
        self.assertEqual(done.returncode, 134, done.stderr)
        self.assertIn(reason, done.stderr.decode())

    def test_pipeline_by_fork_and_exec(self):
        self.expect("20000 lines, 80000 capitals\nok\n", "pipeline", "/guests/fork.wasm",
                    options=("--dir", f"{harness.GUESTS}::/guests:ro"))

    def test_memory_and_descriptors_of_parent_and_child(self):
        self.expect("ok\n", "independent")

    def test_many_forks_with_64_mib(self):
        self.expect("ok\n", "touched", "50")

    def test_bomb_ends_at_the_limit_of_processes(self):
        self.expect("errno 6\nok\n", "bomb")

    def test_vfork_waits_for_exec_and_exit(self):
        self.expect("ok\n", "vfork", "/guests/fork.wasm", options=("--dir", f"{harness.GUESTS}::/guests:ro"))

    def test_setjmp_and_longjmp(self):
        self.expect("ok\n", "jumps")

    def test_fork_under_many_frames(self):
        self.expect("ok\n", "deep", "1500")

    def test_jump_to_what_was_not_saved(self):
        for kind in ("forged", "none"):
            self.expect_trap("longjmp", kind)

    def test_handlers_of_signals(self):
        done = harness.run(HANDLERS)
        self.assertEqual((done.returncode, done.stdout), (0, b"ok\n"), done.stderr)

    def test_fork_in_a_thread(self):
        done = harness.run(THREAD)
        self.assertEqual(done.returncode, 17, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
