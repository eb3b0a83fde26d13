#include "wasix/egress_policy.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/format.h"
#include "wasix/host_name.h"
#include "wasix/internal/loopback_address.h"
#include "wasix/internal/mapped_address.h"
#include "wasix/internal/restricted_networks.h"

namespace selvedge::wasix {

namespace {

constexpr std::string_view kExamples =
    "write public, an address (10.0.0.0/8:5432, [fd00::1]:443) or a name (api.example.com:443)";

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) {
    return std::nullopt;
  }
  return port;
}

Result<PortRange> parse_ports(std::string_view text) {
  if (text == "*") {
    return PortRange();
  }
  const std::size_t dash = text.find('-');
  const auto first = parse_port(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_port(text.substr(dash + 1));
  if (!first || !last || *first > *last) {
    return fail_format(ErrorKind::kInvalid,
                       "\"{}\" are no ports; write one (443), a range (8000-8999) or *", text);
  }
  return PortRange{.first = *first, .last = *last};
}

// What stands before the ports, and the ports.
struct SplitRule {
  std::string_view subject;
  PortRange ports;
};

Result<SplitRule> split(std::string_view rule) {
  std::size_t colon = rule.rfind(':');
  SplitRule parts{.subject = rule.substr(0, colon), .ports = {}};
  if (rule.starts_with('[')) {
    const std::size_t end = rule.find(']');
    if (end == std::string_view::npos) {
      return fail(ErrorKind::kInvalid, "a ] is missing; write [fd00::1]:443");
    }
    parts.subject = rule.substr(1, end - 1);
    colon = end + 1 == rule.size() ? std::string_view::npos : end + 1;
    if (colon != std::string_view::npos && rule[colon] != ':') {
      return fail(ErrorKind::kInvalid, "ports follow the ] after a colon; write [fd00::/8]:443");
    }
  } else if (rule.find(':') != colon) {
    // Several colons: an IPv6 address, which has ports only in brackets.
    return SplitRule{.subject = rule, .ports = {}};
  }
  if (colon != std::string_view::npos) {
    SELVEDGE_TRY(parts.ports, parse_ports(rule.substr(colon + 1)));
  }
  return parts;
}

bool looks_like_address(std::string_view subject) {
  return subject.contains(':') || std::ranges::all_of(subject, [](char c) {
           return (c >= '0' && c <= '9') || c == '.' || c == '/';
         });
}

bool matches(std::string_view pattern, std::string_view name) {
  if (pattern.starts_with('*')) {
    return name.size() >= pattern.size() && name.ends_with(pattern.substr(1));
  }
  return pattern == name;
}

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(' ');
  return begin == std::string_view::npos
             ? std::string_view()
             : text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

}  // namespace

Result<EgressPolicy> EgressPolicy::parse(std::span<const std::string> values) {
  EgressPolicy policy;
  std::size_t count = 0;
  for (const std::string_view value : values) {
    std::size_t begin = 0;
    while (begin <= value.size()) {
      const std::size_t end = std::min(value.find(',', begin), value.size());
      const std::string_view rule = trim(value.substr(begin, end - begin));
      begin = end + 1;
      if (++count > kRulesMax || rule.size() > kRuleBytesMax) {
        return fail_format(ErrorKind::kInvalid, "at most {} rules of {} bytes", kRulesMax,
                           kRuleBytesMax);
      }
      if (auto added = policy.add(rule); !added) {
        return fail(std::move(added).error().with_context(fmt::format("\"{}\"", rule)));
      }
    }
  }
  return policy;
}

