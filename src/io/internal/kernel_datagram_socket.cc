#include "io/internal/kernel_datagram_socket.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "io/internal/kernel_stream.h"
#include "io/internal/system_error.h"

namespace selvedge::io::internal {
namespace {

// Errors that an earlier datagram caused at its destination (udp(7)): not of this call.
bool is_of_earlier_datagram(int error_number) noexcept {
  return error_number == ECONNREFUSED || error_number == EHOSTUNREACH ||
         error_number == ENETUNREACH || error_number == EINTR;
}

std::unexpected<Error> closed_error() {
  return fail(ErrorKind::kDisconnected, "the datagram socket is closed");
}

}  // namespace

Result<std::unique_ptr<DatagramSocket>> KernelDatagramSocket::create(KernelReactor& reactor,
                                                                     base::UniqueFd fd) {
  auto socket = std::make_unique<KernelDatagramSocket>(Private(), reactor, std::move(fd));
  SELVEDGE_TRY_VOID(reactor.add(socket->fd_.get(), *socket));
  return socket;
}

KernelDatagramSocket::KernelDatagramSocket(Private, KernelReactor& reactor, base::UniqueFd fd)
    : reactor_(reactor),
      fd_(std::move(fd)),
      batch_(std::make_unique<Batch>()),
      readable_(reactor),
      writable_(reactor) {
  readable_.set();
  writable_.set();
}

KernelDatagramSocket::~KernelDatagramSocket() { release_descriptor(); }

void KernelDatagramSocket::release_descriptor() noexcept {
  if (fd_) {
    reactor_.remove(fd_.get());
    fd_.reset();
  }
}

void KernelDatagramSocket::on_kernel_events(std::uint32_t events) noexcept {
  if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) {
    readable_.set();
  }
  if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) {
    writable_.set();
  }
}

Attempt KernelDatagramSocket::try_receive(std::span<ReceivedDatagram> slots) {
  if (!readable_.is_set() || !reactor_.spend_inline_operation()) {
    return std::nullopt;
  }
  if (!fd_) {
    return closed_error();
  }
  const std::size_t count_max = std::min(slots.size(), kBatchMax);
  Batch& batch = *batch_;
  for (std::size_t i = 0; i < count_max; ++i) {
    batch.vectors[i] = {.iov_base = slots[i].buffer.data(), .iov_len = slots[i].buffer.size()};
    batch.messages[i] = {};
    msghdr& header = batch.messages[i].msg_hdr;
    header.msg_name = batch.addresses[i].data();
    header.msg_namelen = sizeof(batch.addresses[i].storage);
    header.msg_iov = &batch.vectors[i];
    header.msg_iovlen = 1;
  }
  for (int skipped = 0; skipped < kSkippedMax; ++skipped) {
    const int count =
        ::recvmmsg(fd_.get(), batch.messages.data(), static_cast<unsigned>(count_max), 0, nullptr);
    if (count < 0) {
      if (errno == EAGAIN) {
        readable_.reset();
        return std::nullopt;
      }
      if (is_of_earlier_datagram(errno)) {
        continue;
      }
      return fail(error_from_errno(errno, "receive datagrams"));
    }
    const auto received = static_cast<std::size_t>(count);
    for (std::size_t i = 0; i < received; ++i) {
      const msghdr& header = batch.messages[i].msg_hdr;
      batch.addresses[i].length = header.msg_namelen;
      slots[i].size = batch.messages[i].msg_len;
      slots[i].truncated = (header.msg_flags & MSG_TRUNC) != 0;
      slots[i].peer = batch.addresses[i].to_socket_address();
    }
    if (received < count_max) {
      readable_.reset();  // the queue is empty: what comes later brings an edge
    }
    return received;
  }
  return std::nullopt;
}

Attempt KernelDatagramSocket::try_send(std::span<const OutgoingDatagram> datagrams) {
  if (!writable_.is_set() || !reactor_.spend_inline_operation()) {
    return std::nullopt;
  }
  if (!fd_) {
    return closed_error();
  }
  const std::size_t count_max = std::min(datagrams.size(), kBatchMax);
  Batch& batch = *batch_;
  for (std::size_t i = 0; i < count_max; ++i) {
    // The kernel only reads; iovec serves both directions.
    batch.vectors[i] = {.iov_base = const_cast<std::byte*>(datagrams[i].payload.data()),
                        .iov_len = datagrams[i].payload.size()};
    batch.addresses[i] = KernelAddress::from(datagrams[i].peer);
    batch.messages[i] = {};
    msghdr& header = batch.messages[i].msg_hdr;
    header.msg_name = batch.addresses[i].data();
    header.msg_namelen = batch.addresses[i].length;
    header.msg_iov = &batch.vectors[i];
    header.msg_iovlen = 1;
  }
  for (int skipped = 0; skipped < kSkippedMax; ++skipped) {
    const int count = ::sendmmsg(fd_.get(), batch.messages.data(), static_cast<unsigned>(count_max),
                                 MSG_NOSIGNAL);
    if (count >= 0) {
      return static_cast<std::size_t>(count);
    }
    if (errno == EAGAIN) {
      writable_.reset();
      return std::nullopt;
    }
    if (!is_of_earlier_datagram(errno)) {
      break;
    }
  }
  return fail(error_from_errno(errno, "send a datagram to " + datagrams[0].peer.to_string()));
}

void KernelDatagramSocket::close() noexcept {
  release_descriptor();
  readable_.set();
  writable_.set();
}

SocketAddress KernelDatagramSocket::local_address() const { return local_address_of(fd_.get()); }

}  // namespace selvedge::io::internal
