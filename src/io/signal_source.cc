#include "io/signal_source.h"

#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/assert.h"
#include "io/internal/system_error.h"

namespace selvedge::io {
namespace {

sigset_t set_of(std::initializer_list<int> signals) noexcept {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) {
    sigaddset(&set, signal);
  }
  return set;
}

}  // namespace

void block_signals(std::initializer_list<int> signals) noexcept {
  const sigset_t set = set_of(signals);
  SELVEDGE_ASSERT(::pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
}

void ignore_broken_pipe_signal() noexcept { std::signal(SIGPIPE, SIG_IGN); }

Result<std::unique_ptr<SignalSource>> SignalSource::create(KernelReactor& reactor,
                                                           std::initializer_list<int> signals) {
  const sigset_t set = set_of(signals);
  base::UniqueFd fd(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!fd) {
    return fail(internal::error_from_errno(errno, "create a signalfd"));
  }
  auto source = std::make_unique<SignalSource>(Private(), reactor, std::move(fd));
  SELVEDGE_TRY_VOID(reactor.add(source->fd_.get(), *source));
  return source;
}

SignalSource::SignalSource(Private, KernelReactor& reactor, base::UniqueFd fd) noexcept
    : reactor_(reactor), fd_(std::move(fd)), readable_(reactor) {}

SignalSource::~SignalSource() { reactor_.remove(fd_.get()); }

void SignalSource::on_kernel_events(std::uint32_t /*events*/) noexcept { readable_.set(); }

Task<int> SignalSource::next(Deadline deadline) {
  for (;;) {
    signalfd_siginfo info{};
    if (::read(fd_.get(), &info, sizeof(info)) == sizeof(info)) {
      co_return static_cast<int>(info.ssi_signo);
    }
    if (errno != EAGAIN && errno != EINTR) {
      co_return fail(internal::error_from_errno(errno, "read a signalfd"));
    }
    readable_.reset();
    SELVEDGE_CO_TRY_VOID(co_await readable_.wait(deadline));
  }
}

}  // namespace selvedge::io
