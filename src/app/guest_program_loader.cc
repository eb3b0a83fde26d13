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
                                       io::HelperPool& helpers, GuestCommands commands)
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

io::Task<std::shared_ptr<const engine::Library>> GuestProgramLoader::load_library(
    std::vector<std::byte> wasm) {
  using Library = std::shared_ptr<const engine::Library>;
  return helpers_.run(
      reactor_,
      [&engine = engine_, &functions = functions_, bytes = std::move(wasm)]() -> Result<Library> {
        SELVEDGE_TRY(auto module, engine.load(bytes));
        return functions.link_library(std::move(module), bytes);
      });
}

io::Task<wasix::LoadedCommand> GuestProgramLoader::load_command(std::string name) {
  const auto found = commands_.find(name);
  if (found == commands_.end()) {
    co_return fail_format(ErrorKind::kNotFound, "the package has no command \"{}\"", name);
  }
  const GuestCommand& command = found->second;
  auto load = [&engine = engine_, &functions = functions_, path = command.module_path,
               module = command.module]() -> Result<Loaded> {
    return module ? link_program(engine, functions, module.bytes)
                  : load_program_module(engine, functions, path);
  };
  SELVEDGE_CO_TRY(auto module, co_await helpers_.run(reactor_, std::move(load)));
  co_return wasix::LoadedCommand{.module = std::move(module),
                                 .program_name = command.program_name,
                                 .arguments = command.main_args,
                                 .environment = environment_block(command.environment)};
}

}  // namespace selvedge::app
