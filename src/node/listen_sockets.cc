#include "node/listen_sockets.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/errno_error.h"
#include "base/format.h"
#include "io/kernel_network.h"

namespace selvedge::node {
namespace {

using io::KernelNetwork;

// Owned from here on, and not for programs that this one starts.
Result<base::UniqueFd> take_descriptor(int number) {
  base::UniqueFd fd(number);
  if (::fcntl(number, F_SETFD, FD_CLOEXEC) != 0) {
    static_cast<void>(fd.release());
    return fail(base::errno_error(errno, fmt::format("descriptor {}, which was passed", number)));
  }
  return fd;
}

int socket_option(const base::UniqueFd& fd, int option) {
  int value = -1;
  socklen_t size = sizeof(value);
  return ::getsockopt(fd.get(), SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

Result<> check_stream_socket(const base::UniqueFd& fd) {
  const int domain = socket_option(fd, SO_DOMAIN);
  if (socket_option(fd, SO_TYPE) != SOCK_STREAM ||
      (domain != AF_INET && domain != AF_INET6 && domain != AF_UNIX)) {
    return fail_format(
        ErrorKind::kInvalid,
        "descriptor {}, which was passed, is no stream socket: the socket unit needs "
        "ListenStream=",
        fd.get());
  }
  return {};
}

// Where sockets that share their port are bound.
Result<io::SocketAddress> place_of(const ListenAddress& address, bool beside_another,
                                   std::string_view option) {
  if (!beside_another) {
    return check_address(address, option);
  }
  const io::SocketAddress any(io::IpAddress::any_v6(), address.address.port());
  return address.every_interface &&
                 KernelNetwork::bind(any, {.reuse_port = true, .ipv6_only = false})
             ? any
             : address.address;
}

Result<std::vector<base::UniqueFd>> bind_shared(const io::SocketAddress& address,
                                                std::size_t count) {
  std::vector<base::UniqueFd> made;
  for (std::size_t i = 0; i < count; ++i) {
    SELVEDGE_TRY(auto fd, KernelNetwork::bind(address, {.reuse_port = true, .ipv6_only = false}));
    made.push_back(std::move(fd));
  }
  return made;
}

}  // namespace

std::string to_string(const ListenPlan& plan) {
  return fmt::format("{} {}", to_string(plan.http),
                     plan.admin.has_value() ? to_string(*plan.admin) : "");
}

Result<> ListenSockets::complete(const ListenPlan& plan, bool beside_another, std::size_t shards) {
  if (http.empty()) {
    SELVEDGE_TRY(const auto where, place_of(plan.http, beside_another, "--http"));
    SELVEDGE_TRY(http, bind_shared(where, shards));
  } else if (!http_passed && http.size() < shards) {
    SELVEDGE_TRY(auto more, bind_shared(http_address(), shards - http.size()));
    std::ranges::move(more, std::back_inserter(http));
  }
  if (!admin) {
    SELVEDGE_TRY(const auto path, io::SocketAddress::unix_path(plan.admin_path.string()));
    // A node that was killed left it; the folder's lock says that none has it now.
    std::error_code error;
    std::filesystem::remove(plan.admin_path, error);
    SELVEDGE_TRY(admin, KernelNetwork::bind(path));
  }
  if (plan.admin.has_value() && !admin_network) {
    SELVEDGE_TRY(const auto where, place_of(*plan.admin, beside_another, "--admin"));
    SELVEDGE_TRY(auto made, bind_shared(where, 1));
    admin_network = std::move(made.front());
  }
  return {};
}

void ListenSockets::keep_configured(const ListenPlan& plan, std::string_view earlier) {
  const std::string text = to_string(plan);
  const std::string_view now = text;
  if (!http_passed && now.substr(0, now.find(' ')) != earlier.substr(0, earlier.find(' '))) {
    http.clear();
  }
  if (now.substr(now.find(' ') + 1) != earlier.substr(earlier.find(' ') + 1)) {
    admin_network.reset();
  }
  if (!admin_passed && admin && KernelNetwork::address_of(admin).path() != plan.admin_path) {
    admin.reset();
  }
}

io::SocketAddress ListenSockets::http_address() const {
  return KernelNetwork::address_of(http.front());
}

Result<std::vector<std::vector<base::UniqueFd>>> ListenSockets::copies_for_shards(
    std::size_t shards) const {
  std::vector<std::vector<base::UniqueFd>> made(shards);
  for (std::size_t shard = 0; shard < shards; ++shard) {
    for (const std::size_t socket : sockets_of_shard(shard, shards, http.size())) {
      SELVEDGE_TRY(auto copy, copy_of(http[socket]));
      made[shard].push_back(std::move(copy));
    }
  }
  return made;
}

Result<base::UniqueFd> copy_of(const base::UniqueFd& fd) {
  base::UniqueFd copy(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy) {
    return fail(base::errno_error(errno, "copy a descriptor"));
  }
  return copy;
}

std::vector<std::size_t> sockets_of_shard(std::size_t shard, std::size_t shards,
                                          std::size_t sockets) {
  if (sockets <= shards) {
    return {shard % sockets};
  }
  std::vector<std::size_t> mine;
  for (std::size_t i = shard; i < sockets; i += shards) {
    mine.push_back(i);
  }
  return mine;
}

Result<PassedDescriptors> PassedDescriptors::from_service_manager(int count) {
  PassedDescriptors made;
  for (int i = 0; i < std::min(count, kCountMax); ++i) {
    SELVEDGE_TRY(auto fd, take_descriptor(kFirst + i));
    SELVEDGE_TRY_VOID(check_stream_socket(fd));
    if (socket_option(fd, SO_DOMAIN) != AF_UNIX) {
      made.sockets.http.push_back(std::move(fd));
      made.sockets.http_passed = true;
    } else if (!made.sockets.admin) {
      made.sockets.admin = std::move(fd);
      made.sockets.admin_passed = true;
    } else {
      return fail(ErrorKind::kInvalid,
                  "two unix sockets were passed: the socket unit has one, for the admin API");
    }
  }
  return made;
}

Result<PassedDescriptors> PassedDescriptors::from_predecessor(std::string_view names) {
  PassedDescriptors made;
  for (int number = kFirst; !names.empty() && number < kFirst + kCountMax; ++number) {
    const std::string_view name = names.substr(0, names.find(','));
    names.remove_prefix(std::min(names.size(), name.size() + 1));
    SELVEDGE_TRY(auto fd, take_descriptor(number));
    if (name == "http" || name == "passed-http") {
      SELVEDGE_TRY_VOID(check_stream_socket(fd));
      made.sockets.http.push_back(std::move(fd));
      made.sockets.http_passed = name != "http";
    } else if (name == "admin" || name == "passed-admin") {
      SELVEDGE_TRY_VOID(check_stream_socket(fd));
      made.sockets.admin = std::move(fd);
      made.sockets.admin_passed = name != "admin";
    } else if (name == "admin-network") {
      SELVEDGE_TRY_VOID(check_stream_socket(fd));
      made.sockets.admin_network = std::move(fd);
    } else if (name == "lock") {
      made.lock = std::move(fd);
    } else if (name == "channel") {
      made.channel = std::move(fd);
    } else {
      return fail_format(ErrorKind::kInvalid, "a descriptor was passed as {}, which is unknown",
                         name);
    }
  }
  return made;
}

}  // namespace selvedge::node
