#include "io/internal/kernel_stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/assert.h"
#include "io/internal/kernel_address.h"
#include "io/internal/system_error.h"

namespace selvedge::io::internal {
namespace {

// A few system calls restart after EINTR; non-blocking ones hardly ever see it.
template <class Call>
auto retry_interrupted(Call call) noexcept {
  auto result = call();
  while (result < 0 && errno == EINTR) {
    result = call();
  }
  return result;
}

[[gnu::cold]] std::unexpected<Error> closed_error() {
  return fail(ErrorKind::kDisconnected, "the stream is closed");
}

ssize_t send_pieces(int fd, std::span<const ByteSpan> pieces) noexcept {
  if (pieces.size() == 1) {
    return ::send(fd, pieces[0].data(), pieces[0].size(), MSG_NOSIGNAL);
  }
  std::array<iovec, Stream::kWritePiecesMax> vectors [[clang::uninitialized]];
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    // The kernel only reads; iovec serves both directions.
    vectors[i] = {.iov_base = const_cast<std::byte*>(pieces[i].data()),
                  .iov_len = pieces[i].size()};
  }
  msghdr message{};
  message.msg_iov = vectors.data();
  message.msg_iovlen = pieces.size();
  return ::sendmsg(fd, &message, MSG_NOSIGNAL);
}

}  // namespace

SocketAddress local_address_of(int fd) {
  KernelAddress address = KernelAddress::empty();
  if (fd < 0 || ::getsockname(fd, address.data(), &address.length) != 0) {
    return {};
  }
  return address.to_socket_address();
}

KernelStream::KernelStream(KernelReactor& reactor, base::UniqueFd fd, SocketAddress peer,
                           State state) noexcept
    : reactor_(reactor),
      fd_(std::move(fd)),
      readable_(reactor),
      writable_(reactor),
      peer_(std::move(peer)) {
  if (state == State::kConnected) {
    readable_.set();
    writable_.set();
  }
}

KernelStream::~KernelStream() { release_descriptor(); }

void KernelStream::release_descriptor() noexcept {
  if (std::exchange(watched_, false)) {
    // Closing alone would do, unless another process holds a copy of the descriptor.
    reactor_.remove(fd_.get());
  }
  fd_.reset();
}

Result<> KernelStream::watch() {
  if (!watched_) {
    SELVEDGE_TRY_VOID(reactor_.add(fd_.get(), *this));
    watched_ = true;
  }
  return {};
}

void KernelStream::on_kernel_events(std::uint32_t events) noexcept {
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
    read_ended_ = true;
  }
  if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
    hung_up_ = true;
  }
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
    readable_.set();
  }
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) {
    writable_.set();
  }
}

Attempt KernelStream::would_block(Event& event) {
  event.reset();
  SELVEDGE_TRY_VOID(watch());
  return std::nullopt;
}

Attempt KernelStream::try_read(MutableByteSpan buffer) {
  SELVEDGE_DCHECK(!buffer.empty());
  if (!readable_.is_set() || !reactor_.spend_inline_operation()) {
    return std::nullopt;
  }
  if (!fd_) [[unlikely]] {
    return closed_error();
  }
  const ssize_t count =
      retry_interrupted([&] { return ::recv(fd_.get(), buffer.data(), buffer.size(), 0); });
  if (count < 0) [[unlikely]] {
    if (errno == EAGAIN) {
      return would_block(readable_);
    }
    return fail(error_from_errno(errno, "read from the connection"));
  }
  const auto received = static_cast<std::size_t>(count);
  if (received == 0) [[unlikely]] {
    SELVEDGE_TRY_VOID(watch());  // for hung_up()
  } else if (received < buffer.size() && watched_ && !read_ended_) {
    readable_.reset();
  }
  return received;
}

Attempt KernelStream::try_write(std::span<const ByteSpan> pieces) {
  SELVEDGE_DCHECK(pieces.size() <= kWritePiecesMax);
  if (!writable_.is_set() || !reactor_.spend_inline_operation()) {
    return std::nullopt;
  }
  if (!fd_ || write_shut_down_) [[unlikely]] {
    return closed_error();
  }
  if (pieces.empty()) [[unlikely]] {
    return std::size_t{0};
  }
  const ssize_t count = retry_interrupted([&] { return send_pieces(fd_.get(), pieces); });
  if (count < 0) [[unlikely]] {
    if (errno == EAGAIN) {
      return would_block(writable_);
    }
    return fail(error_from_errno(errno, "write to the connection"));
  }
  return static_cast<std::size_t>(count);
}

Result<> KernelStream::shutdown_write() {
  if (!fd_) {
    return closed_error();
  }
  if (!std::exchange(write_shut_down_, true)) {
    writable_.set();
    if (::shutdown(fd_.get(), SHUT_WR) != 0) {
      return fail(error_from_errno(errno, "shut the connection down"));
    }
  }
  return {};
}

void KernelStream::close() noexcept {
  release_descriptor();
  readable_.set();
  writable_.set();
}

void KernelStream::abort() noexcept {
  if (fd_) {
    const linger reset_on_close{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &reset_on_close, sizeof(reset_on_close));
  }
  close();
}

void KernelStream::set_options(const StreamOptions& options) noexcept {
  if (!fd_ || peer_.is_unix()) {
    return;
  }
  const int no_delay = options.no_delay ? 1 : 0;
  const int keep_alive = options.keep_alive ? 1 : 0;
  ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &no_delay, sizeof(no_delay));
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_KEEPALIVE, &keep_alive, sizeof(keep_alive));
  if (options.time_to_live) {
    set_hops(fd_.get(), peer_.ip(), *options.time_to_live);
  }
}

SocketAddress KernelStream::local_address() const { return local_address_of(fd_.get()); }

std::optional<UnixPeer> KernelStream::unix_peer() const {
  ucred credentials{};
  socklen_t length = sizeof(credentials);
  if (!fd_ || !peer_.is_unix() ||
      ::getsockopt(fd_.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) {
    return std::nullopt;
  }
  return UnixPeer{.process = credentials.pid, .user = credentials.uid};
}

Result<> KernelStream::finish_connect() {
  int error_number = 0;
  socklen_t length = sizeof(error_number);
  if (!fd_ || ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error_number, &length) != 0) {
    return closed_error();
  }
  if (error_number != 0) {
    return fail(connect_error(error_number, peer_));
  }
  // Nothing can have been read yet, so an attempt is worth it whatever the first edge said.
  readable_.set();
  return {};
}

}  // namespace selvedge::io::internal
