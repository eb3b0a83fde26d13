#include "io/kernel_network.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "io/internal/kernel_address.h"
#include "io/internal/kernel_datagram_socket.h"
#include "io/internal/kernel_listener.h"
#include "io/internal/kernel_stream.h"
#include "io/internal/system_error.h"

namespace selvedge::io {
namespace {

using internal::error_from_errno;
using internal::KernelAddress;
using internal::KernelStream;

Result<base::UniqueFd> open_socket(const SocketAddress& address, int type) {
  const int family = KernelAddress::from(address).storage.ss_family;
  base::UniqueFd fd(::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) {
    return fail(error_from_errno(errno, "create a socket"));
  }
  return fd;
}

// `name`, for messages, e.g. "SO_REUSEPORT".
Result<> set_option(const base::UniqueFd& fd, int level, int option, int value, const char* name) {
  if (::setsockopt(fd.get(), level, option, &value, sizeof(value)) != 0) {
    return fail(error_from_errno(errno, std::string("set ") + name));
  }
  return {};
}

Result<> set_bind_options(const base::UniqueFd& fd, const SocketAddress& address, bool reuse_port,
                          bool ipv6_only) {
  if (reuse_port && !address.is_unix()) {
    SELVEDGE_TRY_VOID(set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT"));
  }
  if (address.family() == SocketAddress::Family::kIpV6) {
    SELVEDGE_TRY_VOID(set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, ipv6_only ? 1 : 0, "IPV6_V6ONLY"));
  }
  return {};
}

Result<> bind_to(const base::UniqueFd& fd, const SocketAddress& address) {
  const KernelAddress kernel_address = KernelAddress::from(address);
  if (::bind(fd.get(), kernel_address.data(), kernel_address.length) != 0) {
    return fail(error_from_errno(errno, "bind to " + address.to_string()));
  }
  return {};
}

// A bound TCP or unix socket that does not listen yet.
Result<base::UniqueFd> open_listener(const SocketAddress& address, const ListenOptions& options) {
  SELVEDGE_TRY(base::UniqueFd fd, open_socket(address, SOCK_STREAM));
  SELVEDGE_TRY_VOID(set_bind_options(fd, address, options.reuse_port, options.ipv6_only));
  if (!address.is_unix()) {
    SELVEDGE_TRY_VOID(set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR"));
    // Accepted sockets inherit it: no call for each connection.
    SELVEDGE_TRY_VOID(set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY"));
  }
  SELVEDGE_TRY_VOID(bind_to(fd, address));
  return fd;
}

}  // namespace

Result<SocketAddress> KernelNetwork::check_free(const SocketAddress& address,
                                                const ListenOptions& options) {
  SELVEDGE_TRY(const base::UniqueFd fd, open_listener(address, options));
  return internal::local_address_of(fd.get());
}

Result<base::UniqueFd> KernelNetwork::bind(const SocketAddress& address,
                                           const ListenOptions& options) {
  return open_listener(address, options);
}

SocketAddress KernelNetwork::address_of(const base::UniqueFd& fd) {
  return internal::local_address_of(fd.get());
}

Result<std::unique_ptr<Listener>> KernelNetwork::adopt(base::UniqueFd fd, Sharing sharing,
                                                       int backlog) {
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
    return fail(error_from_errno(errno, "use a socket that was passed"));
  }
  if (::listen(fd.get(), backlog) != 0) {
    return fail(error_from_errno(errno, "listen on " + address_of(fd).to_string()));
  }
  return internal::KernelListener::create(
      reactor_, std::move(fd), {.path_to_remove = {}, .shared = sharing == Sharing::kShared});
}

std::vector<IpAddress> KernelNetwork::own_addresses() {
  std::vector<IpAddress> addresses;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) {
    return addresses;
  }
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) {
      continue;
    }
    const int family = entry->ifa_addr->sa_family;
    if (family == AF_INET || family == AF_INET6) {
      KernelAddress address = KernelAddress::empty();
      address.length = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
      std::memcpy(address.data(), entry->ifa_addr, address.length);
      addresses.push_back(address.to_socket_address().ip());
    }
  }
  ::freeifaddrs(list);
  return addresses;
}

Result<std::unique_ptr<Listener>> KernelNetwork::listen(const SocketAddress& address,
                                                        const ListenOptions& options) {
  SELVEDGE_TRY(base::UniqueFd fd, open_listener(address, options));
  if (::listen(fd.get(), options.backlog) != 0) {
    return fail(error_from_errno(errno, "listen on " + address.to_string()));
  }
  const bool has_file = address.is_unix() && !address.path().starts_with('@');
  return internal::KernelListener::create(reactor_, std::move(fd),
                                          {.path_to_remove = has_file ? address.path() : ""});
}

Task<std::unique_ptr<Stream>> KernelNetwork::connect(SocketAddress address, Deadline deadline) {
  SELVEDGE_CO_TRY(base::UniqueFd fd, open_socket(address, SOCK_STREAM));
  if (!address.is_unix()) {
    SELVEDGE_CO_TRY_VOID(set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY"));
  }
  const KernelAddress kernel_address = KernelAddress::from(address);
  if (::connect(fd.get(), kernel_address.data(), kernel_address.length) == 0) {
    co_return std::make_unique<KernelStream>(reactor_, std::move(fd), std::move(address),
                                             KernelStream::State::kConnected);
  }
  if (errno != EINPROGRESS && errno != EINTR) {
    co_return fail(internal::connect_error(errno, address));
  }
  auto stream = std::make_unique<KernelStream>(reactor_, std::move(fd), std::move(address),
                                               KernelStream::State::kConnecting);
  SELVEDGE_CO_TRY_VOID(stream->watch());
  SELVEDGE_CO_TRY_VOID(co_await stream->writable().wait(deadline));
  SELVEDGE_CO_TRY_VOID(stream->finish_connect());
  co_return stream;
}

Result<std::unique_ptr<DatagramSocket>> KernelNetwork::bind_datagram(
    const SocketAddress& address, const DatagramOptions& options) {
  if (address.is_unix()) {
    return fail(ErrorKind::kUnsupported, "datagrams over unix sockets are not supported");
  }
  SELVEDGE_TRY(base::UniqueFd fd, open_socket(address, SOCK_DGRAM));
  SELVEDGE_TRY_VOID(set_bind_options(fd, address, options.reuse_port, options.ipv6_only));
  if (options.receive_buffer_bytes != 0) {
    SELVEDGE_TRY_VOID(
        set_option(fd, SOL_SOCKET, SO_RCVBUF, options.receive_buffer_bytes, "SO_RCVBUF"));
  }
  if (options.send_buffer_bytes != 0) {
    SELVEDGE_TRY_VOID(
        set_option(fd, SOL_SOCKET, SO_SNDBUF, options.send_buffer_bytes, "SO_SNDBUF"));
  }
  if (options.report_refusals && address.ip().is_v6()) {
    SELVEDGE_TRY_VOID(set_option(fd, IPPROTO_IPV6, IPV6_RECVERR, 1, "IPV6_RECVERR"));
  } else if (options.report_refusals) {
    SELVEDGE_TRY_VOID(set_option(fd, IPPROTO_IP, IP_RECVERR, 1, "IP_RECVERR"));
  }
  SELVEDGE_TRY_VOID(bind_to(fd, address));
  return internal::KernelDatagramSocket::create(reactor_, std::move(fd), address.ip());
}

}  // namespace selvedge::io
