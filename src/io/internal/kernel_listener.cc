#include "io/internal/kernel_listener.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "io/internal/kernel_address.h"
#include "io/internal/kernel_stream.h"
#include "io/internal/system_error.h"

namespace selvedge::io::internal {
namespace {

base::UniqueFd open_reserve() noexcept {
  return base::UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

enum class AcceptFailure {
  kNone,           // the queue is empty
  kConnection,     // this connection is gone; the next may be fine (accept(2), "Error handling")
  kNoDescriptors,  // of the process or the system
  kNoMemory,
  kListener,
};

AcceptFailure classify(int error_number) noexcept {
  switch (error_number) {
    case EAGAIN:
      return AcceptFailure::kNone;
    case EINTR:
    case ECONNABORTED:
    case EPERM:  // firewall rules
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case ETIMEDOUT:
      return AcceptFailure::kConnection;
    case EMFILE:
    case ENFILE:
      return AcceptFailure::kNoDescriptors;
    case ENOBUFS:
    case ENOMEM:
      return AcceptFailure::kNoMemory;
    default:
      return AcceptFailure::kListener;
  }
}

}  // namespace

Result<std::unique_ptr<Listener>> KernelListener::create(KernelReactor& reactor, base::UniqueFd fd,
                                                         Options options) {
  auto listener = std::make_unique<KernelListener>(Private(), reactor, std::move(fd),
                                                   std::move(options.path_to_remove));
  const int number = listener->fd_.get();
  SELVEDGE_TRY_VOID(options.shared ? reactor.add_shared(number, *listener)
                                   : reactor.add(number, *listener));
  return listener;
}

KernelListener::KernelListener(Private, KernelReactor& reactor, base::UniqueFd fd,
                               std::string path_to_remove) noexcept
    : reactor_(reactor),
      fd_(std::move(fd)),
      reserve_(open_reserve()),
      path_to_remove_(std::move(path_to_remove)),
      acceptable_(reactor),
      retry_timer_(acceptable_) {}

KernelListener::~KernelListener() { release_descriptor(); }

void KernelListener::release_descriptor() noexcept {
  if (fd_) {
    reactor_.remove(fd_.get());
    fd_.reset();
    if (!path_to_remove_.empty()) {
      ::unlink(path_to_remove_.c_str());
    }
  }
}

void KernelListener::on_kernel_events(std::uint32_t /*events*/) noexcept { acceptable_.set(); }

void KernelListener::pause() noexcept {
  acceptable_.reset();
  reactor_.timers().arm(retry_timer_, reactor_.now() + kRetryPause);
}

bool KernelListener::shed_one() noexcept {
  if (!reserve_) {
    return false;
  }
  reserve_.reset();
  const base::UniqueFd connection(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (connection) {
    ++shed_count_;
  }
  return static_cast<bool>(connection);
}

Result<std::unique_ptr<Stream>> KernelListener::try_accept() {
  if (!acceptable_.is_set() || !reactor_.spend_inline_operation()) {
    return nullptr;
  }
  if (finishing_ == 0) {
    release_descriptor();
  }
  if (!fd_) {
    return fail(ErrorKind::kDisconnected, "the listener is closed");
  }
  if (!reserve_) {
    reserve_ = open_reserve();
  }
  for (int skipped = 0; skipped < kSkippedMax; ++skipped) {
    KernelAddress peer = KernelAddress::empty();
    base::UniqueFd connection(
        ::accept4(fd_.get(), peer.data(), &peer.length, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (connection) {
      if (finishing_.has_value()) {
        --*finishing_;
      }
      return std::make_unique<KernelStream>(reactor_, std::move(connection),
                                            peer.to_socket_address(),
                                            KernelStream::State::kConnected);
    }
    const int error_number = errno;
    switch (classify(error_number)) {
      case AcceptFailure::kNone:
        if (finishing_.has_value()) {
          release_descriptor();
          return fail(ErrorKind::kDisconnected, "the listener is closed");
        }
        acceptable_.reset();
        return nullptr;
      case AcceptFailure::kConnection:
        continue;
      case AcceptFailure::kNoDescriptors: {
        const bool shed = shed_one();
        reserve_ = open_reserve();
        if (shed && reserve_) {
          continue;
        }
        pause();
        return nullptr;
      }
      case AcceptFailure::kNoMemory:
        pause();
        return nullptr;
      case AcceptFailure::kListener:
        return fail(error_from_errno(error_number, "accept a connection"));
    }
  }
  // Still acceptable: the caller's next wait lets others run first, then we go on.
  return nullptr;
}

void KernelListener::close() noexcept {
  release_descriptor();
  retry_timer_.cancel();
  acceptable_.set();
}

void KernelListener::finish() noexcept {
  if (fd_ && !finishing_.has_value()) {
    // From here on the kernel wakes the others that share the socket, so none of what comes waits
    // for us.
    reactor_.remove(fd_.get());
    finishing_ = kFinishedMax;
    acceptable_.set();
  }
}

SocketAddress KernelListener::local_address() const { return local_address_of(fd_.get()); }

}  // namespace selvedge::io::internal
