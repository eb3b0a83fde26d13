#pragma once

// TCP and unix stream sockets. A socket is one of: fresh, listening, waiting for a connection,
// connected; each has its own object, and at most one of them exists. Where it connects to decides
// whether the connection is one in memory or one of the host.

#include <memory>
#include <optional>

#include "wasix/internal/connection.h"
#include "wasix/internal/egress_stream.h"
#include "wasix/internal/listen_queue.h"
#include "wasix/internal/loopback_state.h"
#include "wasix/internal/stream_end.h"
#include "wasix/socket.h"

namespace selvedge::wasix::internal {

class StreamSocket final : public Socket {
 public:
  StreamSocket(std::shared_ptr<LoopbackState> state, SocketSlot slot, AddressFamily family);
  // Connected from the beginning.
  StreamSocket(std::shared_ptr<LoopbackState> state, SocketSlot slot, AddressFamily family,
               std::unique_ptr<StreamEnd> end);
  ~StreamSocket() override;

  Errno bind(const io::SocketAddress& address) override;
  Errno listen(std::uint32_t backlog) override;
  bool listening() const noexcept override { return queue_ != nullptr; }
  ErrnoResult<std::shared_ptr<Socket>> try_accept() override;
  Errno connect(const io::SocketAddress& address) override;
  Errno finish_connect() override;
  void cancel_connect() noexcept override;
  ErrnoResult<Received> try_receive(std::span<const MutableByteSpan> buffers,
                                    ReceiveOptions options) override;
  ErrnoResult<std::size_t> try_send(std::span<const ByteSpan> buffers,
                                    const io::SocketAddress* destination) override;
  Errno shutdown(Sdflags directions) override;
  io::SocketAddress local_address() const override;
  ErrnoResult<io::SocketAddress> peer_address() const override;
  SockStatus status() override;
  Errno take_error() override;
  Readiness read_readiness() override;
  Readiness write_readiness() override;

 private:
  void options_changed() override;
  // Looks what became of a connection attempt.
  void settle();
  // The connection; kAgain while it is being made, kNotconn without one.
  ErrnoResult<Connection*> connected();
  Errno bind_ip(const io::SocketAddress& address);
  Errno bind_unix(const io::SocketAddress& address);
  ErrnoResult<ListenQueue*> find_listener(io::SocketAddress& target);
  Errno connect_inside(io::SocketAddress target);
  Errno connect_outside(const io::SocketAddress& target);
  bool connecting() const noexcept { return attempt_ != nullptr || outside_ != nullptr; }
  bool bound() const noexcept { return binding_ != nullptr || name_ != nullptr; }
  void stop_listening() noexcept;

  std::shared_ptr<LoopbackState> state_;
  SocketSlot slot_;
  std::unique_ptr<PortBinding> binding_;
  std::unique_ptr<UnixName> name_;
  std::unique_ptr<ListenQueue> queue_;
  std::unique_ptr<ConnectAttempt> attempt_;
  std::unique_ptr<EgressStream> outside_;  // until it is connected
  std::unique_ptr<Connection> end_;
  Errno error_ = Errno::kSuccess;  // of a connection attempt, until a call reports it
};

}  // namespace selvedge::wasix::internal
