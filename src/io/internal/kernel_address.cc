#include "io/internal/kernel_address.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace selvedge::io::internal {
namespace {

template <class Sockaddr>
void store(KernelAddress& address, const Sockaddr& value) noexcept {
  std::memcpy(&address.storage, &value, sizeof(value));
  address.length = sizeof(value);
}

template <class Sockaddr>
Sockaddr load(const KernelAddress& address) noexcept {
  Sockaddr value{};
  std::memcpy(&value, &address.storage, sizeof(value));
  return value;
}

SocketAddress unix_address(const KernelAddress& address) {
  const auto value = load<sockaddr_un>(address);
  constexpr std::size_t kHeaderBytes = offsetof(sockaddr_un, sun_path);
  const std::size_t length = std::min<std::size_t>(address.length, sizeof(value));
  std::string_view path(value.sun_path, length > kHeaderBytes ? length - kHeaderBytes : 0);
  std::string text;
  if (!path.empty() && path.front() == '\0') {  // the abstract name space
    text = "@";
    text += path.substr(1);
  } else {
    text = path.substr(0, path.find('\0'));
  }
  return SocketAddress::unix_path(text).value_or(SocketAddress());
}

}  // namespace

KernelAddress KernelAddress::empty() noexcept {
  KernelAddress address [[clang::uninitialized]];
  address.storage.ss_family = AF_UNSPEC;
  address.length = sizeof(address.storage);
  return address;
}

KernelAddress KernelAddress::from(const SocketAddress& address) noexcept {
  KernelAddress result = empty();
  const auto bytes = address.ip().bytes();
  switch (address.family()) {
    case SocketAddress::Family::kIpV4: {
      sockaddr_in value{};
      value.sin_family = AF_INET;
      value.sin_port = htons(address.port());
      std::memcpy(&value.sin_addr, bytes.data(), bytes.size());
      store(result, value);
      break;
    }
    case SocketAddress::Family::kIpV6: {
      sockaddr_in6 value{};
      value.sin6_family = AF_INET6;
      value.sin6_port = htons(address.port());
      value.sin6_scope_id = address.scope_id();
      std::memcpy(&value.sin6_addr, bytes.data(), bytes.size());
      store(result, value);
      break;
    }
    case SocketAddress::Family::kUnix: {
      sockaddr_un value{};
      value.sun_family = AF_UNIX;
      const std::string& path = address.path();
      std::ranges::copy(path, value.sun_path);
      const bool abstract = path.starts_with('@');
      if (abstract) {
        value.sun_path[0] = '\0';
      }
      store(result, value);
      result.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() +
                                             (abstract || path.empty() ? 0 : 1));
      break;
    }
  }
  return result;
}

SocketAddress KernelAddress::to_socket_address() const {
  switch (storage.ss_family) {
    case AF_INET: {
      const auto value = load<sockaddr_in>(*this);
      IpAddress::V4Bytes bytes{};
      std::memcpy(bytes.data(), &value.sin_addr, bytes.size());
      return SocketAddress(IpAddress::v4(bytes), ntohs(value.sin_port));
    }
    case AF_INET6: {
      const auto value = load<sockaddr_in6>(*this);
      IpAddress::V6Bytes bytes{};
      std::memcpy(bytes.data(), &value.sin6_addr, bytes.size());
      return SocketAddress(IpAddress::v6(bytes), ntohs(value.sin6_port), value.sin6_scope_id);
    }
    case AF_UNIX:
      return unix_address(*this);
    default:
      return {};
  }
}

void set_hops(int fd, const IpAddress& of_family, std::uint8_t hops) noexcept {
  const int value = hops;
  if (of_family.is_v6()) {
    ::setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &value, sizeof(value));
  } else {
    ::setsockopt(fd, IPPROTO_IP, IP_TTL, &value, sizeof(value));
  }
}

}  // namespace selvedge::io::internal
