#include "cli/run.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <limits>

#include "app/package.h"
#include "base/format.h"
#include "base/log.h"
#include "cli/messages.h"
#include "cli/package_client.h"
#include "cli/platform.h"
#include "cli/run_command.h"
#include "cli/run_server.h"
#include "cli/runtime.h"
#include "io/signal_source.h"
#include "node/listen_address.h"

namespace selvedge::cli {
namespace {

constexpr std::string_view kVersion = SELVEDGE_VERSION;
// Instances beside those that run requests: one that ends while its successor begins, on each
// shard.
constexpr std::size_t kInstancesSpare = 8;
// For the processes that a program starts.
constexpr std::size_t kChildrenInstances = 64;

Result<> check_runner(const app::PackageCommand& command, const RunOptions& options) {
  if (!options.http.has_value() && command.runner == app::RunnerKind::kWcgi) {
    return fail_format(ErrorKind::kInvalid,
                       "the command \"{}\" answers HTTP requests (runner wcgi): serve it with "
                       "--http 8080",
                       command.name);
  }
  return {};
}

// Where every folder of --dir is checked, so that a mistake shows before seconds of compiling.
Result<> check_directories(const RunOptions& options) {
  for (const DirectoryMount& mount : options.directories) {
    std::error_code error;
    const auto status = std::filesystem::status(mount.host, error);
    if (!std::filesystem::exists(status)) {
      return fail_format(ErrorKind::kNotFound, "--dir {}: no such folder", mount.host);
    }
    if (!std::filesystem::is_directory(status)) {
      return fail_format(ErrorKind::kInvalid, "--dir {}: not a folder", mount.host);
    }
  }
  return {};
}

std::uint32_t instances_max(const RunOptions& options) {
  if (!options.http.has_value()) {
    return static_cast<std::uint32_t>(kInstancesSpare + kChildrenInstances + options.threads_max);
  }
  const std::size_t each =
      options.concurrency_max != 0 ? options.concurrency_max : kConcurrencyDefault;
  const std::size_t wanted = shard_count(options) * (each + kInstancesSpare + options.threads_max);
  return static_cast<std::uint32_t>(std::min<std::size_t>(wanted, engine::kInstancesMax));
}

// A program of the runner wasi can be served when it listens itself.
Result<> check_listens(const app::PackageCommand& command, const app::Program& program) {
  if (command.runner == app::RunnerKind::kWasi && !program.listens()) {
    return fail_format(ErrorKind::kUnsupported,
                       "the command \"{}\" (runner wasi) neither answers requests nor listens: it "
                       "imports no \"sock_listen\"; run it without --http, or give it runner = "
                       "\"wcgi\"",
                       command.name);
  }
  return {};
}

// Of a terminal: without an orderly end, ^\ would leave its modes as the program has set them.
// What our parent ignores (nohup) stays ignored; blocked, it would reach us all the same.
void block_terminal_signals() noexcept {
  io::block_signals({SIGWINCH});
  for (const int signal : {SIGQUIT, SIGHUP}) {
    struct sigaction action{};
    if (::sigaction(signal, nullptr, &action) == 0 && action.sa_handler != SIG_IGN) {
      io::block_signals({signal});
    }
  }
}

// What is here, else what the node's store has under that name.
Result<app::Package> open_target(const RunOptions& options) {
  std::error_code ignored;
  if (app::is_package_reference(options.target) &&
      !std::filesystem::exists(options.target, ignored)) {
    return fetch_package(options.socket, options.target);
  }
  SELVEDGE_TRY(auto package, app::open_package(options.target));
  if (package.dependencies.empty()) {
    return package;
  }
  auto complete = complete_package(options.socket, options.target);
  if (!complete.has_value() && complete.error().kind() == ErrorKind::kDisconnected) {
    return fail(std::move(complete).error().with_context(
        fmt::format("{} depends on {}, which is in the store of a node", options.target,
                    package.dependencies.front().name)));
  }
  return complete;
}

Result<int> run_target(const RunOptions& options, MessageStyle style) {
  SELVEDGE_TRY(const app::Package package, open_target(options));
  for (const std::string& warning : package.warnings) {
    print_warning(warning, style);
  }
  if (package.has_app_config) {
    print_warning(
        fmt::format("{}: app.yaml counts for deploy; run uses only wasmer.toml", options.target),
        style);
  }
  SELVEDGE_TRY(const app::PackageCommand* command, app::select_command(package, options.command));
  SELVEDGE_TRY_VOID(check_runner(*command, options));
  SELVEDGE_TRY_VOID(check_directories(options));
  SELVEDGE_TRY(const auto runtime, Runtime::create(options, instances_max(options)));
  if (options.http.has_value()) {
    SELVEDGE_TRY([[maybe_unused]] const auto address, node::check_address(*options.http));
  }
  SELVEDGE_TRY(auto program, runtime->load(package, *command, options));
  if (options.http.has_value()) {
    SELVEDGE_TRY_VOID(check_listens(*command, *program));
    SELVEDGE_TRY_VOID(run_server(*runtime, std::move(program), options));
    return static_cast<int>(ExitCode::kSuccess);
  }
  return run_command(*runtime, std::move(program), options);
}

std::optional<std::string> host_variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

int run_platform(const PlatformCommand& command) {
  if (const auto* node = std::get_if<NodeCommand>(&command)) {
    return run_node_command(*node);
  }
  if (const auto* deploy = std::get_if<DeployCommand>(&command)) {
    return run_deploy(*deploy);
  }
  if (const auto* cluster = std::get_if<ClusterCommand>(&command)) {
    return run_cluster_command(*cluster);
  }
  if (const auto* access = std::get_if<AccessCommand>(&command)) {
    return run_access_command(*access);
  }
  return run_app_command(std::get<AppCommand>(command));
}

void print_version(const VersionOptions& options) {
  if (options.json) {
    fmt::print("{{\"version\":{}}}\n", json_string(kVersion));
  } else {
    fmt::print("selvedge {}\n", kVersion);
  }
}

}  // namespace

int run(const RunOptions& options) {
  const MessageStyle style{.json = options.json, .quiet = options.quiet};
  // On a terminal only what went wrong; a server also tells what it does.
  log::set_level(options.log_level.value_or(options.http.has_value() ? log::Level::kInfo
                                                                     : log::Level::kWarning));
  io::block_signals({SIGINT, SIGTERM});
  if (!options.http.has_value()) {
    block_terminal_signals();
  }
  io::ignore_broken_pipe_signal();
  const auto code = run_target(options, style);
  if (!code.has_value()) {
    print_error(code.error(), style);
    return static_cast<int>(ExitCode::kFailure);
  }
  return *code;
}

int run_command_line(std::span<const std::string> arguments) {
  auto invocation = parse_command_line(arguments, {.host_variable = &host_variable});
  if (!invocation.has_value()) {
    print_error(invocation.error(),
                {.json = std::ranges::find(arguments, "--json") != arguments.end()});
    return static_cast<int>(ExitCode::kUsage);
  }
  if (const auto* options = std::get_if<RunOptions>(&*invocation)) {
    return run(*options);
  }
  if (const auto* version = std::get_if<VersionOptions>(&*invocation)) {
    print_version(*version);
  } else if (const auto* command = std::get_if<PlatformCommand>(&*invocation)) {
    return run_platform(*command);
  } else if (const auto* action = std::get_if<PackageAction>(&*invocation)) {
    return run_package_action(*action);
  } else {
    fmt::print("{}", std::get<HelpText>(*invocation).text);
  }
  return static_cast<int>(ExitCode::kSuccess);
}

}  // namespace selvedge::cli
