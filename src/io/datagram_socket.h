#pragma once

// UDP sockets, in batches: one system call moves up to kBatchMax datagrams.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "io/stream.h"

namespace selvedge::io {

// A buffer to receive one datagram into, and what came.
struct ReceivedDatagram {
  MutableByteSpan buffer;  // set by the caller; a longer datagram is cut
  std::size_t size = 0;    // bytes received
  bool truncated = false;  // the datagram did not fit
  SocketAddress peer{};    // its sender
};

struct OutgoingDatagram {
  ByteSpan payload;
  SocketAddress peer{};  // its destination
};

// One reactor's thread. Destroying it closes it; no task may wait for it then.
class DatagramSocket {
 public:
  static constexpr std::size_t kBatchMax = 64;
  // The largest payload that IPv4 can carry (RFC 768: 65,535 - 20 - 8).
  static constexpr std::size_t kPayloadBytesMax = 65'507;

  virtual ~DatagramSocket() = default;

  // Receives into slots[0], slots[1], ...; how many arrived (at least 1), or nullopt: none now. At
  // most kBatchMax slots are used. Errors that ICMP reported are skipped. kDisconnected after
  // close().
  virtual Attempt try_receive(std::span<ReceivedDatagram> slots) = 0;
  // Sends slots[0], slots[1], ...; how many were taken (at least 1), or nullopt: no room now. The
  // first one's failure is the error: kInvalid (too large), kDisconnected (unreachable), kDenied.
  virtual Attempt try_send(std::span<const OutgoingDatagram> slots) = 0;

  // To whom a datagram went that nobody takes there (ICMP's "port unreachable"); nullopt: none told
  // of. Only with DatagramOptions::report_refusals; readable() is set when there is one. Anybody on
  // the way can make one up.
  virtual std::optional<SocketAddress> take_refused_peer() { return std::nullopt; }
  // Routers that what is sent from now on passes at most, 1 to 255. Best effort.
  virtual void set_time_to_live(std::uint8_t /*hops*/) noexcept {}

  virtual Event& readable() noexcept [[clang::lifetimebound]] = 0;
  virtual Event& writable() noexcept [[clang::lifetimebound]] = 0;
  virtual void close() noexcept = 0;
  virtual SocketAddress local_address() const = 0;

  // Waits for at least one datagram.
  Task<std::size_t> receive(std::span<ReceivedDatagram> slots,
                            Deadline deadline = Deadline::never());
  // Waits for room and sends one datagram.
  Task<> send(ByteSpan payload, SocketAddress to, Deadline deadline = Deadline::never());
};

}  // namespace selvedge::io
