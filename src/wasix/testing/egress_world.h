#pragma once

// A guest's network with a way out into a simulated world, for tests: one host where the guest runs
// (93.0.0.1, 2606:2800::9), and one that it talks to (93.184.216.34, 2606:2800::1, 10.9.9.9).

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/testing/simulated_network.h"
#include "io/testing/simulation.h"
#include "wasix/dns_resolver.h"
#include "wasix/egress_network.h"
#include "wasix/loopback_network.h"
#include "wasix/socket.h"

namespace selvedge::wasix::testing {

// Of texts that are right.
io::IpAddress ip(std::string_view text);
io::SocketAddress at(std::string_view text);

class EgressWorld {
 public:
  // `rules`: values of --net.
  explicit EgressWorld(const std::vector<std::string>& rules);

  // From now on, for sockets that are opened then.
  void set_rules(const std::vector<std::string>& rules, EgressLimits limits = {});
  io::testing::SimulatedHost& guest() noexcept { return guest_; }
  io::testing::SimulatedHost& server() noexcept { return server_; }
  EgressNetwork& egress() noexcept { return *network_->egress(); }
  DnsResolver& resolver() noexcept { return *resolver_; }

  std::shared_ptr<Socket> open(AddressFamily family, SockType type);
  // Lets everything happen that is under way.
  void settle(base::Duration time = std::chrono::seconds(2)) { simulation_.run_for(time); }

  // How many bytes were taken; 0 when it fails.
  static std::size_t send(Socket& socket, std::string_view text,
                          const io::SocketAddress* destination = nullptr);
  static Errno send_errno(Socket& socket, std::string_view text,
                          const io::SocketAddress* destination = nullptr);
  // The bytes, or the name of the errno.
  static std::string receive(Socket& socket, ReceiveOptions options = {});

 private:
  io::testing::Simulation simulation_{1};
  io::testing::SimulatedHost& guest_;
  io::testing::SimulatedHost& server_;
  std::unique_ptr<DnsResolver> resolver_;
  std::shared_ptr<LoopbackNetwork> network_;
};

}  // namespace selvedge::wasix::testing
