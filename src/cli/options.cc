#include "cli/options.h"

#include <CLI/CLI.hpp>

#include <algorithm>

#include "app/manifest.h"
#include "app/package.h"
#include "base/format.h"
#include "base/quantity.h"

namespace selvedge::cli {
namespace {

constexpr const char* kDataFolder = ".selvedge";
constexpr std::size_t kEnvironmentFileBytesMax = std::size_t{1} << 20;
constexpr std::uint64_t kMemoryBytesMin = 65'536;  // one page
constexpr std::uint64_t kMemoryBytesMax = std::uint64_t{4} << 30;
constexpr std::size_t kConcurrencyMax = 10'000;
constexpr std::size_t kThreadsMax = 20'000;
constexpr std::size_t kNetSocketsMax = 16'384;
// A program begins with its streams and folders.
constexpr std::size_t kFilesMin = 16;

constexpr std::string_view kTopFooter = R"(Examples:
  selvedge run hello.wasm
  selvedge run --dir . python.wasm -- script.py arg
  selvedge run --http 8080 ./my-site
  selvedge node --dev
  selvedge deploy ./my-site

`selvedge run --help` says more, and so for every command.)";

constexpr std::string_view kRunFooter = R"(Examples:
  selvedge run hello.wasm                                  a program on this terminal
  selvedge run --dir ./data::/data app.wasm -- /data/x     arguments follow --
  selvedge run --dir ./lib::/lib:ro --env LANG=C app.wasm  read-only folder, environment
  selvedge run --time-limit 5s --memory-limit 64MiB app.wasm
  selvedge run -e migrate ./package                        one command of a wasmer.toml
  selvedge run --net app.wasm                              the public internet
  selvedge run --net=api.example.com:443,10.0.0.5:5432 app.wasm
  selvedge run --net --net-socket-limit 16 --net-byte-limit 1GiB app.wasm
  selvedge run --http 8080 ./package                       serve it: http://127.0.0.1:8080/
  selvedge run --http :8080 page.wasm                      on every interface

--net takes rules: public[:PORTS], NAME[:PORTS] (*.example.com, *), ADDRESS[/BITS][:PORTS] with IPv6
in brackets. Addresses that are not public, this machine's loopback too, need a rule of their own.

TARGET is a .wasm or .wat file, a folder with wasmer.toml, a .webc package, or owner/name[@range]
from the store of a node (SELVEDGE_NODE, else ./.selvedge/admin.sock). Without --http the
program's exit code is ours; 1 is a failure of selvedge, 2 a wrong command line, 124 a time limit,
130/143 an interrupt, 134 a trap, 137 the memory limit.)";

// What CLI11 fills in: text as it was typed.
struct RawRun {
  std::vector<std::string> positionals;
  std::vector<std::string> directories;
  std::vector<std::string> environment;
  std::vector<std::string> environment_files;
  std::vector<std::string> net;
  std::vector<std::string> dns_servers;
  std::string net_byte_limit;
  std::string command;
  std::string http;
  std::string memory_limit;
  std::string time_limit;
  std::string cache_folder;
  std::string log_level;
  std::size_t shards = 0;
  std::size_t concurrency = 0;
  std::size_t net_sockets = wasix::EgressLimits{}.sockets_max;
  std::size_t threads = kThreadsDefault;
  std::size_t files = wasix::HandleTable::kHandlesMaxDefault;
  bool access_log = false;
  bool quiet = false;
  bool json = false;
};

