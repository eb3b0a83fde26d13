#pragma once

// What a hostile guest finds to run: commands of its package, and files.

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "wasix/file_system.h"
#include "wasix/testing/machine.h"
#include "wasix/workload.h"

namespace selvedge::wasix::testing {

// Programs that were linked before; each takes a turn of the loop, as reading a cache does.
class HostileLoader final : public ProgramLoader {
 public:
  HostileLoader(io::Reactor& reactor, Machine& machine) noexcept
      : reactor_(reactor), machine_(machine) {}

  void add(Machine& machine, std::string name, std::string_view wat);
  // One that ends, one that never does, one that reads, and two that cannot begin.
  void add_programs(Machine& machine);
  std::shared_ptr<const engine::LinkedModule> command(std::string_view name) const;

  // The file "program" only.
  io::Task<std::shared_ptr<const engine::LinkedModule>> load(std::vector<std::byte> wasm) override;
  io::Task<std::shared_ptr<const engine::Library>> load_library(
      std::vector<std::byte> wasm) override;
  io::Task<LoadedCommand> load_command(std::string name) override;

 private:
  io::Reactor& reactor_;
  Machine& machine_;
  std::map<std::string, std::shared_ptr<const engine::LinkedModule>, std::less<>> commands_;
};

// Directories, links, files, a module ("program"), libraries, a script, and one that names itself.
std::shared_ptr<Directory> hostile_tree(const base::Clock& clock);

}  // namespace selvedge::wasix::testing
