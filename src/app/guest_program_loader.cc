#include "app/guest_program_loader.h"

#include <utility>

#include "app/program.h"
#include "base/format.h"

namespace selvedge::app {
namespace {

using Loaded = std::shared_ptr<const engine::LinkedModule>;

}  // namespace

GuestProgramLoader::GuestProgramLoader(io::Reactor& reactor, engine::Engine& engine,
                                       const engine::HostFunctions& functions,
                                       io::HelperPool& helpers, CommandModules commands)
    : reactor_(reactor),
      engine_(engine),
      functions_(functions),
      helpers_(helpers),
      commands_(std::move(commands)) {}

io::Task<Loaded> GuestProgramLoader::load(std::vector<std::byte> wasm) {
  return helpers_.run(
      reactor_,
      [&engine = engine_, &functions = functions_, bytes = std::move(wasm)]() -> Result<Loaded> {
        return link_program(engine, functions, bytes);
      });
}

io::Task<Loaded> GuestProgramLoader::load_command(std::string name) {
  const auto command = commands_.find(name);
  if (command == commands_.end()) {
    return io::Task<Loaded>::ready(
        fail_format(ErrorKind::kNotFound, "the package has no command \"{}\"", name));
  }
  return helpers_.run(
      reactor_,
      [&engine = engine_, &functions = functions_, path = command->second]() -> Result<Loaded> {
        return load_program_module(engine, functions, path);
      });
}

}  // namespace selvedge::app
