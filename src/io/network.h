#pragma once

// Access to a network, as a capability: code that is not given a Network cannot reach one.
// KernelNetwork is the host's; testing::SimulatedNetwork is a network of simulated hosts.

#include <memory>

#include "base/result.h"
#include "io/datagram_socket.h"
#include "io/socket_address.h"
#include "io/stream.h"
#include "io/task.h"

namespace selvedge::io {

struct ListenOptions {
  // Connections that wait for accept at most (the kernel clamps it to net.core.somaxconn).
  int backlog = 4096;
  // Several listeners, one per shard, share the address and the kernel spreads the connections.
  bool reuse_port = false;
  // An IPv6 listener takes IPv6 only, so that both families are listened to side by side.
  bool ipv6_only = true;
};

struct DatagramOptions {
  bool reuse_port = false;
  bool ipv6_only = true;
  // 0 leaves the kernel's default.
  int receive_buffer_bytes = 0;
  int send_buffer_bytes = 0;
  // For take_refused_peer(); else what ICMP says of the datagrams that were sent is dropped.
  bool report_refusals = false;
};

// One reactor's thread, which everything it makes belongs to as well. Must outlive it.
class Network {
 public:
  virtual ~Network() = default;

  // TCP or unix by the address' family; port 0 takes a free one. TCP connections have TCP_NODELAY.
  // A unix path must not exist, and is removed when the listener is destroyed. kDenied, kInvalid,
  // kNotFound (address not ours, directory missing), kOverloaded (in use).
  virtual Result<std::unique_ptr<Listener>> listen(const SocketAddress& address,
                                                   const ListenOptions& options) = 0;
  Result<std::unique_ptr<Listener>> listen(const SocketAddress& address) {
    return listen(address, ListenOptions{});
  }
  // TCP or unix. kDisconnected (refused), kTimeout, kDenied, kNotFound (no such path, no
  // route).
  virtual Task<std::unique_ptr<Stream>> connect(SocketAddress address, Deadline deadline) = 0;
  // UDP.
  virtual Result<std::unique_ptr<DatagramSocket>> bind_datagram(const SocketAddress& address,
                                                                const DatagramOptions& options) = 0;
  Result<std::unique_ptr<DatagramSocket>> bind_datagram(const SocketAddress& address) {
    return bind_datagram(address, DatagramOptions{});
  }
};

}  // namespace selvedge::io
