#!/usr/bin/env python3
"""The toolchain file: a CMake project in C and C++ is configured, built and run; what the guide says works."""

import pathlib
import shutil
import subprocess
import tempfile
import unittest

import guide
import harness

TOOLCHAIN = harness.SOURCE / "sdk/cmake/wasix-toolchain.cmake"
GUIDE = harness.SOURCE / "docs/guide-sdk.md"
harness.require(harness.BINARY, TOOLCHAIN, GUIDE)
for tool in ("cmake", "clang-22", "curl", "wasm-opt"):
    if shutil.which(tool) is None:
        harness.skip(f"{tool} is not installed")

PROJECT = """
cmake_minimum_required(VERSION 3.25)
project(sample LANGUAGES C CXX)
set(CMAKE_C_STANDARD 17)
set(CMAKE_CXX_STANDARD 20)
add_library(part STATIC part.cc)
add_executable(sample main.c)
target_link_libraries(sample PRIVATE part)
"""
PART = """
#include <wasix.h>
extern "C" int third_byte() {
  int32_t first = -1, second = -1;
  if (wasix_fd_pipe(&first, &second) != 0) return -1;
  return wasix_inet4(127, 0, 0, 1, 80).data[2];
}
"""
MAIN = """
#include <stdio.h>
#include <wasix.h>
int third_byte(void);
int main(int argc, char** argv) {
  printf("%d %s\\n", third_byte(), argc > 1 ? argv[1] : "");
  return 0;
}
"""


class ToolchainTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def call(self, *command):
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_project_in_c_and_cpp(self):
        (self.folder / "CMakeLists.txt").write_text(PROJECT)
        (self.folder / "part.cc").write_text(PART)
        (self.folder / "main.c").write_text(MAIN)
        build = self.folder / "build"
        self.call("cmake", "-S", self.folder, "-B", build, "-DCMAKE_BUILD_TYPE=Release",
                  f"-DCMAKE_TOOLCHAIN_FILE={TOOLCHAIN}")
        output = self.call("cmake", "--build", build, "--verbose")
        self.assertNotIn("warning", output)
        done = harness.run(build / "sample.wasm", "--", "said")
        self.assertEqual((done.returncode, done.stdout), (0, b"127 said\n"), done.stderr)


class GuideTest(unittest.TestCase):
    def test_its_commands_print_what_they_should(self):
        port = harness.free_port()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        script = guide.script_of(GUIDE, 5, {"8080": port, "/tmp/sdk": folder})
        # Instead of a pause: the port answers.
        done = guide.run(script.replace("sleep 2", guide.until_answered(folder, port)))
        for line in ("This is process ", "One request at a time.\n", "the child says: This is process ",
                     "the child has 2\nthe parent has 1, and a child that exited with 3\n",
                     "50 threads took 1000 blocks; the sum is 500000500000\n"):
            self.assertIn(line, done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
