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

  // A TCP or unix socket that is bound and does not listen before adopt(): nobody connects to what
  // is not served yet. Errors as of listen(). A unix socket's file stays until someone removes it.
  static Result<base::UniqueFd> bind(const SocketAddress& address,
                                     const ListenOptions& options = {});
  // Where a socket is bound.
  static SocketAddress address_of(const base::UniqueFd& fd);
  enum class Sharing : unsigned char { kAlone, kShared };
  // Takes connections from a socket that was made elsewhere. kShared: other listeners have copies
  // of the descriptor, and one of them is woken for each connection. Its options and the file of a
  // unix socket are left as they are. kInternal.
  Result<std::unique_ptr<Listener>> adopt(base::UniqueFd fd, Sharing sharing,
                                          int backlog = ListenOptions{}.backlog);

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
