#pragma once

// The composition root of `run`: the real clock, randomness, engine, helper threads and host
// functions, made once for the process.

#include <csignal>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <optional>

#include "app/package.h"
#include "app/program.h"
#include "base/result.h"
#include "base/system.h"
#include "cli/options.h"
#include "engine/engine.h"
#include "engine/host_functions.h"
#include "io/helper_pool.h"
#include "io/kernel_reactor.h"
#include "io/network.h"
#include "wasix/dns_resolver.h"

namespace selvedge::cli {

// What ends a program on the terminal in order, and us while it is compiled. Those of them that are
// not blocked end us as they always do.
inline constexpr std::initializer_list<int> kEndingSignals{SIGINT, SIGTERM, SIGQUIT, SIGHUP};

class Runtime {
  struct Private {};

 public:
  explicit Runtime(Private) noexcept {}
  // `instances_max`: guests that can exist at once. NotFound, Denied, Unsupported, Internal.
  static Result<std::unique_ptr<Runtime>> create(const RunOptions& options,
                                                 std::uint32_t instances_max);

  const base::Clock& clock() const noexcept [[clang::lifetimebound]] { return clock_; }
  const engine::CpuClock& cpu_clock() const noexcept [[clang::lifetimebound]] { return cpu_clock_; }
  base::Random& random() noexcept [[clang::lifetimebound]] { return random_; }
  engine::Engine& engine() noexcept [[clang::lifetimebound]] { return *engine_; }
  io::HelperPool& helpers() noexcept [[clang::lifetimebound]] { return *helpers_; }
  // Waits for what they are at; they do nothing more. Before any reactor that used them goes.
  void end_helpers() noexcept { helpers_->shutdown(); }
  // The main thread's.
  io::KernelReactor& reactor() noexcept [[clang::lifetimebound]] { return *reactor_; }

  // Compiles the command on a helper thread, with a progress line on a terminal.
  // kEndingSignals end the process meanwhile. Main thread.
  Result<std::shared_ptr<const app::Program>> load(const app::Package& package,
                                                   const app::PackageCommand& command,
                                                   const RunOptions& options);

 private:
  base::SystemClock clock_;
  engine::SystemCpuClock cpu_clock_;
  base::SystemRandom random_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<engine::HostFunctions> functions_;
  std::unique_ptr<io::KernelReactor> reactor_;
  std::unique_ptr<io::ThreadHelperPool> helpers_;
};

// $XDG_CACHE_HOME/selvedge/artifacts, else ~/.cache/selvedge/artifacts; empty without either.
std::filesystem::path default_cache_folder();

// For the programs of one shard; null when they may not connect to anything.
Result<std::unique_ptr<wasix::DnsResolver>> make_resolver(io::Reactor& reactor,
                                                          io::Network& network,
                                                          const RunOptions& options);

// What the options and the package make of a command.
app::ProgramOptions program_options(const app::Package& package, const app::PackageCommand& command,
                                    const RunOptions& options);

}  // namespace selvedge::cli
