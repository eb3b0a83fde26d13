#include "io/datagram_socket.h"

namespace selvedge::io {

Task<std::size_t> DatagramSocket::receive(std::span<ReceivedDatagram> slots, Deadline deadline) {
  for (;;) {
    SELVEDGE_CO_TRY(const std::optional<std::size_t> count, try_receive(slots));
    if (count) {
      co_return *count;
    }
    SELVEDGE_CO_TRY_VOID(co_await readable().wait(deadline));
  }
}

Task<> DatagramSocket::send(ByteSpan payload, SocketAddress to, Deadline deadline) {
  const OutgoingDatagram datagram{.payload = payload, .peer = std::move(to)};
  for (;;) {
    SELVEDGE_CO_TRY(const std::optional<std::size_t> count, try_send(std::span(&datagram, 1)));
    if (count) {
      co_return {};
    }
    SELVEDGE_CO_TRY_VOID(co_await writable().wait(deadline));
  }
}

}  // namespace selvedge::io
