// Sockets: making them, their addresses and connections.

#include "wasix/internal/host_calls_socket.h"

#include <utility>

#include "engine/host_functions.h"
#include "wasix/host_functions.h"
#include "wasix/internal/blocking.h"
#include "wasix/internal/lookup.h"
#include "wasix/internal/registration.h"
#include "wasix/internal/socket_abi.h"
#include "wasix/internal/socket_files.h"
#include "wasix/internal/socket_lookup.h"

namespace selvedge::wasix::internal {

namespace {

template <class T>
bool is_writable(Thread& thread, Ptr<T> target) {
  return thread.memory().bytes(target.address, sizeof(T)).has_value();
}

ErrnoResult<GuestFd> insert(Thread& thread, std::shared_ptr<Socket> socket) {
  const Rights rights = socket->rights_base();
  return thread.process().handles().insert({.handle = std::move(socket), .rights_base = rights});
}

// kAfnosupport, kProtonosupport; kInval: no such type at all.
ErrnoResult<SockType> check_kind(std::uint32_t family, std::uint32_t type, std::uint32_t protocol) {
  if (family == 0 || family > static_cast<std::uint32_t>(AddressFamily::kUnix)) {
    return refuse(Errno::kAfnosupport);
  }
  if (type == 0 || type > static_cast<std::uint32_t>(SockType::kSeqpacket)) {
    return refuse(Errno::kInval);
  }
  const auto kind = static_cast<SockType>(type);
  if (kind != SockType::kStream && kind != SockType::kDgram) {
    return refuse(Errno::kProtonosupport);
  }
  const std::uint32_t usual = kind == SockType::kStream ? kProtocolTcp : kProtocolUdp;
  // wasix-libc names the usual protocol for every family when its caller names none.
  if (protocol != 0 && protocol != usual) {
    return refuse(Errno::kProtonosupport);
  }
  return kind;
}

// A copy of the guest's address.
ErrnoResult<std::optional<io::SocketAddress>> address_at(Thread& thread,
                                                         Ptr<abi::AddrPort> address) {
  const auto raw = thread.memory().read(address);
  if (!raw) {
    return refuse(Errno::kFault);
  }
  return read_address(*raw);
}

struct AcceptCall {
  Fdflags flags;
  Ptr<GuestFd> accepted_fd;
  std::optional<Ptr<abi::AddrPort>> peer;