void declare_run(CLI::App& run, RawRun& raw) {
  run.add_option("TARGET", raw.positionals, "what to run, then its arguments")
      ->option_text("TARGET [-- ARGS...]");
  run.add_option("--dir", raw.directories, "give the program a folder")
      ->option_text("HOST[::GUEST][:ro]")
      ->allow_extra_args(false);
  run.add_option("--env", raw.environment, "set a variable, or pass on one of ours")
      ->option_text("NAME[=VALUE]")
      ->allow_extra_args(false);
  run.add_option("--env-file", raw.environment_files, "NAME=VALUE lines")
      ->option_text("FILE")
      ->allow_extra_args(false);
  run.add_option("-e,--entrypoint", raw.command, "command of the package")->option_text("CMD");
  run.add_option("--http", raw.http, "serve it over HTTP: 8080, :8080, 127.0.0.1:8080, [::1]:8080")
      ->option_text("ADDR");
  run.add_option("--net", raw.net, "what the program may connect to (alone: public addresses)")
      ->option_text("[=RULE,...]")
      ->allow_extra_args(false);
  run.add_option("--dns", raw.dns_servers, "ask this server for names, not those of the system")
      ->option_text("ADDR")
      ->allow_extra_args(false);
  run.add_option("--net-socket-limit", raw.net_sockets,
                 "sockets to the outside at once (default 256)")
      ->option_text("N");
  run.add_option("--net-byte-limit", raw.net_byte_limit,
                 "bytes sent to and received from outside, e.g. 1GiB (default: no limit)")
      ->option_text("SIZE");
  run.add_option("--memory-limit", raw.memory_limit,
                 "of the program and all that it starts, e.g. 64MiB")
      ->option_text("SIZE");
  run.add_option("--thread-limit", raw.threads, "threads of one process (default 64)")
      ->option_text("N");
  run.add_option("--file-limit", raw.files, "open files and sockets of one process (default 1024)")
      ->option_text("N");
  run.add_option("--time-limit", raw.time_limit, "of the run, or of each request, e.g. 30s")
      ->option_text("TIME");
  run.add_option("--concurrency", raw.concurrency, "requests at once on each shard")
      ->option_text("N");
  run.add_option(
         "--shards", raw.shards,
         "threads that serve, or compute for a program with threads (default: one per core)")
      ->option_text("N");
  run.add_option("--cache-dir", raw.cache_folder,
                 "compiled programs (default $XDG_CACHE_HOME/selvedge)")
      ->option_text("DIR");
  run.add_option("--log-level", raw.log_level, "debug, info, warning, error or off")
      ->option_text("LEVEL");
  run.add_flag("--access-log", raw.access_log, "log every request");
  run.add_flag("-q,--quiet", raw.quiet, "no progress, no address line");
  run.add_flag("--json", raw.json, "machine-readable messages of selvedge itself");
  run.footer(std::string(kRunFooter));
}

Result<std::vector<std::pair<std::string, std::string>>> environment_of(
    const RawRun& raw, const ParseContext& context) {
  std::vector<std::pair<std::string, std::string>> entries;
  for (const std::string& path : raw.environment_files) {
    SELVEDGE_TRY(const std::string text, app::read_text_file(path, kEnvironmentFileBytesMax));
    SELVEDGE_TRY(auto more, parse_environment_file(text, path));
    std::ranges::move(more, std::back_inserter(entries));
  }
  for (const std::string& text : raw.environment) {
    if (text.find('=') == std::string::npos && !text.empty()) {
      auto value = context.host_variable(text);
      if (!value.has_value()) {
        return fail_format(ErrorKind::kInvalid,
                           "--env {}: selvedge's own environment has no {}; write {}=VALUE", text,
                           text, text);
      }
      entries.emplace_back(text, *std::move(value));
      continue;
    }
    auto entry = app::parse_environment_entry(text);
    if (!entry.has_value()) {
      return fail(std::move(entry).error().with_context("--env"));
    }
    entries.push_back(*std::move(entry));
  }
  return entries;
}

