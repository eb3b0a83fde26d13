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

Result<std::vector<base::UniqueFd>> bind_http(const io::SocketAddress& address, std::size_t count) {
  std::vector<base::UniqueFd> made;
  for (std::size_t i = 0; i < count; ++i) {
    SELVEDGE_TRY(auto fd, KernelNetwork::bind(address, {.reuse_port = true, .ipv6_only = false}));
    made.push_back(std::move(fd));
  }
  return made;
}

}  // namespace

Result<> ListenSockets::complete(const ListenAddress& address, bool beside_another,
                                 std::size_t shards, const std::filesystem::path& admin_path) {
  if (http.empty()) {
    io::SocketAddress where = address.address;
    if (!beside_another) {
      SELVEDGE_TRY(where, check_address(address));
    } else if (address.every_interface) {
      const io::SocketAddress any(io::IpAddress::any_v6(), where.port());
      where = KernelNetwork::bind(any, {.reuse_port = true, .ipv6_only = false}) ? any : where;
    }
    SELVEDGE_TRY(http, bind_http(where, shards));
  } else if (!http_passed && http.size() < shards) {
    SELVEDGE_TRY(auto more, bind_http(http_address(), shards - http.size()));
    std::ranges::move(more, std::back_inserter(http));
  }
  if (!admin) {
    SELVEDGE_TRY(const auto path, io::SocketAddress::unix_path(admin_path.string()));
    // A node that was killed left it; the folder's lock says that none has it now.
    std::error_code error;
    std::filesystem::remove(admin_path, error);
    SELVEDGE_TRY(admin, KernelNetwork::bind(path));
  }
  return {};
}

void ListenSockets::keep_configured(bool same_address, const std::filesystem::path& admin_path) {
  if (!http_passed && !same_address) {
    http.clear();
  }
  if (!admin_passed && admin && KernelNetwork::address_of(admin).path() != admin_path.string()) {
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
