#pragma once

// Where the guests of a workload may connect to outside of it: what `--net` says.
//
//   SELVEDGE_TRY(const EgressPolicy policy, EgressPolicy::parse(values_of_net));
//   policy.allows(ip, port)     // asked of the very address that is connected or sent to
//
// Each value is a list of rules, separated by commas; what no rule allows is denied:
//
//   public[:PORTS]              every public address; any name may be resolved
//   ADDRESS[/BITS][:PORTS]      an address or block: 192.0.2.7:443, 10.0.0.0/8, [fd00::/8]:5432
//   NAME[:PORTS]                the public addresses that DNS gives for a name: api.example.com,
//                               *.example.com (names below it), * (any name)
//
// PORTS: 443, 8000-8999 or *; without them, every port. `dns:allow=NAME`, `ipv4:allow=ADDRESS` and
// `ipv6:allow=ADDRESS`, with `/out` behind it or not, are the same rules as other runtimes write
// them; `*` is then every public address of the family.
//
// An address that is not public (loopback, private, link-local, shared, multicast, metadata
// services, reserved, the machine's own) takes an address rule that names it or a block within the
// restricted one: 10.0.0.0/8 allows 10.1.2.3, and 0.0.0.0/0 does not. No name leads there.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/socket_address.h"
#include "wasix/ip_network.h"

namespace selvedge::wasix {

struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = UINT16_MAX;

  bool contains(std::uint16_t port) const noexcept { return first <= port && port <= last; }
};

// A value; immutable once it is given to a network, and then any thread's.
class EgressPolicy {
 public:
  static constexpr std::size_t kRulesMax = 1024;
  static constexpr std::size_t kRuleBytesMax = 512;

  // Allows nothing.
  EgressPolicy() = default;
  // `values`: those of --net. kInvalid: a sentence that begins with the rule.
  static Result<EgressPolicy> parse(std::span<const std::string> values);

  // The addresses of this machine's interfaces: restricted, each in a block of its own;
  // loopback is that anyway.
  void set_own_addresses(std::vector<io::IpAddress> addresses) {
    std::erase_if(addresses, [](const io::IpAddress& ip) { return ip.is_loopback(); });
    own_addresses_ = std::move(addresses);
  }

  bool allows_nothing() const noexcept {
    return public_ports_.empty() && address_rules_.empty() && name_rules_.empty();
  }
  // By an address rule or as a public one. IPv4-mapped addresses are what they map.
  bool allows(const io::IpAddress& ip, std::uint16_t port) const;
  // By an address rule that names it, not as a public address.
  bool names(const io::IpAddress& ip, std::uint16_t port) const;
  // Whether DNS may be asked for the name (ASCII, in any case, without a final dot).
  bool allows_name(std::string_view name) const;
  // The ports on which a name rule allows the addresses of `name`.
  std::vector<PortRange> ports_of_name(std::string_view name) const;
  // Whether a name rule may lead to `ip` at all.
  bool is_public(const io::IpAddress& ip) const;

 private:
  struct AddressRule {
    IpNetwork network;
    PortRange ports;
  };
  struct NameRule {
    // "*", "*.example.com" or "example.com", in small letters.
    std::string pattern;
    PortRange ports;
  };

  Result<> add(std::string_view rule);
  Result<> add_address(std::string_view network, PortRange ports);
  Result<> add_name(std::string_view name, PortRange ports);
  std::optional<IpNetwork> restricted(const io::IpAddress& ip) const;

  std::vector<PortRange> public_ports_;
  std::vector<AddressRule> address_rules_;
  std::vector<NameRule> name_rules_;
  std::vector<io::IpAddress> own_addresses_;
};

}  // namespace selvedge::wasix