  Errno operator()(Thread& thread, Handle& handle) const {
    if (!is_writable(thread, accepted_fd) || (peer && !is_writable(thread, *peer))) {
      return Errno::kFault;
    }
    // Before a connection is taken: it would be lost.
    if (thread.process().handles().full()) {
      return Errno::kMfile;
    }
    SELVEDGE_TRY_ERRNO(std::shared_ptr<Socket> socket, handle.as_socket()->try_accept());
    static_cast<void>(socket->set_flags(flags));
    const io::SocketAddress from = socket->peer_address().value_or(io::SocketAddress());
    SELVEDGE_TRY_ERRNO(const GuestFd fd, insert(thread, std::move(socket)));
    if (peer && !thread.memory().write(*peer, write_address(from))) {
      return Errno::kFault;
    }
    return thread.memory().write(accepted_fd, fd) ? Errno::kSuccess : Errno::kFault;
  }
};

BlockingErrno accept(Thread& thread, GuestFd fd, std::uint32_t flags, Ptr<GuestFd> accepted_fd,
                     std::optional<Ptr<abi::AddrPort>> peer) {
  const auto checked = read_flags<Fdflags>(flags);
  if (!checked) {
    return checked.error();
  }
  const auto found = find_socket(thread, fd, Rights::kSockAccept);
  if (!found) {
    return found.error();
  }
  if (has_any(*checked, ~Fdflags::kNonblock)) {
    return Errno::kInval;
  }
  const SocketOptions& options = (*found)->options();
  return attempt_or_wait(thread, found->handle, found->handle->readable(),
                         AcceptCall{.flags = *checked, .accepted_fd = accepted_fd, .peer = peer},
                         options.accept_timeout ? options.accept_timeout : options.receive_timeout);
}

struct ConnectCall {
  Errno operator()(Thread& /*thread*/, Handle& handle) const {
    return handle.as_socket()->finish_connect();
  }
  static Errno timed_out(Thread& /*thread*/, Handle& handle) {
    handle.as_socket()->cancel_connect();
    return Errno::kTimedout;
  }
};

Errno write_address_to(Thread& thread, Ptr<abi::AddrPort> target,
                       const ErrnoResult<io::SocketAddress>& address) {
  SELVEDGE_TRY_ERRNO(const io::SocketAddress value, address);
  return thread.memory().write(target, write_address(value)) ? Errno::kSuccess : Errno::kFault;
}

}  // namespace

BlockingErrno sock_accept(Thread& thread, GuestFd fd, std::uint32_t flags,
                          Ptr<GuestFd> accepted_fd) {
  return accept(thread, fd, flags, accepted_fd, std::nullopt);
}

BlockingErrno sock_accept_v2(Thread& thread, GuestFd fd, std::uint32_t flags,
                             Ptr<GuestFd> accepted_fd, Ptr<abi::AddrPort> peer) {
  return accept(thread, fd, flags, accepted_fd, peer);
}

// A socket that does not wait answers kInprogress while the listener's queue is full; the address
// without a family takes a datagram socket's connection back.
BlockingErrno sock_connect(Thread& thread, GuestFd fd, Ptr<abi::AddrPort> address) {
  const auto found = find_socket(thread, fd);
  if (!found) {
    return found.error();
  }
  const auto target = address_at(thread, address);
  if (!target) {
    return target.error();
  }
  Socket& socket = *found->socket;
  const auto way = *target ? socket_at(thread, **target) : io::SocketAddress();
  if (!way) {
    return way.error();
  }
  const Errno result = *target ? socket.connect(*way) : socket.disconnect();
  if (result != Errno::kInprogress || socket.nonblocking()) {
    return result;
  }
  const SocketOptions& options = socket.options();
  return attempt_or_wait(thread, found->handle, found->handle->writable(), ConnectCall{},
                         options.connect_timeout ? options.connect_timeout : options.send_timeout);
}

// kNotsup: the process has no network.
Errno sock_open(Thread& thread, std::uint32_t family, std::uint32_t type, std::uint32_t protocol,
                Ptr<GuestFd> opened_fd) {
  SELVEDGE_TRY_ERRNO(const SockType kind, check_kind(family, type, protocol));
  if (!is_writable(thread, opened_fd)) {
    return Errno::kFault;
  }
  LoopbackNetwork* const network = thread.process().network();
  if (network == nullptr) {
    return Errno::kNotsup;
  }
  SELVEDGE_TRY_ERRNO(std::shared_ptr<Socket> socket,
                     network->open(static_cast<AddressFamily>(family), kind));
  SELVEDGE_TRY_ERRNO(const GuestFd fd, insert(thread, std::move(socket)));
  return thread.memory().write(opened_fd, fd) ? Errno::kSuccess : Errno::kFault;
}

// kNotsup: not of unix sockets, as on Linux.
Errno sock_pair(Thread& thread, std::uint32_t family, std::uint32_t type, std::uint32_t protocol,
                Ptr<GuestFd> first_fd, Ptr<GuestFd> second_fd) {
  SELVEDGE_TRY_ERRNO(const SockType kind, check_kind(family, type, protocol));
  if (!is_writable(thread, first_fd) || !is_writable(thread, second_fd)) {
    return Errno::kFault;
  }
  LoopbackNetwork* const network = thread.process().network();
  if (network == nullptr || family != static_cast<std::uint32_t>(AddressFamily::kUnix)) {
    return Errno::kNotsup;
  }
  SELVEDGE_TRY_ERRNO(SocketPair pair, network->open_pair(kind));
  SELVEDGE_TRY_ERRNO(const GuestFd first, insert(thread, std::move(pair.first)));
  const ErrnoResult<GuestFd> second = insert(thread, std::move(pair.second));
  if (!second) {
    static_cast<void>(thread.process().handles().close(first));
    return second.error();
  }
  return thread.memory().write(first_fd, first) && thread.memory().write(second_fd, *second)
             ? Errno::kSuccess
             : Errno::kFault;
}

Errno sock_bind(Thread& thread, GuestFd fd, Ptr<abi::AddrPort> address) {
  SELVEDGE_TRY_ERRNO(const FoundSocket found, find_socket(thread, fd));
  SELVEDGE_TRY_ERRNO(const std::optional<io::SocketAddress> target, address_at(thread, address));
  return target ? bind_socket(thread, *found.socket, *target) : Errno::kAfnosupport;
}

Errno sock_listen(Thread& thread, GuestFd fd, std::uint32_t backlog) {
  SELVEDGE_TRY_ERRNO(const FoundSocket found, find_socket(thread, fd));
  return found->listen(backlog);
}

Errno sock_addr_local(Thread& thread, GuestFd fd, Ptr<abi::AddrPort> address) {
  SELVEDGE_TRY_ERRNO(const FoundSocket found, find_socket(thread, fd));
  return write_address_to(thread, address, found->local_address());
}

Errno sock_addr_peer(Thread& thread, GuestFd fd, Ptr<abi::AddrPort> address) {
  SELVEDGE_TRY_ERRNO(const FoundSocket found, find_socket(thread, fd));
  return write_address_to(thread, address, found->peer_address());
}

Errno sock_status(Thread& thread, GuestFd fd, Ptr<std::uint8_t> status) {
  SELVEDGE_TRY_ERRNO(const FoundSocket found, find_socket(thread, fd));
  return thread.memory().write(status, static_cast<std::uint8_t>(found->status())) ? Errno::kSuccess
                                                                                   : Errno::kFault;
}

void register_wasix_sockets(engine::HostFunctions& functions) {
  functions.define<&sock_status>(kWasixModule, "sock_status");
  functions.define<&sock_addr_local>(kWasixModule, "sock_addr_local");
  functions.define<&sock_addr_peer>(kWasixModule, "sock_addr_peer");
  functions.define<&sock_open>(kWasixModule, "sock_open");
  functions.define<&sock_pair>(kWasixModule, "sock_pair");
  functions.define<&sock_set_opt_flag>(kWasixModule, "sock_set_opt_flag");
  functions.define<&sock_get_opt_flag>(kWasixModule, "sock_get_opt_flag");
  functions.define<&sock_set_opt_time>(kWasixModule, "sock_set_opt_time");
  functions.define<&sock_get_opt_time>(kWasixModule, "sock_get_opt_time");
  functions.define<&sock_set_opt_size>(kWasixModule, "sock_set_opt_size");
  functions.define<&sock_get_opt_size>(kWasixModule, "sock_get_opt_size");
  functions.define<&sock_join_multicast_v4>(kWasixModule, "sock_join_multicast_v4");
  functions.define<&sock_leave_multicast_v4>(kWasixModule, "sock_leave_multicast_v4");
  functions.define<&sock_join_multicast_v6>(kWasixModule, "sock_join_multicast_v6");
  functions.define<&sock_leave_multicast_v6>(kWasixModule, "sock_leave_multicast_v6");
  functions.define<&sock_bind>(kWasixModule, "sock_bind");
  functions.define<&sock_listen>(kWasixModule, "sock_listen");
  functions.define<&sock_accept_v2>(kWasixModule, "sock_accept_v2");
  // Older guests know it by this name.
  functions.define<&sock_accept_v2>(kWasixModule, "sock_accept");
  functions.define<&sock_connect>(kWasixModule, "sock_connect");
  functions.define<&sock_recv_from>(kWasixModule, "sock_recv_from");
  functions.define<&sock_recv_msg>(kWasixModule, "sock_recv_msg");
  functions.define<&sock_send_to>(kWasixModule, "sock_send_to");
  functions.define<&sock_send_file>(kWasixModule, "sock_send_file");
  functions.define<&resolve>(kWasixModule, "resolve");
}

}  // namespace selvedge::wasix::internal