Result<> add_limits(const RawRun& raw, RunOptions& options) {
  if (!raw.memory_limit.empty()) {
    auto bytes = base::parse_bytes(raw.memory_limit);
    if (!bytes.has_value()) {
      return fail(std::move(bytes).error().with_context("--memory-limit"));
    }
    if (*bytes < kMemoryBytesMin || *bytes > kMemoryBytesMax) {
      return fail_format(ErrorKind::kInvalid, "--memory-limit {}: must be from 64KiB to 4GiB",
                         raw.memory_limit);
    }
    options.memory_bytes_max = *bytes;
  }
  if (!raw.time_limit.empty()) {
    auto time = base::parse_duration(raw.time_limit);
    if (!time.has_value()) {
      return fail(std::move(time).error().with_context("--time-limit"));
    }
    options.time_max = *time;
  }
  if (raw.concurrency > kConcurrencyMax) {
    return fail_format(ErrorKind::kInvalid, "--concurrency {}: at most {}", raw.concurrency,
                       kConcurrencyMax);
  }
  if (raw.threads < 1 || raw.threads > kThreadsMax) {
    return fail_format(ErrorKind::kInvalid, "--thread-limit {}: must be from 1 to {}", raw.threads,
                       kThreadsMax);
  }
  if (raw.files < kFilesMin || raw.files > wasix::HandleTable::kHandlesMax) {
    return fail_format(ErrorKind::kInvalid, "--file-limit {}: must be from {} to {}", raw.files,
                       kFilesMin, wasix::HandleTable::kHandlesMax);
  }
  options.threads_max = raw.threads;
  options.files_max = raw.files;
  SELVEDGE_TRY(options.shards, parse_shards(raw.shards));
  options.concurrency_max = raw.concurrency;
  return {};
}

Result<> add_network(const RawRun& raw, RunOptions& options) {
  if (!raw.net.empty()) {
    auto policy = wasix::EgressPolicy::parse(raw.net);
    if (!policy.has_value()) {
      return fail(std::move(policy).error().with_context("--net"));
    }
    options.net = *std::move(policy);
  }
  if (raw.net_sockets < 1 || raw.net_sockets > kNetSocketsMax) {
    return fail_format(ErrorKind::kInvalid, "--net-socket-limit {}: must be from 1 to {}",
                       raw.net_sockets, kNetSocketsMax);
  }
  options.net_limits.sockets_max = static_cast<std::uint32_t>(raw.net_sockets);
  if (!raw.net_byte_limit.empty()) {
    auto bytes = base::parse_bytes(raw.net_byte_limit);
    if (!bytes.has_value()) {
      return fail(std::move(bytes).error().with_context("--net-byte-limit"));
    }
    options.net_limits.bytes_max = *bytes;
  }
  for (const std::string& text : raw.dns_servers) {
    SELVEDGE_TRY(auto server, parse_dns_server(text));
    options.dns_servers.push_back(std::move(server));
  }
  return {};
}

Result<Invocation> run_options(const RawRun& raw, std::span<const std::string> after_dashes,
                               const ParseContext& context) {
  if (raw.positionals.empty()) {
    return fail(ErrorKind::kInvalid,
                "run needs a target: a .wasm or .webc file, or a folder with wasmer.toml "
                "(selvedge run --help has examples)");
  }
  RunOptions options;
  options.target = raw.positionals.front();
  options.socket =
      context.host_variable("SELVEDGE_NODE").value_or(node::admin_socket_of(kDataFolder).string());
  options.arguments.assign(raw.positionals.begin() + 1, raw.positionals.end());
  options.arguments.insert(options.arguments.end(), after_dashes.begin(), after_dashes.end());
  for (const std::string& text : raw.directories) {
    SELVEDGE_TRY(auto mount, parse_directory(text));
    options.directories.push_back(std::move(mount));
  }
  SELVEDGE_TRY(options.environment, environment_of(raw, context));
  if (!raw.http.empty()) {
    SELVEDGE_TRY(options.http, parse_listen_address(raw.http));
  }
  if (!raw.command.empty()) {
    options.command = raw.command;
  }
  if (!raw.cache_folder.empty()) {
    options.cache_folder = raw.cache_folder;
  }
  SELVEDGE_TRY_VOID(add_limits(raw, options));
  SELVEDGE_TRY_VOID(add_network(raw, options));
  SELVEDGE_TRY(options.log_level, parse_log_level(raw.log_level));
  options.access_log = raw.access_log;
  options.quiet = raw.quiet;
  options.json = raw.json;
  return Invocation(std::move(options));
}

// The variables that every client of S3 knows.
void take_credentials(const ParseContext& context, node::NodeOptions& options) {
  if (!options.s3.has_value()) {
    return;
  }
  const auto variable = [&context](const char* name) {
    return context.host_variable(name).value_or(std::string());
  };
  options.s3->credentials = {.access_key = variable("AWS_ACCESS_KEY_ID"),
                             .secret_key = variable("AWS_SECRET_ACCESS_KEY"),
                             .session_token = variable("AWS_SESSION_TOKEN")};
}

