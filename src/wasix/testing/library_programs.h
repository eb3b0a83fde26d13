#pragma once

// Programs (WAT) that load libraries, libraries, and what runs them with a file system of their
// own.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "wasix/fs_memory.h"
#include "wasix/process.h"
#include "wasix/testing/machine.h"
#include "wasix/testing/process_programs.h"

namespace selvedge::wasix::testing {

// Its trace is a number at 256, to which everybody appends a digit. $open loads the library whose
// name has one letter, visible to all; the handle is then at 64. It ends with the trace, or with
// 200 and more when loading /a fails: by the errno.
extern const std::string_view kLoadingProgram;
inline constexpr std::uint32_t kNotLoaded = 200 + static_cast<std::uint32_t>(Errno::kNoexec);
// The same program with a memory that threads can share.
std::string loading_program_of_threads();

// A library; `body` has $append and $open of the program.
std::string library(std::string_view sections, std::string_view body);
// A library of one constructor, which appends `digit`.
std::string appending_library(int digit, std::string_view sections = "");
// A library with `size` bytes of thread-local variables, as wasm-ld lays them out; `more` has
// $base, where they are.
std::string thread_local_library(std::size_t size, std::string_view more);

// Runs programs beside files.
class LibraryWorld {
 public:
  LibraryWorld();

  // Aborts when the text is not valid.
  void put(std::string_view name, std::string_view wat);
  // What it is to run: kLoadingProgram at first.
  void set_program(std::string wat) { program_ = std::move(wat); }
  ExitStatus run() { return run(program_); }
  ExitStatus run(std::string_view wat);

 private:
  Machine machine_;
  TextLoader loader_{machine_};
  std::shared_ptr<MemoryFileSystem> files_;
  std::string program_{kLoadingProgram};
};

}  // namespace selvedge::wasix::testing
