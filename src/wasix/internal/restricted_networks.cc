#include "wasix/internal/restricted_networks.h"

#include <algorithm>
#include <array>
#include <span>

namespace selvedge::wasix::internal {

namespace {

constexpr IpNetwork v4(io::IpAddress::V4Bytes bytes, unsigned bits) {
  return {io::IpAddress::v4(bytes), bits};
}

// By the 16-bit groups of the text.
constexpr IpNetwork v6(std::array<std::uint16_t, 8> groups, unsigned bits) {
  io::IpAddress::V6Bytes bytes{};
  for (std::size_t i = 0; i < groups.size(); ++i) {
    bytes[2 * i] = static_cast<std::uint8_t>(groups[i] >> 8U);
    bytes[2 * i + 1] = static_cast<std::uint8_t>(groups[i] & 0xffU);
  }
  return {io::IpAddress::v6(bytes), bits};
}

constexpr std::array kRestrictedV4{
    v4({0, 0, 0, 0}, 8),           // "this network" (RFC 791)
    v4({10, 0, 0, 0}, 8),          // private (RFC 1918)
    v4({100, 64, 0, 0}, 10),       // carrier-grade NAT (RFC 6598)
    v4({100, 100, 100, 200}, 32),  // metadata (Alibaba)
    v4({127, 0, 0, 0}, 8),         // loopback
    v4({168, 63, 129, 16}, 32),    // metadata (Azure)
    v4({169, 254, 0, 0}, 16),      // link-local (RFC 3927)
    v4({169, 254, 169, 254}, 32),  // metadata (most clouds)
    v4({169, 254, 170, 2}, 32),    // credentials of containers (AWS)
    v4({172, 16, 0, 0}, 12),       // private (RFC 1918)
    v4({192, 0, 0, 0}, 24),        // protocol assignments (RFC 6890)
    v4({192, 0, 2, 0}, 24),        // documentation (RFC 5737)
    v4({192, 88, 99, 0}, 24),      // 6to4 relays (RFC 7526)
    v4({192, 168, 0, 0}, 16),      // private (RFC 1918)
    v4({198, 18, 0, 0}, 15),       // benchmarks (RFC 2544)
    v4({198, 51, 100, 0}, 24),     // documentation
    v4({203, 0, 113, 0}, 24),      // documentation
    v4({224, 0, 0, 0}, 4),         // multicast (RFC 5771)
    v4({240, 0, 0, 0}, 4),         // reserved, with the broadcast address
};

constexpr std::array kRestrictedV6{
    // Everything outside 2000::/3, the only block of global unicast addresses (RFC 4291).
    v6({0}, 3),
    v6({0x4000}, 2),
    v6({0x8000}, 1),
    v6({0}, 128),                                    // unspecified
    v6({0, 0, 0, 0, 0, 0, 0, 1}, 128),               // loopback
    v6({0x2001}, 23),                                // protocol assignments, Teredo (RFC 2928)
    v6({0x2001, 0xdb8}, 32),                         // documentation (RFC 3849)
    v6({0x3fff}, 20),                                // documentation (RFC 9637)
    v6({0xfc00}, 7),                                 // unique local (RFC 4193)
    v6({0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254}, 128),  // metadata (AWS)
    v6({0xfe80}, 10),                                // link-local
    v6({0xfec0}, 10),                                // site-local (RFC 3879)
    v6({0xff00}, 8),                                 // multicast
};

constexpr IpNetwork kNat64 = v6({0x64, 0xff9b}, 96);  // RFC 6052
constexpr IpNetwork kSixToFour = v6({0x2002}, 16);    // RFC 3056
// The identifiers of ISATAP addresses (RFC 5214 section 6.1), behind any 64 bits.
constexpr std::array<std::array<std::uint8_t, 4>, 2> kIsatap{
    {{0x00, 0x00, 0x5e, 0xfe}, {0x02, 0x00, 0x5e, 0xfe}}};

std::optional<IpNetwork> smallest_around(const io::IpAddress& ip,
                                         std::span<const IpNetwork> networks) noexcept {
  std::optional<IpNetwork> smallest;
  for (const IpNetwork& network : networks) {
    if (network.contains(ip) && (!smallest || network.bits() > smallest->bits())) {
      smallest = network;
    }
  }
  return smallest;
}

// Of the IPv4 address that lies at byte `at` of `ip`.
std::optional<IpNetwork> restricted_inside(const io::IpAddress& ip, std::size_t at) noexcept {
  const auto bytes = ip.bytes().subspan(at, 4);
  const auto inner =
      smallest_around(io::IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]}), kRestrictedV4);
  if (!inner) {
    return std::nullopt;
  }
  return IpNetwork(ip, static_cast<unsigned>(8 * at) + inner->bits());
}

bool is_isatap(const io::IpAddress& ip) noexcept {
  return std::ranges::any_of(kIsatap, [&](const auto& identifier) {
    return std::ranges::equal(ip.bytes().subspan(8, 4), identifier);
  });
}

}  // namespace

std::optional<IpNetwork> restricted_network(const io::IpAddress& ip) noexcept {
  if (ip.is_v4()) {
    return smallest_around(ip, kRestrictedV4);
  }
  if (kNat64.contains(ip)) {
    return restricted_inside(ip, 12);
  }
  if (kSixToFour.contains(ip)) {
    return restricted_inside(ip, 2);
  }
  const auto restricted = smallest_around(ip, kRestrictedV6);
  return !restricted && is_isatap(ip) ? restricted_inside(ip, 12) : restricted;
}

}  // namespace selvedge::wasix::internal
