#pragma once

// The sockets that a node takes connections from, wherever they come from: made here, passed by the
// service manager (sd_listen_fds(3)), or left by the process that this one takes over from. Sockets
// are passed on as they are, never closed and made again: connections that wait in one would be
// lost.

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "io/socket_address.h"
#include "node/listen_address.h"

namespace selvedge::node {

// What the configuration says.
struct ListenPlan {
  ListenAddress http;
  std::optional<ListenAddress> admin = std::nullopt;  // of a network
  std::filesystem::path admin_path;
};
// Equal for plans with equal addresses: one word for HTTP, one for the admin API.
std::string to_string(const ListenPlan& plan);

struct ListenSockets {
  std::vector<base::UniqueFd> http;
  base::UniqueFd admin;
  base::UniqueFd admin_network;  // may be absent
  // The service manager's, which keeps them: the configuration does not say where they listen.
  bool http_passed = false;
  bool admin_passed = false;

  // Adds what is missing. `http` empty: `shards` sockets, after a check that nobody else is there
  // unless `beside_another`, the process that is taken over from; so for the admin API's network.
  // `admin` absent: at its path, of a folder that is this process' alone. Errors as check_address,
  // and of the path.
  Result<> complete(const ListenPlan& plan, bool beside_another, std::size_t shards);
  // Drops what is not where the plan says, now that it has changed since the one whose to_string()
  // is `earlier`; what was passed stays.
  void keep_configured(const ListenPlan& plan, std::string_view earlier);
  io::SocketAddress http_address() const;
  // For each shard what it takes connections from.
  Result<std::vector<std::vector<base::UniqueFd>>> copies_for_shards(std::size_t shards) const;
};

Result<base::UniqueFd> copy_of(const base::UniqueFd& fd);

// Which of `sockets` sockets a shard takes connections from, so that each has somebody: several of
// them when there are more sockets than shards, else one, together with other shards.
std::vector<std::size_t> sockets_of_shard(std::size_t shard, std::size_t shards,
                                          std::size_t sockets);

// What a process finds open when it starts, from the descriptor 3 on.
struct PassedDescriptors {
  static constexpr int kFirst = 3;  // SD_LISTEN_FDS_START
  static constexpr int kCountMax = 4096;

  ListenSockets sockets;
  base::UniqueFd lock;     // of the data folder
  base::UniqueFd channel;  // where readiness is told (Successor)

  // What sd_listen_fds(3) describes: `count` sockets; a unix socket is the admin API's, others are
  // HTTP's. Invalid: one is no stream socket that can listen.
  static Result<PassedDescriptors> from_service_manager(int count);
  // What Successor::start() passed: their names, in order.
  static Result<PassedDescriptors> from_predecessor(std::string_view names);
};

}  // namespace selvedge::node
