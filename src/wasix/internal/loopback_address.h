#pragma once

// Which addresses of `lo` stand for which.

#include "io/socket_address.h"
#include "wasix/internal/port_table.h"

namespace selvedge::wasix::internal {

inline bool is_any_v6(const io::IpAddress& ip) noexcept { return ip.is_v6() && ip.is_any(); }

// 224.0.0.0/4 (RFC 5771) and ff00::/8 (RFC 4291 section 2.7).
inline bool is_multicast(const io::IpAddress& ip) noexcept {
  const std::uint8_t first = ip.bytes().front();
  return ip.is_v6() ? first == 0xff : (first & 0xf0U) == 0xe0;
}

// The host's own address of the same family.
inline io::IpAddress loopback_like(const io::IpAddress& ip) noexcept {
  return ip.is_v6() ? io::IpAddress::loopback_v6() : io::IpAddress::loopback_v4();
}

// As a destination the any address means this host.
inline io::SocketAddress reachable(const io::SocketAddress& address) {
  return address.ip().is_any() ? io::SocketAddress(loopback_like(address.ip()), address.port())
                               : address;
}

// What the peer at `destination` sees of a socket with this binding.
inline io::SocketAddress source_address(const PortBinding& binding,
                                        const io::IpAddress& destination) {
  const io::IpAddress& ip = binding.ip();
  return {ip.is_any() || is_multicast(ip) ? loopback_like(destination) : ip, binding.port()};
}

}  // namespace selvedge::wasix::internal