Result<> EgressPolicy::add(std::string_view rule) {
  if (rule.contains('{')) {
    return fail(ErrorKind::kInvalid, "braces are not supported; write one rule for each, with ','");
  }
  if (rule.contains("//")) {
    return fail(ErrorKind::kInvalid, "a URL is no rule; write its host: api.example.com:443");
  }
  if (rule.contains(":deny=")) {
    return fail(ErrorKind::kInvalid, "only what a rule allows is allowed; leave deny rules out");
  }
  if (rule.ends_with("/in")) {
    return fail(ErrorKind::kInvalid, "rules are about what the program connects to; leave /in out");
  }
  if (rule.ends_with("/out")) {
    rule.remove_suffix(4);
  }
  for (const std::string_view kind : {"dns", "ipv4", "ipv6"}) {
    const std::string prefix = fmt::format("{}:allow=", kind);
    if (!rule.starts_with(prefix)) {
      continue;
    }
    SELVEDGE_TRY(const SplitRule parts, split(rule.substr(prefix.size())));
    if (kind == "dns") {
      return add_name(parts.subject, parts.ports);
    }
    const std::string_view all = kind == "ipv4" ? "0.0.0.0/0" : "::/0";
    return add_address(parts.subject == "*" ? all : parts.subject, parts.ports);
  }
  SELVEDGE_TRY(const SplitRule parts, split(rule));
  if (parts.subject.empty()) {
    return fail(ErrorKind::kInvalid, std::string(kExamples));
  }
  if (parts.subject == "public") {
    public_ports_.push_back(parts.ports);
    return {};
  }
  return looks_like_address(parts.subject) ? add_address(parts.subject, parts.ports)
                                           : add_name(parts.subject, parts.ports);
}

Result<> EgressPolicy::add_address(std::string_view network, PortRange ports) {
  SELVEDGE_TRY(const IpNetwork parsed, IpNetwork::parse(network));
  const io::IpAddress& ip = parsed.address();
  if (internal::unmapped(ip) || (ip.is_any() && parsed.bits() > 8)) {
    return fail_format(ErrorKind::kInvalid,
                       "{} is no destination; write an address such as 10.0.0.5:5432",
                       parsed.to_string());
  }
  if (internal::is_multicast(ip)) {
    return fail(ErrorKind::kInvalid, "multicast stays inside the program's own network");
  }
  address_rules_.push_back({.network = parsed, .ports = ports});
  return {};
}

Result<> EgressPolicy::add_name(std::string_view name, PortRange ports) {
  const bool wild = name == "*" || name.starts_with("*.");
  const std::string_view fixed = name == "*" ? "" : wild ? name.substr(2) : name;
  const std::optional<std::string> canonical = canonical_host_name(fixed);
  if (!canonical && name != "*") {
    return fail_format(ErrorKind::kInvalid, "\"{}\" is neither an address nor a name; {}", name,
                       kExamples);
  }
  if (canonical && is_localhost(*canonical)) {
    return fail(ErrorKind::kInvalid,
                "localhost is the program's own; for this machine write 127.0.0.1:8080");
  }
  name_rules_.push_back({.pattern = name == "*" ? "*"
                                    : wild      ? "*." + *canonical
                                                : *canonical,
                         .ports = ports});
  return {};
}

std::optional<IpNetwork> EgressPolicy::restricted(const io::IpAddress& ip) const {
  if (std::ranges::find(own_addresses_, ip) != own_addresses_.end()) {
    return IpNetwork(ip, ip.is_v6() ? 128 : 32);
  }
  return internal::restricted_network(ip);
}

bool EgressPolicy::names(const io::IpAddress& ip, std::uint16_t port) const {
  const io::IpAddress target = internal::unmapped(ip).value_or(ip);
  const std::optional<IpNetwork> around = restricted(target);
  return std::ranges::any_of(address_rules_, [&](const AddressRule& rule) {
    return rule.network.contains(target) && rule.ports.contains(port) &&
           (!around || around->contains(rule.network));
  });
}

bool EgressPolicy::allows(const io::IpAddress& ip, std::uint16_t port) const {
  const auto covers = [port](const PortRange& ports) { return ports.contains(port); };
  return names(ip, port) || (std::ranges::any_of(public_ports_, covers) && is_public(ip));
}

bool EgressPolicy::allows_name(std::string_view name) const {
  return !public_ports_.empty() || !ports_of_name(name).empty();
}

std::vector<PortRange> EgressPolicy::ports_of_name(std::string_view name) const {
  std::vector<PortRange> ports;
  const std::optional<std::string> canonical = canonical_host_name(name);
  for (const NameRule& rule : name_rules_) {
    if (canonical && matches(rule.pattern, *canonical)) {
      ports.push_back(rule.ports);
    }
  }
  return ports;
}

bool EgressPolicy::is_public(const io::IpAddress& ip) const {
  return !restricted(internal::unmapped(ip).value_or(ip));
}

}  // namespace selvedge::wasix
