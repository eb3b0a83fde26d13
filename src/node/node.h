#pragma once

// A node: everything that one process of the platform does, put together. Apps of a store are
// served over HTTP on every shard; the admin API changes them.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "app/app_metrics.h"
#include "app/package_signature.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "gateway/trusted_proxies.h"
#include "io/socket_address.h"
#include "logs/log_files.h"
#include "node/admin_api.h"
#include "node/listen_address.h"
#include "store/s3_store.h"

namespace selvedge::node {

// A bucket that nodes share. Credentials are in the two files, or given.
struct S3Location {
  std::string endpoint;
  std::string region = "us-east-1";
  std::string bucket;
  store::S3Addressing addressing = store::S3Addressing::kPath;
  std::optional<std::filesystem::path> access_key_file = std::nullopt;
  std::optional<std::filesystem::path> secret_key_file = std::nullopt;
  store::S3Credentials credentials = {};
  std::string ca_file = {};  // empty: the system's certificates
};

// Where the admin API listens on a network, over TLS.
struct AdminListenOptions {
  io::SocketAddress address;
  bool every_interface = false;  // both families; only the port of `address` counts
  // PEM; nullopt: a certificate of the node's own, in the data folder. Without a file of its own
  // the key is in that of the certificate.
  std::optional<std::filesystem::path> certificate_file = std::nullopt;
  std::optional<std::filesystem::path> key_file = std::nullopt;
};

struct NodeOptions {
  // All that the node keeps: made if it is missing. One process at a time.
  std::filesystem::path data_folder;
  // Where the store's documents and blobs are, if not in the data folder; nodes may share one.
  std::optional<std::filesystem::path> store_folder;
  // The store is there instead.
  std::optional<S3Location> s3;
  // The secret that nodes which share a store have in common; nullopt: in the data folder, if it is
  // there.
  std::optional<std::filesystem::path> cluster_secret_file;
  // Makes it, in the data folder, when it is missing.
  bool make_cluster_secret = false;
  // Of copies that the node keeps of blobs from a store outside the data folder.
  std::uint64_t blob_cache_bytes_max = std::uint64_t{10} << 30;
  std::uint64_t artifact_cache_bytes_max = std::uint64_t{4} << 30;  // of compiled programs
  // Of an app, the newest ones: a collection removes the others, but for those that are active.
  std::uint64_t versions_kept = 50;
  base::Duration collect_interval = std::chrono::hours(24);
  // How long blobs that nothing needs stay after the last deploy that had them.
  base::Duration collect_grace = std::chrono::hours(24);
  app::PublisherPolicy publishers;  // whose packages are taken
  io::SocketAddress http;
  bool http_every_interface = false;  // both families; only the port of `http` counts
  std::optional<AdminListenOptions> admin = std::nullopt;  // nullopt: on the unix socket only
  std::string domain = "localhost";                        // apps are at <name>.<domain>
  std::size_t shards = 0;                                  // 0: one per core
  std::size_t instances_max = 0;  // of programs, at once; 0: in proportion to the shards
  // Bytes of memory that are not file pages; 0: 90 % of what the machine or its group has.
  std::uint64_t memory_bytes_max = 0;
  bool access_log = false;
  gateway::TrustedProxies trusted_proxies = {};
  base::Duration drain_time_max = std::chrono::seconds(30);
  log::Level log_level = log::Level::kInfo;
  // What the configuration file says, by key, as text: to tell what has changed.
  std::map<std::string, std::string, std::less<>> written = {};
  logs::LogLimits log_limits;  // of the apps' logs on this node
  // Where metrics are served to whoever asks, without the admin API; nullopt: nowhere.
  std::optional<ListenAddress> metrics_listen;
  std::size_t metrics_apps_max = app::AppMetricsLimits().apps_max;
};

// Where a node of this data folder has its admin API.
std::filesystem::path admin_socket_of(const std::filesystem::path& data_folder);

struct NodeHooks {
  // Called once, when requests are taken.
  std::function<void(const PublicAddress& address)> listening;
  // The options anew, for SIGHUP. Empty: there is no file to read, and SIGHUP ends the node.
  std::function<Result<NodeOptions>()> read_options = {};
};

// Runs the node on this thread until SIGINT or SIGTERM, then drains; a second signal ends the
// process. SIGUSR2 leaves its place to a new process of the same program, which takes over the
// sockets (node_service.h). Sockets that systemd has opened are taken instead of those of the
// options, and systemd is told how things are (sd_notify(3)). The four signals must be blocked.
// Errors: one sentence on why the node cannot start; kOverloaded when another process uses the data
// folder or the port.
Result<> run_node(const NodeOptions& options, const NodeHooks& hooks);

}  // namespace selvedge::node
