#pragma once

// What guests of one program may start: the commands of its package, and modules from their file
// systems, which are compiled on a helper thread.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/host_functions.h"
#include "io/helper_pool.h"
#include "io/reactor.h"
#include "wasix/workload.h"

namespace selvedge::app {

// Name of a command and the file of its module.
using CommandModules = std::map<std::string, std::string>;

// One shard's thread.
class GuestProgramLoader final : public wasix::ProgramLoader {
 public:
  // Everything outlives this, and what it has begun on helper threads.
  GuestProgramLoader(io::Reactor& reactor [[clang::lifetimebound]],
                     engine::Engine& engine [[clang::lifetimebound]],
                     const engine::HostFunctions& functions [[clang::lifetimebound]],
                     io::HelperPool& helpers [[clang::lifetimebound]], CommandModules commands);

  io::Task<std::shared_ptr<const engine::LinkedModule>> load(std::vector<std::byte> wasm) override;
  io::Task<std::shared_ptr<const engine::LinkedModule>> load_command(std::string name) override;

 private:
  io::Reactor& reactor_;
  engine::Engine& engine_;
  const engine::HostFunctions& functions_;
  io::HelperPool& helpers_;
  CommandModules commands_;
};

}  // namespace selvedge::app
