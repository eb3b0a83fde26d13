#pragma once

// The command line, parsed and validated: from argv to a value that says what to do. Touches no
// file but those of --env-file.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "cli/package_options.h"
#include "cli/platform_options.h"
#include "io/socket_address.h"
#include "node/listen_address.h"
#include "wasix/egress_network.h"
#include "wasix/egress_policy.h"
#include "wasix/handle_table.h"

namespace selvedge::cli {

// What the shell gets to see; guests' own codes pass unchanged.
enum class ExitCode : int {
  kSuccess = 0,
  kFailure = 1,        // ours: the target cannot be read, compiled or served
  kUsage = 2,          // the command line is wrong
  kTimeLimit = 124,    // --time-limit or a CPU limit ended the program (as timeout(1))
  kTrap = 134,         // the program trapped (as a process that aborts)
  kMemoryLimit = 137,  // the program was ended for its memory (as a process that is OOM-killed)
  kInterrupted = 130,  // SIGINT ended it
  kTerminated = 143,   // SIGTERM ended it
};

struct DirectoryMount {
  std::string host;
  std::string guest;  // absolute, normalised
  bool read_only = false;
};

inline constexpr std::size_t kThreadsDefault = 64;

struct RunOptions {
  std::string target;
  std::filesystem::path socket;  // of the node whose store has packages that are not here
  std::vector<std::string> arguments;
  std::optional<std::string> command;
  std::vector<DirectoryMount> directories;
  std::vector<std::pair<std::string, std::string>> environment;
  std::optional<node::ListenAddress> http;
  std::optional<wasix::EgressPolicy> net;  // nullopt: the program connects to nothing
  wasix::EgressLimits net_limits;
  std::vector<io::SocketAddress> dns_servers;  // empty: the host's
  std::optional<std::uint64_t> memory_bytes_max;
  std::optional<base::Duration> time_max;
  std::size_t concurrency_max = 0;            // requests at once on each shard; 0: the default
  std::size_t shards = 0;                     // 0: one per core
  std::size_t threads_max = kThreadsDefault;  // of one process of the guest
  std::size_t files_max = wasix::HandleTable::kHandlesMaxDefault;  // the same
  std::optional<std::string> cache_folder;
  std::optional<log::Level> log_level;
  bool access_log = false;
  bool quiet = false;
  bool json = false;
};

struct VersionOptions {
  bool json = false;
};

// Text to print on standard output, then exit with success.
struct HelpText {
  std::string text;
};

using Invocation =
    std::variant<RunOptions, VersionOptions, HelpText, PlatformCommand, PackageAction>;

// `arguments`: argv without the program's name. `host_environment` looks up one variable of our own
// environment, for `--env NAME`. Invalid: a sentence for the user, exit with kUsage.
struct ParseContext {
  std::optional<std::string> (*host_variable)(const std::string& name);
};
Result<Invocation> parse_command_line(std::span<const std::string> arguments,
                                      const ParseContext& context);

// Of --log-level; empty: nullopt.
Result<std::optional<log::Level>> parse_log_level(std::string_view text);
// Of --shards: 0 is one per core.
Result<std::size_t> parse_shards(std::size_t count);
// HOST::GUEST, HOST::GUEST:ro, HOST or HOST:ro. A HOST alone appears under the same path; a
// relative one below "/", where programs start.
Result<DirectoryMount> parse_directory(std::string_view text);
// "8080" and "localhost:8080" (this machine only), ":8080" (every interface), "127.0.0.1:8080",
// "[::1]:8080". Port 0 takes a free one.
Result<node::ListenAddress> parse_listen_address(std::string_view text);
// "127.0.0.53", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:5353"; without a port it is 53.
Result<io::SocketAddress> parse_dns_server(std::string_view text);
// NAME=VALUE lines; empty lines and those that begin with '#' are skipped; values may be quoted.
// Errors name file_name:line.
Result<std::vector<std::pair<std::string, std::string>>> parse_environment_file(
    std::string_view text, std::string_view file_name);

}  // namespace selvedge::cli
