#pragma once

// The host's network: TCP, UDP and unix sockets of the kernel.

#include <vector>

#include "io/kernel_reactor.h"
#include "io/network.h"

namespace selvedge::io {

class KernelNetwork final : public Network {
 public:
  // `reactor` must outlive the network and everything it makes.
  explicit KernelNetwork(KernelReactor& reactor [[clang::lifetimebound]]) noexcept
      : reactor_(reactor) {}

  // The address that listen() would get now; port 0 becomes a free port. It binds for a moment and
  // does not listen, so nobody connects to what is not served yet. Errors as of listen(). For TCP.
  static Result<SocketAddress> check_free(const SocketAddress& address,
                                          const ListenOptions& options = {});

  // Those of this machine's interfaces that have one now, loopback with them; empty when the kernel
  // does not say.
  static std::vector<IpAddress> own_addresses();

  using Network::bind_datagram;
  using Network::listen;
  Result<std::unique_ptr<Listener>> listen(const SocketAddress& address,
                                           const ListenOptions& options) override;
  Task<std::unique_ptr<Stream>> connect(SocketAddress address, Deadline deadline) override;
  Result<std::unique_ptr<DatagramSocket>> bind_datagram(const SocketAddress& address,
                                                        const DatagramOptions& options) override;

 private:
  KernelReactor& reactor_;
};

}  // namespace selvedge::io
