#include "wasix/internal/socket_abi.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace selvedge::wasix::internal {

namespace {

// Behind the two bytes of the port.
constexpr std::size_t kIpAt = 2;

ErrnoResult<std::optional<io::SocketAddress>> read_unix(std::string_view bytes) {
  std::string path;
  if (bytes.front() == '\0') {
    // The length of an abstract name is not in the structure: it ends with its last byte that is
    // not zero.
    const std::size_t last = bytes.find_last_not_of('\0');
    if (last != std::string_view::npos) {
      path = '@' + std::string(bytes.substr(1, last));
    }
  } else {
    path = bytes.substr(0, std::min(bytes.find('\0'), bytes.size()));
  }
  auto address = io::SocketAddress::unix_path(path);
  if (!address) {
    return refuse(Errno::kInval);
  }
  return *std::move(address);
}

}  // namespace

ErrnoResult<std::optional<io::SocketAddress>> read_address(const abi::AddrPort& address) {
  std::uint16_t port = 0;
  std::memcpy(&port, address.data, sizeof port);
  switch (static_cast<AddressFamily>(address.tag)) {
    case AddressFamily::kUnspec:
      return std::nullopt;
    case AddressFamily::kInet4: {
      io::IpAddress::V4Bytes bytes{};
      std::memcpy(bytes.data(), address.data + kIpAt, bytes.size());
      return io::SocketAddress(io::IpAddress::v4(bytes), port);
    }
    case AddressFamily::kInet6: {
      io::IpAddress::V6Bytes bytes{};
      std::memcpy(bytes.data(), address.data + kIpAt, bytes.size());
      return io::SocketAddress(io::IpAddress::v6(bytes), port);
    }
    case AddressFamily::kUnix: {
      std::string bytes(sizeof address.data, '\0');
      std::memcpy(bytes.data(), address.data, bytes.size());
      return read_unix(bytes);
    }
  }
  return refuse(Errno::kAfnosupport);
}

abi::AddrPort write_address(const io::SocketAddress& address) noexcept {
  abi::AddrPort written{};
  if (address.is_unix()) {
    written.tag = static_cast<std::uint8_t>(AddressFamily::kUnix);
    const std::string& path = address.path();
    std::memcpy(written.data, path.data(), std::min(path.size(), sizeof written.data));
    if (path.starts_with('@')) {
      written.data[0] = 0;
    }
    return written;
  }
  const std::span<const std::uint8_t> ip = address.ip().bytes();
  written.tag = static_cast<std::uint8_t>(address.ip().is_v6() ? AddressFamily::kInet6
                                                               : AddressFamily::kInet4);
  const std::uint16_t port = address.port();
  std::memcpy(written.data, &port, sizeof port);
  std::memcpy(written.data + kIpAt, ip.data(), ip.size());
  return written;
}

}  // namespace selvedge::wasix::internal
