#pragma once

// What carries the bytes of a connected stream socket: a connection in memory, or one of the host.
// Its owner has the two events (SocketEvents) that tell when reading and writing are worth an
// attempt.

#include <cstddef>
#include <span>

#include "io/socket_address.h"
#include "wasix/socket.h"

namespace selvedge::wasix::internal {

// One shard's thread. Destroying it closes the connection: what was written is still delivered,
// unless unread bytes make it a reset, as TCP says (RFC 1122 section 4.2.2.13).
class Connection {
 public:
  virtual ~Connection() = default;

  // As Handle::try_read and try_write. kConnreset once after the peer's reset, when what came
  // before it is read; then the end. kNobufs: the memory of the workload's network is used up.
  virtual ErrnoResult<std::size_t> read(std::span<const MutableByteSpan> buffers, bool peek) = 0;
  virtual ErrnoResult<std::size_t> write(std::span<const ByteSpan> buffers) = 0;
  // The peer reads to the end of what was written.
  virtual void shutdown_write() noexcept = 0;
  // What came can still be read, and then there is the end.
  virtual void shutdown_read() noexcept = 0;
  // Closes so that the peer sees a reset.
  virtual void reset() noexcept = 0;

  virtual Readiness read_readiness() const noexcept = 0;
  virtual Readiness write_readiness() const noexcept = 0;
  virtual void set_options(const SocketOptions& options) noexcept = 0;
  // The error of a reset that no call has reported yet; taken.
  virtual Errno take_error() noexcept = 0;
  virtual bool peer_closed() const noexcept = 0;
  virtual bool was_reset() const noexcept = 0;
  virtual io::SocketAddress local_address() const = 0;
  virtual io::SocketAddress peer_address() const = 0;
};

}  // namespace selvedge::wasix::internal
