#include "gateway/trusted_proxies.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "base/format.h"
#include "gateway/internal/forwarded_hops.h"

namespace selvedge::gateway {
namespace {

constexpr std::uint8_t kMappedPrefixBits = 96;

std::uint8_t bits_of(const io::IpAddress& address) noexcept {
  return static_cast<std::uint8_t>(address.bytes().size() * 8);
}

// `address` with the bits behind the prefix cleared.
io::IpAddress masked(const io::IpAddress& address, std::uint8_t prefix_bits) noexcept {
  io::IpAddress::V6Bytes bytes{};
  std::ranges::copy(address.bytes(), bytes.begin());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::size_t kept =
        std::min<std::size_t>(prefix_bits > i * 8 ? prefix_bits - i * 8 : 0, 8);
    bytes[i] = static_cast<std::uint8_t>(bytes[i] & (0xff00U >> kept));
  }
  return address.is_v6() ? io::IpAddress::v6(bytes)
                         : io::IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]});
}

// The port that the client connected to, as far as the URL says it.
std::uint16_t public_port(const wire::RequestHead& request, bool secure) noexcept {
  const std::string_view authority = request.authority();
  const std::string_view rest = authority.substr(request.host().size());
  std::uint16_t port = 0;
  if (rest.starts_with(':')) {
    std::from_chars(rest.data() + 1, rest.data() + rest.size(), port);
  }
  return port != 0 ? port : secure ? 443 : 80;
}

}  // namespace

Result<TrustedProxies::Network> TrustedProxies::parse_network(std::string_view text) {
  const auto invalid = [text](std::string_view what) {
    return fail_format(ErrorKind::kInvalid, "\"{}\" {}", text, what);
  };
  const std::size_t slash = text.find('/');
  auto address = io::IpAddress::parse(text.substr(0, slash));
  if (!address.has_value()) {
    return invalid("is not an address or a network: write 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32");
  }
  std::uint8_t prefix_bits = bits_of(*address);
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    std::uint8_t given = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), given);
    if (error != std::errc() || end != digits.data() + digits.size() || given > prefix_bits) {
      return invalid(fmt::format("must have a number from 0 to {} behind the slash", prefix_bits));
    }
    prefix_bits = given;
  }
  if (masked(*address, prefix_bits) != *address) {
    return invalid(fmt::format("has bits behind its prefix: write {}/{}",
                               masked(*address, prefix_bits).to_string(), prefix_bits));
  }
  if (const io::IpAddress plain = internal::unmapped(*address);
      plain != *address && prefix_bits >= kMappedPrefixBits) {
    return Network{.address = plain,
                   .prefix_bits = static_cast<std::uint8_t>(prefix_bits - kMappedPrefixBits)};
  }
  return Network{.address = *address, .prefix_bits = prefix_bits};
}

Result<TrustedProxies> TrustedProxies::parse(std::span<const std::string> entries, Fields fields) {
  if (entries.size() > kEntriesMax) {
    return fail_format(ErrorKind::kInvalid, "more than {} addresses and networks", kEntriesMax);
  }
  TrustedProxies made;
  made.fields_ = fields;
  for (const std::string& entry : entries) {
    SELVEDGE_TRY(Network network, parse_network(entry));
    made.networks_.push_back(network);
  }
  return made;
}

bool TrustedProxies::contains(const io::IpAddress& address) const noexcept {
  const io::IpAddress plain = internal::unmapped(address);
  return std::ranges::any_of(networks_, [&plain](const Network& network) {
    return network.address.is_v4() == plain.is_v4() &&
           masked(plain, network.prefix_bits) == network.address;
  });
}

app::HttpPeer TrustedProxies::peer_of(const wire::RequestHead& request,
                                      const app::HttpPeer& seen) const {
  app::HttpPeer peer = seen;
  const auto sender = io::IpAddress::parse(seen.remote_address);
  if (!sender.has_value() || !contains(*sender)) {
    return peer;
  }
  const auto hops = fields_ == Fields::kForwarded
                        ? internal::hops_of_forwarded(request.headers(), kHopsMax)
                        : internal::hops_of_x_forwarded(request.headers(), kHopsMax);
  // Who has told the nearest trusted proxy, or one that is trusted behind it.
  std::size_t teller = 0;
  for (std::size_t i = 0; i < hops.addresses.size() && hops.addresses[i].has_value(); ++i) {
    teller = i;
    peer.remote_address = hops.addresses[i]->address.to_string();
    peer.remote_port = hops.addresses[i]->port;
    if (!contains(hops.addresses[i]->address)) {
      break;
    }
  }
  const auto secure = hops.secure_at(teller);
  if (secure.has_value()) {
    peer.secure = *secure;
    peer.scheme_told = true;
    peer.local_port = public_port(request, *secure);
  }
  return peer;
}

}  // namespace selvedge::gateway
