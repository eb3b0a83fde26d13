#pragma once

// `lo`: a network in memory that belongs to one workload. Its guests reach each other, and the host
// reaches them; nothing of it exists for anybody else.
//
//   auto network = std::make_shared<LoopbackNetwork>(reactor);
//   options.network = network;                          // of the process
//   co_await network->listening().wait(deadline);       // the guest has called listen(2)
//   SELVEDGE_CO_TRY(auto stream, co_await network->connect(*network->lowest_tcp_listener(),
//                                                          deadline));
//
// TCP and UDP over IPv4 and IPv6 at 127.0.0.0/8 and ::1, and unix sockets. A unix socket's name is
// a text of this network that goes with its socket, or a file (bind_file), which stays and may be
// renamed: what tells the file from others leads to the socket.
//
// As on Linux, a connection is complete before it is accepted, and one that finds the listener's
// queue full waits for room. Unlike there, a closed port is free at once (there is no TIME_WAIT),
// writing to a peer that has closed or shut down its reading fails at once with EPIPE, and a socket
// that is bound to any address gets only the multicast groups that it joined itself.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "io/deadline.h"
#include "io/event.h"
#include "io/reactor.h"
#include "io/socket_address.h"
#include "io/stream.h"
#include "io/task.h"
#include "wasix/abi_socket.h"
#include "wasix/errno_result.h"
#include "wasix/socket.h"

namespace selvedge::wasix {

namespace internal {
class LoopbackState;
}

class EgressNetwork;

// What tells one file of a workload from all others.
struct SocketFile {
  std::uint64_t device = 0;
  std::uint64_t number = 0;

  friend auto operator<=>(const SocketFile&, const SocketFile&) noexcept = default;
};

struct SocketPair {
  std::shared_ptr<Socket> first;
  std::shared_ptr<Socket> second;
};

// One shard's thread. Owned together by the processes of the workload and by who connects to them;
// its sockets and streams may outlive it.
class LoopbackNetwork {
 public:
  // Sockets and connections that wait to be accepted, of all processes together.
  static constexpr std::uint32_t kSocketsMax = 16'384;
  // Connections that wait for one listener to accept them; longer backlogs are cut.
  static constexpr std::size_t kBacklogMax = 1024;
  // Memory for bytes that were sent and not received, of all sockets together.
  static constexpr std::size_t kBufferedBytesMax = std::size_t{64} << 20;
  // The content of one datagram: what fits into UDP over IPv4.
  static constexpr std::size_t kDatagramBytesMax = 65'507;
  // Datagrams in one socket's queue, besides the bound by its receive buffer.
  static constexpr std::size_t kDatagramsQueuedMax = 512;
  // Groups that one socket may join (Linux's igmp_max_memberships).
  static constexpr std::size_t kMulticastGroupsMax = 20;

  // `egress`: where its sockets go that connect or send to somewhere else; nullptr: nowhere.
  explicit LoopbackNetwork(io::Reactor& reactor, std::shared_ptr<EgressNetwork> egress = nullptr);
  LoopbackNetwork(const LoopbackNetwork&) = delete;
  LoopbackNetwork& operator=(const LoopbackNetwork&) = delete;
  ~LoopbackNetwork();

  // ---- For guests ----

  // kAfnosupport; kProtonosupport: neither streams nor datagrams; kNfile: kSocketsMax.
  ErrnoResult<std::shared_ptr<Socket>> open(AddressFamily family, SockType type);
  // Two unix sockets that are connected to each other. Errors as open().
  ErrnoResult<SocketPair> open_pair(SockType type);

  // socket.bind(address) for the name that this file is, which its caller has made. Another socket
  // of the same text, whose file was removed or lies elsewhere, keeps its file.
  Errno bind_file(Socket& socket, const io::SocketAddress& address, SocketFile file);
  // Where to connect or send to for this file. kConnrefused: its socket is gone.
  ErrnoResult<io::SocketAddress> find_file(SocketFile file) const;

  // nullptr: there is none.
  EgressNetwork* egress() const noexcept [[clang::lifetimebound]];

  // ---- For the host ----

  // A stream to the guest that listens at this address, which is one of `lo` or of a unix socket;
  // it waits while the listener's queue is full. kDisconnected: nobody listens there; kOverloaded:
  // kSocketsMax; kTimeout.
  io::Task<std::unique_ptr<io::Stream>> connect(io::SocketAddress address, io::Deadline deadline);
  // Set while a guest's TCP socket listens. Nobody may wait for it when the network is destroyed.
  io::Event& listening() noexcept [[clang::lifetimebound]];
  // An address that leads to the TCP listener with the lowest port, whatever local address it is
  // bound to; nullopt: nobody listens.
  std::optional<io::SocketAddress> lowest_tcp_listener() const;

 private:
  std::shared_ptr<internal::LoopbackState> state_;
};

}  // namespace selvedge::wasix
