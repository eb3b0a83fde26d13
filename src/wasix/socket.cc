#include "wasix/socket.h"

#include <algorithm>
#include <utility>

#include "wasix/internal/mapped_address.h"
#include "wasix/internal/socket_events.h"

namespace selvedge::wasix {

Socket::Socket(AddressFamily family, SockType type, std::shared_ptr<internal::SocketEvents> events)
    : family_(family), type_(type), events_(std::move(events)) {}

Socket::~Socket() = default;

std::uint32_t Socket::protocol() const noexcept {
  if (family_ == AddressFamily::kUnix) {
    return 0;
  }
  return type_ == SockType::kStream ? kProtocolTcp : kProtocolUdp;
}

void Socket::set_options(const SocketOptions& options) {
  options_ = options;
  const auto cut = [](std::uint64_t bytes) {
    return std::clamp(bytes, SocketOptions::kBufferBytesMin, SocketOptions::kBufferBytesMax);
  };
  options_.receive_buffer_bytes = cut(options.receive_buffer_bytes);
  options_.send_buffer_bytes = cut(options.send_buffer_bytes);
  options_changed();
}

Errno Socket::listen(std::uint32_t) { return Errno::kNotsup; }
ErrnoResult<std::shared_ptr<Socket>> Socket::try_accept() { return refuse(Errno::kNotsup); }
Errno Socket::join_multicast(const io::IpAddress&) { return Errno::kNoprotoopt; }
Errno Socket::leave_multicast(const io::IpAddress&) { return Errno::kNoprotoopt; }

Filetype Socket::filetype() const noexcept {
  return type_ == SockType::kStream ? Filetype::kSocketStream : Filetype::kSocketDgram;
}

Rights Socket::rights_base() const noexcept {
  const Rights common = kStreamRights | Rights::kFdRead | Rights::kFdWrite | Rights::kSockShutdown;
  return type_ == SockType::kStream ? common | Rights::kSockAccept : common;
}

ErrnoResult<std::size_t> Socket::try_read(std::span<const MutableByteSpan> buffers) {
  SELVEDGE_TRY_ERRNO(const Received received, try_receive(buffers, {}));
  return received.count;
}

ErrnoResult<std::size_t> Socket::try_write(std::span<const ByteSpan> buffers) {
  return try_send(buffers, nullptr);
}

io::Event* Socket::readable() noexcept { return &events_->readable; }
io::Event* Socket::writable() noexcept { return &events_->writable; }

ErrnoResult<io::SocketAddress> Socket::to_network(const io::SocketAddress& address) const {
  using Family = io::SocketAddress::Family;
  switch (family_) {
    case AddressFamily::kInet4:
      if (address.family() == Family::kIpV4) {
        return address;
      }
      break;
    case AddressFamily::kInet6:
      if (address.family() != Family::kIpV6) {
        break;
      }
      if (const std::optional<io::IpAddress> v4 = internal::unmapped(address.ip())) {
        if (options_.only_v6) {
          return refuse(Errno::kNetunreach);
        }
        return io::SocketAddress(*v4, address.port());
      }
      return io::SocketAddress(address.ip(), address.port());
    case AddressFamily::kUnix:
      if (address.is_unix()) {
        return address;
      }
      break;
    case AddressFamily::kUnspec:
      break;
  }
  return refuse(Errno::kAfnosupport);
}

io::SocketAddress Socket::to_guest(const io::SocketAddress& address) const {
  if (family_ == AddressFamily::kInet6 && address.family() == io::SocketAddress::Family::kIpV4) {
    return {internal::mapped(address.ip()), address.port()};
  }
  return address;
}

io::SocketAddress Socket::unbound_address() const {
  switch (family_) {
    case AddressFamily::kInet6:
      return {io::IpAddress::any_v6(), 0};
    case AddressFamily::kUnix:
      return io::SocketAddress::unix_path("").value_or(io::SocketAddress());
    case AddressFamily::kInet4:
    case AddressFamily::kUnspec:
      break;
  }
  return {};
}

}  // namespace selvedge::wasix
