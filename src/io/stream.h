#pragma once

// Byte streams: TCP and unix connections, terminals, pipes, and their simulated twins.
//
// The interface is readiness based. An implementation provides attempts that never wait (try_read,
// try_write) and two events that tell when an attempt is worth making again; everything that waits
// is built from those. The hot path of a server is therefore free of allocations:
//
//   for (;;) {
//     SELVEDGE_CO_TRY(const std::optional<std::size_t> count, stream.try_read(buffer));
//     if (count) { ...; break; }
//     SELVEDGE_CO_TRY_VOID(co_await stream.readable().wait(deadline));
//   }
//
// Backpressure: a stream accepts only as much as its buffer (the kernel's, for sockets) holds.
// write_all() waits for room, so a slow peer slows its writer down and nothing piles up.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "base/result.h"
#include "io/deadline.h"
#include "io/event.h"
#include "io/socket_address.h"
#include "io/task.h"

namespace selvedge::io {

using base::ByteSpan;
using base::MutableByteSpan;

// A number of bytes, or nullopt: nothing possible now, wait for the event.
using Attempt = Result<std::optional<std::size_t>>;

// TCP's. Streams of other kinds neither delay nor probe, so they have no use for them.
struct StreamOptions {
  bool no_delay = true;
  bool keep_alive = false;
  // Routers that a packet passes at most, 1 to 255; nullopt leaves what it is.
  std::optional<std::uint8_t> time_to_live = std::nullopt;
};

// A process of this machine, as the kernel saw it when it connected.
struct UnixPeer {
  std::int64_t process = 0;
  std::uint32_t user = 0;
  friend bool operator==(const UnixPeer&, const UnixPeer&) noexcept = default;
};

// One reactor's thread. One reader and one writer at a time; they may be different tasks.
// Destroying a stream closes it; no task may wait for it then.
class Stream {
 public:
  // Pieces of one gathered write at most.
  static constexpr std::size_t kWritePiecesMax = 16;

  virtual ~Stream() = default;

  // Reads what is there, up to buffer.size() > 0 bytes. 0: the peer has finished writing (and again
  // at every further call). kDisconnected: the connection broke, or close() was called.
  virtual Attempt try_read(MutableByteSpan buffer) = 0;
  // Writes a prefix of the pieces, taken as one sequence of bytes; how many bytes were taken, more
  // than 0 unless all pieces are empty. At most kWritePiecesMax pieces. kDisconnected: the peer
  // does not read any more, or close() or shutdown_write() was called.
  virtual Attempt try_write(std::span<const ByteSpan> pieces) = 0;
  Attempt try_write(ByteSpan bytes) { return try_write(std::span(&bytes, 1)); }

  // Set while try_read, or try_write, is worth trying. An attempt that yields nullopt resets it, or
  // leaves it set when only the running task's turn is over (Reactor::spend_inline_operation): in
  // both cases wait() is what to do next.
  virtual Event& readable() noexcept [[clang::lifetimebound]] = 0;
  virtual Event& writable() noexcept [[clang::lifetimebound]] = 0;

  // Whether an attempt would not wait, for who only asks and does not try: what the event says is
  // also that nobody has tried yet. When it would, the event is reset, to be set as soon as it is
  // worth trying. Default: what the event says.
  virtual bool check_readable() noexcept { return readable().is_set(); }
  virtual bool check_writable() noexcept { return writable().is_set(); }

  // Tells the peer that nothing more will be written; reading goes on. Idempotent. Sockets do it at
  // once: write_all has handed everything to the kernel before.
  virtual Result<> shutdown_write() = 0;
  // Ends both directions now. Tasks that wait for the stream are resumed with kDisconnected. What
  // the kernel took is still delivered, unless data from the peer was left unread (TCP then
  // resets). Idempotent.
  virtual void close() noexcept = 0;
  // Whether the connection is known to carry nothing more in either direction: it was reset, or the
  // peer has closed both ways. A peer that has only finished writing is still there. readable() is
  // set anew when this becomes true, though not before an attempt has met the end or nullopt.
  virtual bool hung_up() const noexcept { return false; }
  // The errno of the last attempt that failed; 0: it was not a system call that failed, or is not
  // known.
  virtual int system_error() const noexcept { return 0; }
  // Ends both directions so that the peer sees a reset (TCP RST) instead of an orderly end: for a
  // response that must not look complete. Default: close().
  virtual void abort() noexcept { close(); }

  // Best effort: a connection that has ended keeps what it had.
  virtual void set_options(const StreamOptions& /*options*/) noexcept {}

  virtual SocketAddress local_address() const = 0;
  virtual SocketAddress peer_address() const = 0;
  // Who made the connection, of unix sockets.
  virtual std::optional<UnixPeer> unix_peer() const { return std::nullopt; }
  // Whether nobody between the two ends can read or change what passes (TLS).
  virtual bool is_encrypted() const noexcept { return false; }

  // ---- Built from the above. Nothing is allocated when the operation completes at once. ----
  // The buffers must stay valid until the task has ended or is destroyed.

  // Waits until there is something to read; 0 at the end. kDisconnected, kTimeout.
  Task<std::size_t> read(MutableByteSpan buffer, Deadline deadline = Deadline::never());
  // Fills the whole buffer; kDisconnected when the stream ends before.
  Task<> read_exactly(MutableByteSpan buffer, Deadline deadline = Deadline::never());
  // Writes everything, waiting for room as often as needed. kDisconnected, kTimeout; then an
  // unknown part was written and the stream is good for nothing but close().
  Task<> write_all(ByteSpan bytes, Deadline deadline = Deadline::never());
  // The same for several pieces in one system call where possible (head and body). At most
  // kWritePiecesMax pieces; the array of pieces itself is copied, the bytes are not.
  Task<> write_all(std::span<const ByteSpan> pieces, Deadline deadline = Deadline::never());
};

// Accepts streams. One reactor's thread; one accepting task. Destroying it stops listening.
class Listener {
 public:
  virtual ~Listener() = default;

  // The next connection, or null: none now, wait for acceptable(). Errors of a single connection
  // attempt are skipped; when the process is out of descriptors the connection is accepted and
  // closed at once, so that its client is told, and counted in shed_count(). kDisconnected after
  // close(); kInternal when the listening socket itself fails.
  virtual Result<std::unique_ptr<Stream>> try_accept() = 0;
  virtual Event& acceptable() noexcept [[clang::lifetimebound]] = 0;
  // Stops listening: connections not accepted yet are refused; a waiting accept() ends with
  // kDisconnected. Idempotent.
  virtual void close() noexcept = 0;
  // Looks for no new connections: accept() yields those that wait already and then ends with
  // kDisconnected. Whoever else listens on the same socket gets the next ones.
  virtual void finish() noexcept { close(); }
  // With the real port when port 0 was asked for.
  virtual SocketAddress local_address() const = 0;
  // Connections closed unserved for want of descriptors.
  virtual std::uint64_t shed_count() const noexcept { return 0; }

  // Waits for the next connection. Errors as try_accept, and kTimeout.
  Task<std::unique_ptr<Stream>> accept(Deadline deadline = Deadline::never());
};

}  // namespace selvedge::io
