#!/usr/bin/env python3
"""The example with threads: the sum is right however many add it up."""

import unittest

import harness

THREADS = harness.SOURCE / "examples/threads"
MEETING = harness.GUESTS / "meeting_threads.wasm"
FORK = harness.GUESTS / "fork_beside_thread.wasm"
harness.require(harness.BINARY, THREADS / "threads.wasm", MEETING, FORK)


class ThreadsTest(unittest.TestCase):
    def test_sum_with_one_some_and_many_threads(self):
        for count in (1, 4, 50):
            done = harness.run(THREADS, "--", count)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout.decode(),
                             f"{count} threads took 1000 blocks; the sum is 500000500000\n")

    def test_threads_that_only_compute(self):
        for cores in (1, 2, 3):
            done = harness.run("--shards", cores, MEETING)
            self.assertEqual((done.returncode, done.stderr), (cores, b""))

    def test_fork_beside_a_thread_that_computes(self):
        for cores in (1, 2, 3):
            done = harness.run("--shards", cores, FORK)
            self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_what_is_no_number_of_threads(self):
        for arguments in (("0",), ("65",), ("x",), ("1", "2"), ("99999999999999",)):
            done = harness.run(THREADS, "--", *arguments)
            self.assertEqual((done.returncode, done.stdout), (1, b""))
            self.assertIn(b"usage: threads", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
