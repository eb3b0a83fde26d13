#include <csignal>
#include <cstdio>

#include "base/format.h"
#include "base/log.h"
#include "base/system.h"
#include "cli/messages.h"
#include "cli/options.h"
#include "cli/platform.h"
#include "io/signal_source.h"
#include "node/cluster_secret.h"
#include "node/node.h"

namespace selvedge::cli {
namespace {

void announce(const NodeCommand& command, const node::PublicAddress& address) {
  const std::string socket = node::admin_socket_of(command.options.data_folder).string();
  if (command.output.json) {
    const std::string network =
        address.admin_url.empty()
            ? ""
            : fmt::format(",\"admin_url\":{},\"admin_fingerprint\":{}",
                          json_string(address.admin_url), json_string(address.admin_fingerprint));
    fmt::print("{{\"listening\":{},\"port\":{},\"admin\":{}{}}}\n",
               json_string(fmt::format("http://{}:{}/", address.domain, address.port)),
               address.port, json_string(socket), network);
  } else if (!command.output.quiet) {
    fmt::print("Serving apps at http://NAME.{}:{}/\nDeploy one: selvedge deploy FOLDER --node {}\n",
               address.domain, address.port, socket);
    if (!address.admin_url.empty()) {
      fmt::print("Admin API on the network: {}#{}\n", address.admin_url, address.admin_fingerprint);
    }
  }
  std::fflush(stdout);
}

}  // namespace

int run_node_command(const NodeCommand& command) {
  if (command.check) {
    if (command.output.json) {
      fmt::print("{{\"valid\":true}}\n");
    } else if (!command.output.quiet) {
      fmt::print("The configuration is valid.\n");
    }
    return static_cast<int>(ExitCode::kSuccess);
  }
  log::set_level(command.options.log_level);
  io::block_signals({SIGINT, SIGTERM, SIGHUP, SIGUSR2});
  io::ignore_broken_pipe_signal();
  const auto ran = node::run_node(
      command.options,
      {.listening = [&command](const node::PublicAddress& address) { announce(command, address); },
       .read_options = command.read_options});
  if (!ran.has_value()) {
    print_error(ran.error(), {.json = command.output.json, .quiet = command.output.quiet});
    return static_cast<int>(ExitCode::kFailure);
  }
  return static_cast<int>(ExitCode::kSuccess);
}

int run_cluster_command(const ClusterCommand& command) {
  if (command.verb == ClusterCommand::Verb::kCollect) {
    return run_collect(command);
  }
  base::SystemRandom random;
  std::error_code error;
  std::filesystem::create_directories(command.secret_file.parent_path(), error);
  const auto made = node::create_cluster_secret(command.secret_file, random);
  if (!made.has_value()) {
    print_error(made.error(), {.json = command.output.json, .quiet = command.output.quiet});
    return static_cast<int>(ExitCode::kFailure);
  }
  if (command.output.json) {
    fmt::print("{{\"cluster_secret\":{}}}\n", json_string(command.secret_file.string()));
  } else if (!command.output.quiet) {
    fmt::print(
        "Made {}\nGive a copy of it, readable by the node alone, to every node that shares "
        "the store.\n",
        command.secret_file.string());
  }
  return static_cast<int>(ExitCode::kSuccess);
}

}  // namespace selvedge::cli