Result<Invocation> interpret(const CLI::App& run, const CLI::App& version, const RawRun& raw,
                             bool version_json, const PlatformParser& platform,
                             std::span<const std::string> after_dashes,
                             const ParseContext& context) {
  if (run.parsed()) {
    return run_options(raw, after_dashes, context);
  }
  if (version.parsed()) {
    return Invocation(VersionOptions{.json = version_json});
  }
  SELVEDGE_TRY(auto command, platform.command(context.host_variable("SELVEDGE_NODE")));
  if (command.has_value()) {
    if (auto* const node = std::get_if<NodeCommand>(&*command)) {
      take_credentials(context, node->options);
    }
    return Invocation(*std::move(command));
  }
  return fail(ErrorKind::kInvalid, "what to do? Try: selvedge run TARGET (selvedge --help)");
}

// What to say when a group of commands was given without one of them: "selvedge app".
std::optional<std::string> group_error(const CLI::App& top) {
  const CLI::App* group = &top;
  std::string path = "selvedge";
  for (auto parsed = group->get_subcommands(); !parsed.empty(); parsed = group->get_subcommands()) {
    group = parsed.front();
    path += " " + group->get_name();
  }
  if (group == &top || group->get_require_subcommand_min() == 0) {
    return std::nullopt;
  }
  std::vector<std::string> names;
  for (const CLI::App* const command :
       group->get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return fmt::format("{} needs a subcommand: {} ({} --help says what they do)", path,
                     fmt::join(names, ", "), path);
}

}  // namespace

Result<Invocation> parse_command_line(std::span<const std::string> arguments,
                                      const ParseContext& context) {
  // What follows -- belongs to the program, whatever it looks like: CLI11 does not get to see it.
  const auto dashes = std::ranges::find(arguments, "--");
  const auto count = static_cast<std::size_t>(dashes - arguments.begin());
  const auto after_dashes =
      dashes == arguments.end() ? std::span<const std::string>() : arguments.subspan(count + 1);
  static constexpr std::array<std::string_view, 7> kCommands{"run",     "node",    "deploy", "app",
                                                             "package", "cluster", "version"};
  if (count > 0 && !arguments.front().starts_with('-') &&
      std::ranges::find(kCommands, arguments.front()) == kCommands.end()) {
    return fail_format(ErrorKind::kInvalid, "there is no command \"{}\": this version has {}",
                       arguments.front(), fmt::join(kCommands, ", "));
  }

  RawRun raw;
  bool version_json = false;
  CLI::App top(
      "selvedge runs WebAssembly programs, serves them over HTTP, and is the node you deploy to.",
      "selvedge");
  top.footer(std::string(kTopFooter));
  CLI::App* run = top.add_subcommand("run", "Run a program here, or serve it with --http");
  declare_run(*run, raw);
  CLI::App* version = top.add_subcommand("version", "Print the version");
  version->add_flag("--json", version_json, "as JSON");
  const PlatformParser platform(top);
  const PackageParser package(top);
  top.require_subcommand(0, 1);
  std::vector<std::string> reversed(arguments.begin(), dashes);
  // A value that may be left out would take the target for itself.
  std::ranges::replace(reversed, "--net", "--net=public");
  std::ranges::reverse(reversed);
  // CLI11 reports by exception; this is the only place that meets one.
  try {
    top.parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    return Invocation(HelpText{.text = top.help()});
  } catch (const CLI::ExtrasError&) {
    const std::vector<std::string> extra = run->parsed() ? run->remaining() : top.remaining(true);
    return fail_format(ErrorKind::kInvalid, "unknown option {}; options of the program go after --",
                       extra.empty() ? "" : extra.front());
  } catch (const CLI::ParseError& error) {
    return fail(ErrorKind::kInvalid, group_error(top).value_or(error.what()));
  }
  SELVEDGE_TRY(auto action, package.action(context.host_variable("SELVEDGE_NODE")));
  if (action.has_value()) {
    return Invocation(*std::move(action));
  }
  return interpret(*run, *version, raw, version_json, platform, after_dashes, context);
}

}  // namespace selvedge::cli
