#!/usr/bin/env python3
"""Libraries that programs load while they run, as clang and wasm-ld make them; functions that are called by address."""

import unittest

import harness

DYNAMIC = harness.GUESTS / "dynamic.wasm"
FORK = harness.GUESTS / "dynamic_fork.wasm"
THREADS = harness.GUESTS / "library_threads.wasm"
THREAD_LOCAL = harness.GUESTS / "tls_threads.wasm"
NEEDED = harness.GUESTS / "needed.wasm"
NEEDED_THREADS = harness.GUESTS / "needed_threads.wasm"
INDEPENDENT = harness.GUESTS / "library_threads_pie.wasm"
LIBRARIES = ("library", "library_needs", "library_shared", "library_tls", "library_tls_init", "library_tls_user",
             "library_tls_wasix")
harness.require(harness.BINARY, DYNAMIC, FORK, THREADS, THREAD_LOCAL, NEEDED, NEEDED_THREADS, INDEPENDENT,
                *(harness.GUESTS / f"{name}.so" for name in LIBRARIES))


class DylinkTest(unittest.TestCase):
    def run_case(self, program, *arguments):
        return harness.run("--dir", f"{harness.GUESTS}::/guests:ro", program, "--", *arguments)

    def expect_ok(self, *arguments, program=DYNAMIC):
        done = self.run_case(program, *arguments)
        self.assertEqual((done.returncode, done.stdout.decode()), (0, "ok\n"), done.stderr)

    def test_functions_and_data_of_a_library(self):
        self.expect_ok("load")

    def test_library_that_needs_another(self):
        self.expect_ok("needs")

    def test_what_cannot_be_loaded_is_an_error_and_the_program_goes_on(self):
        self.expect_ok("errors")

    def test_calls_with_values_from_memory(self):
        self.expect_ok("calls")

    def test_functions_made_at_run_time(self):
        self.expect_ok("closures")

    def test_process_that_has_loaded_a_library_does_not_fork(self):
        self.expect_ok("library", program=FORK)

    def test_process_with_functions_made_at_run_time_does_not_fork(self):
        self.expect_ok("closure", program=FORK)
        self.expect_ok("call", program=FORK)

    def test_process_that_has_found_no_library_forks(self):
        self.expect_ok("nothing", program=FORK)

    def test_library_for_another_kind_of_memory_is_refused_with_what_to_do(self):
        self.expect_ok("unshared", program=FORK)

    def test_threads_call_what_another_thread_has_loaded(self):
        done = self.run_case(THREADS)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_thread_local_variables_of_libraries(self):
        done = self.run_case(THREAD_LOCAL)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_position_independent_program(self):
        done = self.run_case(INDEPENDENT)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_program_that_needs_a_library_before_it_starts(self):
        # Where it says itself: beside the working directory.
        done = self.run_case(NEEDED)
        self.assertEqual((done.returncode, done.stdout.decode()), (0, "3115 3.5\n"), done.stderr)
        for options in (("--dir", f"{harness.GUESTS}::/usr/lib:ro"),
                        ("--dir", f"{harness.GUESTS}::/elsewhere:ro", "--env", "LD_LIBRARY_PATH=/nowhere:/elsewhere")):
            done = harness.run(*options, NEEDED)
            self.assertEqual((done.returncode, done.stdout.decode()), (0, "3115 3.5\n"), done.stderr)

    def test_position_independent_program_with_threads_that_needs_libraries(self):
        done = harness.run("--dir", f"{harness.GUESTS}::/lib:ro", NEEDED_THREADS)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_library_that_is_not_found_is_named(self):
        done = harness.run(NEEDED)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout, b"")
        self.assertEqual(done.stderr.decode().splitlines()[-1],
                         "selvedge: the program could not be started: library.so: there is no such library, which the "
                         "program needs")


if __name__ == "__main__":
    unittest.main(verbosity=2)
