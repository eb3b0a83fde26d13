#include "io/standard_stream.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/assert.h"
#include "base/format.h"
#include "io/internal/system_error.h"

namespace selvedge::io {
namespace {

enum class Access {
  kNonBlocking,  // a description of our own, O_NONBLOCK
  kSocket,       // MSG_DONTWAIT
  kAlwaysReady,  // regular files and the like: never blocks for long
  kPolled,       // shared and blocking: ask poll(2) first
};

class StandardStream final : public Stream, private KernelReactor::Source {
 public:
  StandardStream(KernelReactor& reactor, int fd, base::UniqueFd owned, Access access,
                 StandardDirection direction) noexcept
      : reactor_(reactor),
        fd_(fd),
        owned_(std::move(owned)),
        access_(access),
        direction_(direction),
        readable_(reactor),
        writable_(reactor) {
    readable_.set();
    writable_.set();
  }
  ~StandardStream() override { release(); }

  Attempt try_read(MutableByteSpan buffer) override {
    if (direction_ != StandardDirection::kRead) {
      return fail(ErrorKind::kInvalid, "the descriptor is not open for reading");
    }
    return attempt(readable_, POLLIN, [&]() noexcept -> ssize_t {
      return access_ == Access::kSocket ? ::recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT)
                                        : ::read(fd_, buffer.data(), buffer.size());
    });
  }

  Attempt try_write(std::span<const ByteSpan> pieces) override {
    if (direction_ != StandardDirection::kWrite || write_shut_down_) {
      return fail(ErrorKind::kDisconnected, "the descriptor is not open for writing");
    }
    for (ByteSpan piece : pieces) {
      if (!piece.empty()) {
        return write_piece(piece);
      }
    }
    return std::size_t{0};
  }

  Event& readable() noexcept override { return readable_; }
  Event& writable() noexcept override { return writable_; }
  bool check_readable() noexcept override { return check(readable_, POLLIN); }
  bool check_writable() noexcept override { return check(writable_, POLLOUT); }
  Result<> shutdown_write() override {
    write_shut_down_ = true;
    return {};
  }
  void close() noexcept override {
    release();
    closed_ = true;
    readable_.set();
    writable_.set();
  }
  int system_error() const noexcept override { return system_error_; }
  SocketAddress local_address() const override { return {}; }
  SocketAddress peer_address() const override { return {}; }

 private:
  void on_kernel_events(std::uint32_t events) noexcept override {
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
      readable_.set();
    }
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) {
      writable_.set();
    }
  }

  bool check(Event& event, short poll_events) noexcept {
    if (event.is_set() && !closed_ && access_ != Access::kAlwaysReady && !polls(poll_events)) {
      // Where it cannot be watched, an attempt tells why.
      static_cast<void>(wait_for(event));
    }
    return event.is_set();
  }

  // Whether the kernel has something to say: that it is possible, an end or an error.
  bool polls(short events) const noexcept {
    pollfd request{.fd = fd_, .events = events, .revents = 0};
    return ::poll(&request, 1, 0) != 0;
  }

  Attempt write_piece(ByteSpan piece) {
    if (access_ == Access::kPolled) {
      piece = piece.first(std::min(piece.size(), kPolledWriteBytesMax));
    }
    return attempt(writable_, POLLOUT, [&]() noexcept -> ssize_t {
      return access_ == Access::kSocket
                 ? ::send(fd_, piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
                 : ::write(fd_, piece.data(), piece.size());
    });
  }

  template <class Call>
  Attempt attempt(Event& event, short poll_events, Call call) {
    if (!event.is_set() || !reactor_.spend_inline_operation()) {
      return std::nullopt;
    }
    if (closed_) {
      system_error_ = 0;
      return fail(ErrorKind::kDisconnected, "the stream is closed");
    }
    if (access_ == Access::kPolled && !polls(poll_events)) {
      return wait_for(event);
    }
    ssize_t count = call();
    while (count < 0 && errno == EINTR) {
      count = call();
    }
    if (count >= 0) {
      return static_cast<std::size_t>(count);
    }
    if (errno == EAGAIN && access_ != Access::kAlwaysReady) {
      return wait_for(event);
    }
    system_error_ = errno;
    if (errno == EIO) {
      return fail(ErrorKind::kDisconnected, "the terminal is gone");
    }
    return fail(internal::error_from_errno(
        errno, direction_ == StandardDirection::kRead ? "read standard input" : "write output"));
  }

  Attempt wait_for(Event& event) {
    event.reset();
    if (!watched_) {
      SELVEDGE_TRY_VOID(reactor_.add(fd_, *this));
      watched_ = true;
    }
    return std::nullopt;
  }

  void release() noexcept {
    if (std::exchange(watched_, false)) {
      reactor_.remove(fd_);
    }
    owned_.reset();
  }

  KernelReactor& reactor_;
  int fd_;                // what is read and written
  base::UniqueFd owned_;  // the same, when it is our own
  Access access_;
  StandardDirection direction_;
  bool watched_ = false;
  bool closed_ = false;
  bool write_shut_down_ = false;
  int system_error_ = 0;
  Event readable_;
  Event writable_;
};

// Whether epoll takes the descriptor: files that are always ready are refused with EPERM.
bool can_be_watched(int fd) noexcept {
  const base::UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
  return epoll && ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

// Opening /dev/ptmx makes a new terminal: its controlling side cannot be opened anew.
bool is_terminal_multiplexer(const struct stat& status) noexcept {
  constexpr unsigned kTtyAuxiliaryMajor = 5;
  constexpr unsigned kMultiplexerMinor = 2;
  return S_ISCHR(status.st_mode) && major(status.st_rdev) == kTtyAuxiliaryMajor &&
         minor(status.st_rdev) == kMultiplexerMinor;
}

base::UniqueFd open_anew(int fd, StandardDirection direction) {
  const int mode = direction == StandardDirection::kRead ? O_RDONLY : O_WRONLY;
  const std::string path = fmt::format("/proc/self/fd/{}", fd);
  return base::UniqueFd(::open(path.c_str(), mode | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
}

}  // namespace

Result<std::unique_ptr<Stream>> open_standard_stream(KernelReactor& reactor, int fd,
                                                     StandardDirection direction) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) {
    return fail(internal::error_from_errno(errno, fmt::format("use descriptor {}", fd)));
  }
  const int mode = flags & O_ACCMODE;
  const int needed = direction == StandardDirection::kRead ? O_RDONLY : O_WRONLY;
  if (mode != O_RDWR && mode != needed) {
    return fail_format(ErrorKind::kInvalid, "descriptor {} is not open for {}", fd,
                       direction == StandardDirection::kRead ? "reading" : "writing");
  }
  struct stat status{};
  if (::fstat(fd, &status) != 0) {
    return fail(internal::error_from_errno(errno, fmt::format("inspect descriptor {}", fd)));
  }
  Access access = Access::kPolled;
  base::UniqueFd owned;
  if (S_ISSOCK(status.st_mode)) {
    access = Access::kSocket;
  } else if (!can_be_watched(fd)) {
    access = Access::kAlwaysReady;
  } else if (!is_terminal_multiplexer(status) && (S_ISFIFO(status.st_mode) || ::isatty(fd) == 1)) {
    owned = open_anew(fd, direction);
    access = owned ? Access::kNonBlocking : Access::kPolled;
  }
  const int used = owned ? owned.get() : fd;
  return std::make_unique<StandardStream>(reactor, used, std::move(owned), access, direction);
}

}  // namespace selvedge::io
