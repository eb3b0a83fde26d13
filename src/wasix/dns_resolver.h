#pragma once

// Names to addresses, by asking DNS servers: c-ares (RFC 1035) over an io::Network. It has no
// thread and no descriptor of its own: what it sends and receives goes through datagram sockets and
// streams of the network, and its timer is the reactor's.
//
// Only DNS is asked, for the very name: neither the host's file of hosts nor its search domains.

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "io/network.h"
#include "io/reactor.h"
#include "io/task.h"

namespace selvedge::wasix {

namespace internal {
class DnsChannel;
}

struct DnsOptions {
  // Asked in this order. Empty: those of /etc/resolv.conf, as it is when the resolver is made.
  std::vector<io::SocketAddress> servers = {};
};

// One shard's thread. Outlives the tasks that it makes.
class DnsResolver {
 public:
  // For all that one name takes: servers, repetitions, both families.
  static constexpr base::Duration kResolveTimeMax = std::chrono::seconds(10);
  // Of each family; more are left out.
  static constexpr std::size_t kAddressesMax = 32;
  // Questions that wait for their answers; a name takes two.
  static constexpr std::size_t kQuestionsMax = 1024;

  // `reactor` and `network` outlive it. Blocks for as long as reading a small file takes.
  // kInternal: c-ares cannot begin.
  static Result<std::unique_ptr<DnsResolver>> create(io::Reactor& reactor, io::Network& network,
                                                     const DnsOptions& options);
  explicit DnsResolver(std::unique_ptr<internal::DnsChannel> channel) noexcept;
  ~DnsResolver();

  // `name`: canonical (host_name.h). At least one address, IPv4 before IPv6, each in the order of
  // the answer. kNotFound: no such name, or one without addresses; kTimeout; kDisconnected: no
  // server can be reached, or none can say; kOverloaded: kQuestionsMax; kInternal: an answer is
  // malformed.
  io::Task<std::vector<io::IpAddress>> resolve(std::string name);

 private:
  // Shared with the questions that are under way.
  std::shared_ptr<std::size_t> questions_ = std::make_shared<std::size_t>(0);
  std::unique_ptr<internal::DnsChannel> channel_;
};

}  // namespace selvedge::wasix
