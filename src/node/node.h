#pragma once

// A node: everything that one process of the platform does, put together. Apps of a store are
// served over HTTP on every shard; the admin API changes them.

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "io/socket_address.h"
#include "node/admin_api.h"

namespace selvedge::node {

struct NodeOptions {
  // All that the node keeps: made if it is missing. One process at a time.
  std::filesystem::path data_folder;
  // Where the store's documents and blobs are, if not in the data folder; nodes may share one.
  std::optional<std::filesystem::path> store_folder;
  io::SocketAddress http;
  bool http_every_interface = false;  // both families; only the port of `http` counts
  std::string domain = "localhost";   // apps are at <name>.<domain>
  std::size_t shards = 0;             // 0: one per core
  bool access_log = false;
  base::Duration drain_time_max = std::chrono::seconds(30);
};

// Where a node of this data folder has its admin API.
std::filesystem::path admin_socket_of(const std::filesystem::path& data_folder);

// Runs the node on this thread until SIGINT or SIGTERM, then drains; a second signal ends the
// process. `listening` is called once, when requests are taken. Errors: one sentence on why the
// node cannot start; kOverloaded when another process uses the data folder or the port.
Result<> run_node(const NodeOptions& options,
                  std::function<void(const PublicAddress& address)> listening);

}  // namespace selvedge::node
