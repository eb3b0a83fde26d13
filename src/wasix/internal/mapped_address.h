#pragma once

// IPv4 addresses written as IPv6 ones: ::ffff:0:0/96, RFC 4291 section 2.5.5.2.

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "io/socket_address.h"

namespace selvedge::wasix::internal {

inline constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0,    0,
                                                            0, 0, 0, 0, 0xff, 0xff};

// nullopt: `ip` is not such an address.
inline std::optional<io::IpAddress> unmapped(const io::IpAddress& ip) {
  const auto bytes = ip.bytes();
  if (!ip.is_v6() || !std::ranges::equal(bytes.first(kMappedPrefix.size()), kMappedPrefix)) {
    return std::nullopt;
  }
  io::IpAddress::V4Bytes v4{};
  std::ranges::copy(bytes.subspan(kMappedPrefix.size()), v4.begin());
  return io::IpAddress::v4(v4);
}

// `ip`: an IPv4 address.
inline io::IpAddress mapped(const io::IpAddress& ip) {
  io::IpAddress::V6Bytes v6{};
  std::ranges::copy(kMappedPrefix, v6.begin());
  std::ranges::copy(ip.bytes(), v6.begin() + kMappedPrefix.size());
  return io::IpAddress::v6(v6);
}

}  // namespace selvedge::wasix::internal
