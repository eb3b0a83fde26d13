#include "wasix/testing/egress_world.h"

#include <array>

#include "base/assert.h"

namespace selvedge::wasix::testing {

io::IpAddress ip(std::string_view text) {
  const auto parsed = io::IpAddress::parse(text);
  SELVEDGE_ASSERT(parsed.has_value());
  return *parsed;
}

io::SocketAddress at(std::string_view text) {
  const auto parsed = io::SocketAddress::parse(text);
  SELVEDGE_ASSERT(parsed.has_value());
  return *parsed;
}

EgressWorld::EgressWorld(const std::vector<std::string>& rules)
    : guest_(simulation_.add_host("guest", {ip("93.0.0.1"), ip("2606:2800::9")})),
      server_(simulation_.add_host("server",
                                   {ip("93.184.216.34"), ip("2606:2800::1"), ip("10.9.9.9")})) {
  auto resolver = DnsResolver::create(guest_.reactor(), guest_.network(),
                                      {.servers = {at("93.184.216.34:53")}});
  SELVEDGE_ASSERT(resolver.has_value());
  resolver_ = *std::move(resolver);
  set_rules(rules);
}

void EgressWorld::set_rules(const std::vector<std::string>& rules, EgressLimits limits) {
  auto policy = EgressPolicy::parse(rules);
  SELVEDGE_ASSERT(policy.has_value());
  auto egress = std::make_shared<EgressNetwork>(
      EgressNetwork::Options{.network = guest_.network(),
                             .resolver = resolver_.get(),
                             .policy = std::make_shared<const EgressPolicy>(*std::move(policy)),
                             .limits = limits});
  network_ = std::make_shared<LoopbackNetwork>(guest_.reactor(), std::move(egress));
}

std::shared_ptr<Socket> EgressWorld::open(AddressFamily family, SockType type) {
  return network_->open(family, type).value();
}

std::size_t EgressWorld::send(Socket& socket, std::string_view text,
                              const io::SocketAddress* destination) {
  const ByteSpan bytes = base::as_bytes(text);
  return socket.try_send(std::span(&bytes, 1), destination).value_or(0);
}

Errno EgressWorld::send_errno(Socket& socket, std::string_view text,
                              const io::SocketAddress* destination) {
  const ByteSpan bytes = base::as_bytes(text);
  const auto sent = socket.try_send(std::span(&bytes, 1), destination);
  return sent ? Errno::kSuccess : sent.error();
}

std::string EgressWorld::receive(Socket& socket, ReceiveOptions options) {
  std::array<char, 4096> text{};
  const MutableByteSpan buffer = std::as_writable_bytes(std::span(text));
  const auto received = socket.try_receive(std::span(&buffer, 1), options);
  if (received) {
    return {text.data(), received->count};
  }
  switch (received.error()) {
    case Errno::kAgain:
      return "kAgain";
    case Errno::kConnrefused:
      return "kConnrefused";
    case Errno::kConnreset:
      return "kConnreset";
    case Errno::kDquot:
      return "kDquot";
    default:
      return "error " + std::to_string(static_cast<int>(received.error()));
  }
}

}  // namespace selvedge::wasix::testing
