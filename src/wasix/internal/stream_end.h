#pragma once

// One end of a connection in memory: what a connected stream socket, the host's stream and a
// connection that waits to be accepted have in common.
//
// Each end holds the bytes that came to it. What one direction holds at most is the receiver's
// buffer and the sender's together, as with a connection through a kernel; a writer that filled it
// is told to go on when half of it is free.

#include <cstddef>
#include <memory>
#include <optional>
#include <span>

#include "io/socket_address.h"
#include "wasix/handle.h"
#include "wasix/internal/byte_ring.h"
#include "wasix/internal/connection.h"
#include "wasix/internal/loopback_state.h"
#include "wasix/internal/socket_events.h"

namespace selvedge::wasix::internal {

struct BufferSizes {
  std::size_t receive;
  std::size_t send;

  static BufferSizes of(const SocketOptions& options) noexcept {
    return {.receive = static_cast<std::size_t>(options.receive_buffer_bytes),
            .send = static_cast<std::size_t>(options.send_buffer_bytes)};
  }
};

// Owned by whoever uses the end; the two ends know each other until the first one goes.
class StreamEnd final : public Connection {
 public:
  StreamEnd(std::shared_ptr<LoopbackState> state, std::shared_ptr<SocketEvents> events,
            BufferSizes sizes);
  StreamEnd(const StreamEnd&) = delete;
  StreamEnd& operator=(const StreamEnd&) = delete;
  ~StreamEnd() override { close(); }

  // Makes the two the ends of one connection, with the first one's addresses mirrored.
  static void join(StreamEnd& one, StreamEnd& other, const io::SocketAddress& local,
                   const io::SocketAddress& peer);

  // Ends both directions, as destroying it does.
  void close() noexcept { close(incoming_.size() > 0); }

  // ---- Connection ----
  ErrnoResult<std::size_t> read(std::span<const MutableByteSpan> buffers, bool peek) override;
  ErrnoResult<std::size_t> write(std::span<const ByteSpan> buffers) override;
  void shutdown_write() noexcept override;
  // As on Linux: the peer of a TCP connection is not told and writes on; what it writes can be
  // read. A unix socket's peer cannot write any more (kPipe).
  void shutdown_read() noexcept override;
  void reset() noexcept override { close(true); }
  Readiness read_readiness() const noexcept override;
  Readiness write_readiness() const noexcept override;
  void set_options(const SocketOptions& options) noexcept override;
  Errno take_error() noexcept override;
  bool peer_closed() const noexcept override { return peer_ == nullptr; }
  bool was_reset() const noexcept override { return was_reset_; }
  io::SocketAddress local_address() const override { return local_; }
  io::SocketAddress peer_address() const override { return peer_at_; }

  const std::shared_ptr<SocketEvents>& events() const noexcept [[clang::lifetimebound]] {
    return events_;
  }

  // The end's place among the network's sockets, until a socket that has one of its own owns it.
  std::optional<SocketSlot> slot;

 private:
  void close(bool reset) noexcept;
  void peer_left(bool reset) noexcept;
  bool is_unix() const noexcept { return local_.is_unix(); }
  bool receives() const noexcept { return !finished_ && !read_shut_; }
  bool hung_up() const noexcept;
  bool can_read() const noexcept;
  bool cannot_deliver() const noexcept;
  std::size_t capacity() const noexcept;
  std::size_t room() const noexcept;
  void update_readable() noexcept;
  void update_writable() noexcept;

  std::shared_ptr<LoopbackState> state_;
  std::shared_ptr<SocketEvents> events_;
  BufferSizes sizes_;
  io::SocketAddress local_;
  io::SocketAddress peer_at_;
  StreamEnd* peer_ = nullptr;
  ByteRing incoming_;
  Errno error_ = Errno::kSuccess;
  bool finished_ = false;  // nothing comes after incoming_
  bool read_shut_ = false;
  bool write_shut_ = false;
  bool was_reset_ = false;
  bool found_closed_ = false;  // by writing to a peer that has closed
  bool closed_ = false;
};

}  // namespace selvedge::wasix::internal
