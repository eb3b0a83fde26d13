#pragma once

// Which addresses are no part of the public internet (IANA's registries of special-purpose
// addresses, the metadata services of clouds).

#include <optional>

#include "io/socket_address.h"
#include "wasix/ip_network.h"

namespace selvedge::wasix::internal {

// The smallest block around `ip` that is not public; nullopt: it is. IPv6 addresses that carry an
// IPv4 one (NAT64, 6to4, ISATAP) are what that one is, in a block of their own. IPv4-mapped ones
// are the caller's to unmap before.
std::optional<IpNetwork> restricted_network(const io::IpAddress& ip) noexcept;

}  // namespace selvedge::wasix::internal
