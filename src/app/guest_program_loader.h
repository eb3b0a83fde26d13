#pragma once

// What guests of one program may start: the commands of its package, and modules from their file
// systems, which are compiled on a helper thread.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/environment.h"
#include "app/module_bytes.h"
#include "engine/engine.h"
#include "engine/host_functions.h"
#include "io/helper_pool.h"
#include "io/reactor.h"
#include "wasix/workload.h"

namespace selvedge::app {

// A command of the package, as the manifest says.
struct GuestCommand {
  std::string module_path;                  // the file of its module, unless `module` is it
  std::optional<std::string> program_name;  // argv[0], if not what the caller says
  std::vector<std::string> main_args;       // before the caller's arguments
  Environment environment;                  // what the caller sets wins
  ModuleBytes module = {};
};
using GuestCommands = std::map<std::string, GuestCommand>;

// One shard's thread.
class GuestProgramLoader final : public wasix::ProgramLoader {
 public:
  // Everything outlives this, and what it has begun on helper threads.
  GuestProgramLoader(io::Reactor& reactor [[clang::lifetimebound]],
                     engine::Engine& engine [[clang::lifetimebound]],
                     const engine::HostFunctions& functions [[clang::lifetimebound]],
                     io::HelperPool& helpers [[clang::lifetimebound]], GuestCommands commands);

  io::Task<std::shared_ptr<const engine::LinkedModule>> load(std::vector<std::byte> wasm) override;
  io::Task<std::shared_ptr<const engine::Library>> load_library(
      std::vector<std::byte> wasm) override;
  io::Task<wasix::LoadedCommand> load_command(std::string name) override;

 private:
  io::Reactor& reactor_;
  engine::Engine& engine_;
  const engine::HostFunctions& functions_;
  io::HelperPool& helpers_;
  GuestCommands commands_;
};

}  // namespace selvedge::app
