#pragma once

// Proxies in front of a node whose word counts: what they say of a request's client and scheme is
// believed, of everybody else it is not (they would say it of themselves).
//
// One family of fields is believed, the one that the operator says the proxies set: a proxy that
// knows only X-Forwarded-* passes a client's own Forwarded on, and the other way round. The host is
// always that of the request itself: many proxies leave a client's X-Forwarded-Host as it is.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/http_exchange.h"
#include "base/result.h"
#include "io/socket_address.h"
#include "wire/http_message.h"

namespace selvedge::gateway {

class TrustedProxies {
 public:
  static constexpr std::size_t kEntriesMax = 256;
  // Entries of one request that are looked at, from the last one on.
  static constexpr std::size_t kHopsMax = 32;

  enum class Fields : std::uint8_t {
    kXForwarded,  // X-Forwarded-For, X-Forwarded-Proto
    kForwarded,   // RFC 7239
  };

  // Nobody.
  TrustedProxies() = default;
  // `entries`: addresses and networks, "10.0.0.0/8", "2001:db8::/32", "192.0.2.1". IPv4-mapped IPv6
  // is IPv4. Invalid, with the entry and what to write instead.
  static Result<TrustedProxies> parse(std::span<const std::string> entries,
                                      Fields fields = Fields::kXForwarded);

  Fields fields() const noexcept { return fields_; }
  void set_fields(Fields fields) noexcept { fields_ = fields; }
  bool empty() const noexcept { return networks_.empty(); }
  bool contains(const io::IpAddress& address) const noexcept;

  // The peer of a request as the proxies tell it; `seen`, who sent it, when that is none of them.
  // The client is the first address from the right that is not a proxy's, so that nobody can put
  // one before it. What cannot be read ends the list: what is left of it may be anybody's.
  app::HttpPeer peer_of(const wire::RequestHead& request, const app::HttpPeer& seen) const;

 private:
  struct Network {
    io::IpAddress address;  // without the bits behind the prefix; not IPv4-mapped
    std::uint8_t prefix_bits = 0;
  };
  static Result<Network> parse_network(std::string_view text);

  std::vector<Network> networks_;
  Fields fields_ = Fields::kXForwarded;
};

}  // namespace selvedge::gateway
