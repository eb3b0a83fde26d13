#include "io/internal/kernel_datagram_socket.h"

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
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

// Room for the record of an error with the address of who reported it.
constexpr std::size_t kErrorBytes = 512;

bool is_refusal(const cmsghdr& part) noexcept {
  const bool is_error = (part.cmsg_level == IPPROTO_IP && part.cmsg_type == IP_RECVERR) ||
                        (part.cmsg_level == IPPROTO_IPV6 && part.cmsg_type == IPV6_RECVERR);
  if (!is_error || part.cmsg_len < CMSG_LEN(sizeof(sock_extended_err))) {
    return false;
  }
  sock_extended_err error;
  std::memcpy(&error, CMSG_DATA(&part), sizeof(error));
  const bool from_network =
      error.ee_origin == SO_EE_ORIGIN_ICMP || error.ee_origin == SO_EE_ORIGIN_ICMP6;
  return from_network && error.ee_errno == ECONNREFUSED;
}

std::unexpected<Error> closed_error() {
  return fail(ErrorKind::kDisconnected, "the datagram socket is closed");
}

}  // namespace

Result<std::unique_ptr<DatagramSocket>> KernelDatagramSocket::create(KernelReactor& reactor,
                                                                     base::UniqueFd fd,
                                                                     const IpAddress& of_family) {
  auto socket =
      std::make_unique<KernelDatagramSocket>(Private(), reactor, std::move(fd), of_family);
  SELVEDGE_TRY_VOID(reactor.add(socket->fd_.get(), *socket));
  return socket;
}

KernelDatagramSocket::KernelDatagramSocket(Private, KernelReactor& reactor, base::UniqueFd fd,
                                           const IpAddress& of_family)
    : reactor_(reactor),
      fd_(std::move(fd)),
      of_family_(of_family),
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

// The queue of errors keeps for each the destination of the datagram that caused it (ip(7)).
std::optional<SocketAddress> KernelDatagramSocket::take_refused_peer() {
  for (int skipped = 0; fd_ && skipped < kSkippedMax; ++skipped) {
    alignas(cmsghdr) std::array<std::byte, kErrorBytes> control;
    KernelAddress destination = KernelAddress::empty();
    msghdr header{};
    header.msg_name = destination.data();
    header.msg_namelen = sizeof(destination.storage);
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    if (::recvmsg(fd_.get(), &header, MSG_ERRQUEUE) < 0) {
      return std::nullopt;
    }
    destination.length = header.msg_namelen;
    for (const cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr;
         part = CMSG_NXTHDR(&header, const_cast<cmsghdr*>(part))) {
      if (is_refusal(*part)) {
        return destination.to_socket_address();
      }
    }
  }
  return std::nullopt;
}

void KernelDatagramSocket::set_time_to_live(std::uint8_t hops) noexcept {
  if (fd_) {
    set_hops(fd_.get(), of_family_, hops);
  }
}

void KernelDatagramSocket::close() noexcept {
  release_descriptor();
  readable_.set();
  writable_.set();
}

SocketAddress KernelDatagramSocket::local_address() const { return local_address_of(fd_.get()); }

}  // namespace selvedge::io::internal
