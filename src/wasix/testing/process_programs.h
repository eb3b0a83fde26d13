#pragma once

// Programs (WAT) that start, join and signal others, and what makes modules of them.

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "wasix/testing/machine.h"
#include "wasix/workload.h"

namespace selvedge::wasix::testing {

// A program with one page of memory. It knows the name of another one, at 512 with its length at
// 508, which it starts:
//   $start (operations -> errno)  with as many operations at 1024; the child's number is then at 64
//   $wait (-> errno)              for that child; its status is then at 80: tag, code at 82, signal
//                                 at 84
// $write, $read, $close, $args_sizes, $args, $environ_sizes, $environ, $exit, $exit2, $raise,
// $pipe, $chdir, $getcwd, $id, $parent, $signal, $callback, $join, $fork_env, $exec (3) and $spawn
// (2), and their other forms with their number, are the imports.
std::string process_program(std::string_view name, std::string_view body);

// Links text modules by name, as commands of a package.
class TextLoader final : public ProgramLoader {
 public:
  explicit TextLoader(Machine& machine) noexcept : machine_(machine) {}
  std::map<std::string, std::string> commands;
  // Of all commands, beside their module.
  LoadedCommand manifest;

  io::Task<std::shared_ptr<const engine::LinkedModule>> load(std::vector<std::byte> wasm) override;
  io::Task<std::shared_ptr<const engine::Library>> load_library(
      std::vector<std::byte> wasm) override;
  io::Task<LoadedCommand> load_command(std::string name) override;

 private:
  Machine& machine_;
};

}  // namespace selvedge::wasix::testing
