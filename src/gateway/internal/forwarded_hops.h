#pragma once

// What proxies have written into a request about those who sent it to them: X-Forwarded-For and
// X-Forwarded-Proto, or Forwarded (RFC 7239). Bytes of strangers; whose word counts is decided in
// trusted_proxies.h.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "io/socket_address.h"
#include "wire/header.h"

namespace selvedge::gateway::internal {

struct ForwardedHop {
  io::IpAddress address;   // not IPv4-mapped
  std::uint16_t port = 0;  // 0: not told
};

// From the one that wrote last, which is the nearest proxy.
struct ForwardedHops {
  // nullopt: unknown, hidden or malformed; the last one there is.
  std::vector<std::optional<ForwardedHop>> addresses;
  // https or not; nullopt: not told.
  std::vector<std::optional<bool>> schemes;

  // What the proxy says that named the address at `index`. Proxies that replace the scheme instead
  // of adding to it leave fewer of them than addresses: then the oldest.
  std::optional<bool> secure_at(std::size_t index) const noexcept;
};

// At most `hops_max` of them, from the nearest. Never fails.
ForwardedHops hops_of_x_forwarded(const wire::HeaderList& headers, std::size_t hops_max);
ForwardedHops hops_of_forwarded(const wire::HeaderList& headers, std::size_t hops_max);

// "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80".
std::optional<ForwardedHop> parse_forwarded_hop(std::string_view text);

// ::ffff:192.0.2.1 is 192.0.2.1.
io::IpAddress unmapped(const io::IpAddress& address) noexcept;

}  // namespace selvedge::gateway::internal
