#pragma once

// The Network of a simulated host.

#include <cstdint>
#include <map>
#include <memory>

#include "io/network.h"
#include "io/testing/simulation.h"

namespace selvedge::io::testing {

class SimulatedListener;
class SimulatedDatagramSocket;
class SimulatedConnection;

// Streams keep their order, take latency, wait for lost segments, stop at partitions and break when
// those last; they are reset at random when asked to. Datagrams are lost, doubled and overtake each
// other. Unix sockets reach only the own host, without latency or faults.
class SimulatedNetwork final : public Network {
 public:
  static constexpr std::uint16_t kFirstFreePort = 32'768;

  SimulatedNetwork(Simulation& simulation, SimulatedHost& host) noexcept
      : simulation_(simulation), host_(host) {}

  using Network::bind_datagram;
  using Network::listen;
  Result<std::unique_ptr<Listener>> listen(const SocketAddress& address,
                                           const ListenOptions& options) override;
  Task<std::unique_ptr<Stream>> connect(SocketAddress address, Deadline deadline) override;
  Result<std::unique_ptr<DatagramSocket>> bind_datagram(const SocketAddress& address,
                                                        const DatagramOptions& options) override;

 private:
  friend class SimulatedListener;
  friend class SimulatedDatagramSocket;

  // What listens at `address` here: bound to it, or to all addresses of its family.
  template <class Socket>
  static Socket* find_bound(const std::map<SocketAddress, Socket*>& bound,
                            const SocketAddress& address) noexcept;
  // A connection attempt arrives; false: refused.
  bool offer(const std::shared_ptr<SimulatedConnection>& connection, const SocketAddress& address);
  // Our address as a peer at `to` sees it.
  SocketAddress source_for(const SocketAddress& to, std::uint16_t port) const noexcept;
  Result<SocketAddress> bindable(const SocketAddress& address) const;
  std::uint16_t free_port() noexcept;

  Simulation& simulation_;
  SimulatedHost& host_;
  std::uint16_t next_port_ = kFirstFreePort;
  std::map<SocketAddress, SimulatedListener*> listeners_;
  std::map<SocketAddress, SimulatedDatagramSocket*> datagram_sockets_;
};

}  // namespace selvedge::io::testing
