#pragma once

// A guest's socket, as the host calls see it: a Handle with addresses, options and connections.
//
//   SELVEDGE_TRY_ERRNO(const std::shared_ptr<Socket> socket,
//                      network.open(AddressFamily::kInet4, SockType::kStream));
//   const Errno result = socket->connect(address);   // kInprogress: wait for writable()
//
// Like all handles, sockets never wait: an attempt that is not possible now answers kAgain, and
// readable() or writable() tells when to make it again. Who makes blocking calls of these honours
// the timeouts among the options.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/clock.h"
#include "io/event.h"
#include "io/socket_address.h"
#include "wasix/abi_socket.h"
#include "wasix/errno_result.h"
#include "wasix/handle.h"

namespace selvedge::wasix {

namespace internal {
struct SocketEvents;
}

// Values that setsockopt(2) knows. A time without a value: wait for as long as it takes.
struct SocketOptions {
  // The bounds of a buffer's size; what a guest asks for beyond them is cut, as Linux does.
  static constexpr std::uint64_t kBufferBytesMin = 2'048;
  static constexpr std::uint64_t kBufferBytesMax = 262'144;
  static constexpr std::uint64_t kBufferBytesDefault = 65'536;

  bool reuse_address = false;
  bool reuse_port = false;
  bool only_v6 = false;
  // They change nothing in memory, where nothing is delayed, lost or routed; remembered for guests
  // that ask.
  bool no_delay = false;
  bool keep_alive = false;
  bool broadcast = false;
  bool dont_route = false;
  // Of the sender: whether sockets of this network get its multicast, that is, whether anybody
  // does.
  bool multicast_loop_v4 = true;
  bool multicast_loop_v6 = true;
  std::uint64_t receive_buffer_bytes = kBufferBytesDefault;
  std::uint64_t send_buffer_bytes = kBufferBytesDefault;
  std::uint64_t time_to_live = 64;
  std::uint64_t multicast_time_to_live = 1;
  std::optional<base::Duration> receive_timeout = std::nullopt;
  std::optional<base::Duration> send_timeout = std::nullopt;
  std::optional<base::Duration> connect_timeout = std::nullopt;
  std::optional<base::Duration> accept_timeout = std::nullopt;
  // Zero: closing resets the connection.
  std::optional<base::Duration> linger = std::nullopt;
};

struct ReceiveOptions {
  // Leaves what is received in the socket.
  bool peek = false;
};

struct Received {
  // What was put into the buffers.
  std::size_t count = 0;
  // The datagram's own length; equal to `count` for streams.
  std::size_t length = 0;
  // The sender; of streams, the peer.
  io::SocketAddress from = {};
};

// One shard's thread. Errnos are those of the function of the same name on Linux.
class Socket : public Handle {
 public:
  Socket(AddressFamily family, SockType type, std::shared_ptr<internal::SocketEvents> events);
  ~Socket() override;

  AddressFamily family() const noexcept { return family_; }
  SockType type() const noexcept { return type_; }
  // Its number in IANA's registry; 0 for unix sockets.
  std::uint32_t protocol() const noexcept;
  const SocketOptions& options() const noexcept [[clang::lifetimebound]] { return options_; }
  void set_options(const SocketOptions& options);

  // kAddrinuse; kAddrnotavail: not an address of `lo`; kInval: bound already; kAfnosupport: an
  // address of another family.
  virtual Errno bind(const io::SocketAddress& address) = 0;
  // `backlog` is cut to LoopbackNetwork::kBacklogMax. kNotsup: not a stream.
  virtual Errno listen(std::uint32_t backlog);
  virtual bool listening() const noexcept { return false; }
  // kAgain: no connection waits. kInval: not listening.
  virtual ErrnoResult<std::shared_ptr<Socket>> try_accept();
  // kInprogress: the listener's queue is full; finish_connect() tells when writable() is set.
  // kConnrefused; kAcces: an address outside `lo`. Datagrams: sets where they go and come from.
  virtual Errno connect(const io::SocketAddress& address) = 0;
  // kAgain: still waiting; else what became of the connection.
  virtual Errno finish_connect() { return Errno::kSuccess; }
  // Gives up a connect() in progress.
  virtual void cancel_connect() noexcept {}
  // Takes back connect(). kAfnosupport: not for streams.
  virtual Errno disconnect() { return Errno::kAfnosupport; }

  virtual ErrnoResult<Received> try_receive(std::span<const MutableByteSpan> buffers,
                                            ReceiveOptions options) = 0;
  // `destination`: nullptr for where the socket is connected to. Streams ignore it.
  virtual ErrnoResult<std::size_t> try_send(std::span<const ByteSpan> buffers,
                                            const io::SocketAddress* destination) = 0;
  virtual Errno shutdown(Sdflags directions) = 0;

  virtual io::SocketAddress local_address() const = 0;
  // kNotconn
  virtual ErrnoResult<io::SocketAddress> peer_address() const = 0;
  virtual SockStatus status() = 0;
  // The error that the next call would report; taken (SO_ERROR).
  virtual Errno take_error() = 0;

  // kNoprotoopt: not for this kind of socket. kInval: not a multicast address; kAddrinuse: joined
  // already; kAddrnotavail: not joined; kNobufs: too many.
  virtual Errno join_multicast(const io::IpAddress& group);
  virtual Errno leave_multicast(const io::IpAddress& group);

  // ---- Handle ----
  Filetype filetype() const noexcept override;
  Rights rights_base() const noexcept override;
  ErrnoResult<std::size_t> try_read(std::span<const MutableByteSpan> buffers) override;
  ErrnoResult<std::size_t> try_write(std::span<const ByteSpan> buffers) override;
  io::Event* readable() noexcept override;
  io::Event* writable() noexcept override;
  bool takes_messages() const noexcept override { return type_ != SockType::kStream; }
  Socket* as_socket() noexcept override { return this; }

 protected:
  const std::shared_ptr<internal::SocketEvents>& events() const noexcept [[clang::lifetimebound]] {
    return events_;
  }
  virtual void options_changed() {}
  // What the socket's address means to its network: IPv4 inside IPv6 becomes IPv4. kAfnosupport:
  // of another family.
  ErrnoResult<io::SocketAddress> to_network(const io::SocketAddress& address) const;
  // The reverse: as a guest is shown it.
  io::SocketAddress to_guest(const io::SocketAddress& address) const;
  // The family's any address with port 0, or the unnamed one.
  io::SocketAddress unbound_address() const;

 private:
  AddressFamily family_;
  SockType type_;
  SocketOptions options_;
  std::shared_ptr<internal::SocketEvents> events_;
};

}  // namespace selvedge::wasix
