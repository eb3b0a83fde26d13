#include "cli/runtime.h"

#include <csignal>
#include <cstdlib>

#include "app/environment.h"
#include "base/format.h"
#include "cli/progress_line.h"
#include "io/descriptor_limit.h"
#include "io/event.h"
#include "io/kernel_network.h"
#include "io/signal_source.h"
#include "io/task_scope.h"
#include "wasix/host_functions.h"

namespace selvedge::cli {
namespace {

constexpr base::Duration kRedrawInterval = std::chrono::milliseconds(100);
constexpr engine::TenantId kTenant{1};

using LoadResult = std::shared_ptr<const app::Program>;

// Nothing needs an orderly end while a module compiles: its artifact is written atomically.
io::Task<> exit_on_signal(io::SignalSource& signals, ProgressLine& progress) {
  SELVEDGE_CO_TRY(const int signal, co_await signals.next());
  progress.erase();
  std::_Exit(128 + signal);
}

io::Task<> redraw(io::Reactor& reactor, ProgressLine& progress) {
  for (;;) {
    co_await reactor.sleep(kRedrawInterval);
    progress.draw();
  }
}

template <class Load>
io::Task<LoadResult> load_watched(io::KernelReactor& reactor, io::HelperPool& helpers,
                                  ProgressLine& progress, Load load) {
  SELVEDGE_CO_TRY(const auto signals, io::SignalSource::create(reactor, kEndingSignals));
  io::TaskScope beside(reactor);
  beside.spawn(exit_on_signal(*signals, progress));
  beside.spawn(redraw(reactor, progress));
  auto loaded = co_await helpers.run(reactor, std::move(load));
  beside.cancel();
  [[maybe_unused]] const auto closed = co_await beside.close();
  co_return loaded;
}

}  // namespace

Result<std::unique_ptr<Runtime>> Runtime::create(const RunOptions& options,
                                                 std::uint32_t instances_max) {
  io::raise_descriptor_limit();
  auto runtime = std::make_unique<Runtime>(Private());
  engine::EngineOptions engine_options;
  engine_options.instances_max = instances_max;
  engine_options.cache_folder = options.cache_folder.has_value()
                                    ? std::filesystem::path(*options.cache_folder)
                                    : default_cache_folder();
  engine_options.random = &runtime->random_;
  SELVEDGE_TRY(runtime->engine_, engine::Engine::create(std::move(engine_options)));
  runtime->functions_ = std::make_unique<engine::HostFunctions>(*runtime->engine_);
  wasix::register_preview1(*runtime->functions_);
  wasix::register_snapshot0(*runtime->functions_);
  wasix::register_wasix(*runtime->functions_);
  SELVEDGE_TRY(runtime->reactor_, io::KernelReactor::create(runtime->clock_));
  runtime->helpers_ = std::make_unique<io::ThreadHelperPool>();
  return runtime;
}

Result<std::shared_ptr<const app::Program>> Runtime::load(const app::Package& package,
                                                          const app::PackageCommand& command,
                                                          const RunOptions& options) {
  ProgressLine progress(command.name, !options.quiet && !options.json, clock_);
  auto load = [this, &command, &progress,
               made = program_options(package, command, options)]() -> Result<LoadResult> {
    const engine::CompileOptions compile{
        .progress = [&progress](const engine::CompileProgress& step) { progress.report(step); }};
    if (command.module_bytes) {
      auto module = app::link_program(*engine_, *functions_, command.module_bytes.bytes, compile);
      if (!module.has_value()) {
        return fail(
            std::move(module).error().with_context(fmt::format("module \"{}\"", command.module)));
      }
      return app::Program::create(*std::move(module), *functions_, made);
    }
    return app::Program::load(*engine_, *functions_, command.module_path, made, compile);
  };
  return reactor_->run(load_watched(*reactor_, *helpers_, progress, std::move(load)));
}

std::filesystem::path default_cache_folder() {
  // Read once, at start, before any thread exists.
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache == '/') {
    return std::filesystem::path(cache) / "selvedge" / "artifacts";
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') {
    return std::filesystem::path(home) / ".cache" / "selvedge" / "artifacts";
  }
  return {};
}

Result<std::unique_ptr<wasix::DnsResolver>> make_resolver(io::Reactor& reactor,
                                                          io::Network& network,
                                                          const RunOptions& options) {
  if (!options.net.has_value()) {
    return nullptr;
  }
  return wasix::DnsResolver::create(reactor, network, {.servers = options.dns_servers});
}

app::ProgramOptions program_options(const app::Package& package, const app::PackageCommand& command,
                                    const RunOptions& options) {
  app::ProgramOptions made;
  made.name = command.name;
  made.runner = command.runner;
  made.tenant = kTenant;
  made.arguments = {command.program_name};
  made.arguments.insert(made.arguments.end(), command.main_args.begin(), command.main_args.end());
  made.arguments.insert(made.arguments.end(), options.arguments.begin(), options.arguments.end());
  made.environment = app::merge_environments(command.env, options.environment);
  for (const app::PackageMount& mount : package.mounts) {
    made.mounts.push_back({.guest = mount.guest,
                           .host = mount.host,
                           .read_only = true,
                           .layered = true,
                           .file_system = mount.files});
  }
  for (const DirectoryMount& mount : options.directories) {
    made.mounts.push_back({.guest = mount.guest, .host = mount.host, .read_only = mount.read_only});
  }
  if (options.memory_bytes_max.has_value()) {
    made.limits.instance.memory_bytes_max = *options.memory_bytes_max;
  }
  made.limits.open_handles_max = static_cast<std::uint32_t>(options.files_max);
  made.limits.threads_max = static_cast<std::uint32_t>(options.threads_max);
  if (options.net.has_value()) {
    auto policy = std::make_shared<wasix::EgressPolicy>(*options.net);
    policy->set_own_addresses(io::KernelNetwork::own_addresses());
    made.egress = std::move(policy);
    made.egress_limits = options.net_limits;
  }
  for (const app::PackageCommand& other : package.commands) {
    const bool renamed = other.program_name != other.name;
    made.commands.emplace(
        other.name, app::GuestCommand{
                        .module_path = other.module_path,
                        .program_name = renamed ? std::optional(other.program_name) : std::nullopt,
                        .main_args = other.main_args,
                        .environment = other.env,
                        .module = other.module_bytes});
  }
  if (!options.http.has_value()) {
    made.limits.wall_time_max = options.time_max;
  }
  return made;
}

}  // namespace selvedge::cli
