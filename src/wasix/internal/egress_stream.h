#pragma once

// A TCP connection of the host that belongs to a guest's socket.
//
// What the peer sends is read ahead into a buffer of the size that the socket's options say,
// because a guest that polls must be told of bytes that are there, and may peek at them. When it is
// full, reading pauses and the peer meets TCP's window. What the guest sends goes to the kernel at
// once.

#include <memory>
#include <optional>

#include "io/event.h"
#include "io/stream.h"
#include "io/task_scope.h"
#include "wasix/egress_network.h"
#include "wasix/internal/byte_ring.h"
#include "wasix/internal/connection.h"
#include "wasix/internal/loopback_state.h"
#include "wasix/internal/socket_events.h"

namespace selvedge::wasix::internal {

class EgressStream final : public Connection {
 public:
  // What the kernel would take longer for is kTimedout.
  static constexpr base::Duration kConnectTimeMax = std::chrono::minutes(2);
  // Of one read from the kernel.
  static constexpr std::size_t kReadBytesMax = 16'384;

  // `state`: of a network with a way out.
  EgressStream(std::shared_ptr<LoopbackState> state, std::shared_ptr<SocketEvents> events,
               EgressNetwork::Slot slot, const SocketOptions& options);
  EgressStream(const EgressStream&) = delete;
  EgressStream& operator=(const EgressStream&) = delete;
  ~EgressStream() override;

  // Once. Both events are set when it is not pending any more, readable only if it failed.
  void connect(const io::SocketAddress& target);
  bool pending() const noexcept { return pending_; }
  // kConnrefused, kTimedout, kHostunreach, kNobufs (the host has no sockets left) ...
  Errno connect_result() const noexcept { return connect_result_; }

  ErrnoResult<std::size_t> read(std::span<const MutableByteSpan> buffers, bool peek) override;
  ErrnoResult<std::size_t> write(std::span<const ByteSpan> buffers) override;
  void shutdown_write() noexcept override;
  void shutdown_read() noexcept override;
  void reset() noexcept override;
  Readiness read_readiness() const noexcept override;
  Readiness write_readiness() const noexcept override;
  void set_options(const SocketOptions& options) noexcept override;
  Errno take_error() noexcept override;
  bool peer_closed() const noexcept override { return broken_; }
  bool was_reset() const noexcept override { return broken_; }
  io::SocketAddress local_address() const override;
  io::SocketAddress peer_address() const override { return peer_; }

 private:
  // Calls a member function from the loop when an event of the stream is set.
  class Wake final : public io::QueuedWork {
   public:
    using Function = void (EgressStream::*)();
    Wake(EgressStream& owner, Function function) noexcept
        : QueuedWork(&Wake::run), owner_(owner), function_(function) {}

   private:
    static void run(io::QueuedWork& work) noexcept {
      auto& self = static_cast<Wake&>(work);
      (self.owner_.*self.function_)();
    }
    EgressStream& owner_;
    Function function_;
  };

  io::Task<> run_connect();
  void connected(std::unique_ptr<io::Stream> stream);
  // Reads ahead until nothing is there or the buffer is full.
  void receive();
  bool receive_some();
  void can_send() { events_->writable.set(); }
  // The connection is good for nothing any more; `error` is told once.
  void fail(Errno error) noexcept;
  bool hung_up() const noexcept;
  bool can_read() const noexcept;
  void update_readable() noexcept;

  std::shared_ptr<LoopbackState> state_;
  std::shared_ptr<SocketEvents> events_;
  EgressNetwork::Slot slot_;
  io::SocketAddress peer_;
  std::size_t buffer_bytes_max_;
  io::StreamOptions stream_options_;
  bool pending_ = true;
  Errno connect_result_ = Errno::kSuccess;
  ByteRing incoming_;
  Errno error_ = Errno::kSuccess;
  bool finished_ = false;  // the peer has finished writing
  bool broken_ = false;
  bool read_shut_ = false;
  bool write_shut_ = false;
  std::unique_ptr<io::Stream> stream_;
  Wake receive_{*this, &EgressStream::receive};
  Wake can_send_{*this, &EgressStream::can_send};
  // Last: its task uses the rest.
  io::TaskScope connecting_;
};

}  // namespace selvedge::wasix::internal
