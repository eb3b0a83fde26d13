#include "io/kernel_reactor.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <utility>

#include "base/assert.h"
#include "io/internal/system_error.h"

namespace selvedge::io {

Result<std::unique_ptr<KernelReactor>> KernelReactor::create(const base::Clock& clock) {
  base::UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) {
    return fail(internal::error_from_errno(errno, "create an epoll instance"));
  }
  base::UniqueFd wake_event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_event) {
    return fail(internal::error_from_errno(errno, "create an eventfd"));
  }
  // Edge-triggered: every write reports anew, so that nobody has to read the counter.
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.ptr = nullptr}};
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake_event.get(), &event) != 0) {
    return fail(internal::error_from_errno(errno, "watch an eventfd"));
  }
  return std::unique_ptr<KernelReactor>(
      std::make_unique<KernelReactor>(Private(), clock, std::move(epoll), std::move(wake_event)));
}

KernelReactor::KernelReactor(Private, const base::Clock& clock, base::UniqueFd epoll,
                             base::UniqueFd wake_event) noexcept
    : Reactor(clock), epoll_(std::move(epoll)), wake_event_(std::move(wake_event)) {}

KernelReactor::~KernelReactor() = default;

void KernelReactor::post(std::move_only_function<void()> function) {
  mailbox_.push(std::move(function));
  signal_wake();
}

bool KernelReactor::try_post(std::move_only_function<void()> function) {
  if (!mailbox_.push_if_below(kMailboxMax, std::move(function))) {
    return false;
  }
  signal_wake();
  return true;
}

void KernelReactor::wake() noexcept {
  if (thread_.load(std::memory_order_relaxed) == std::this_thread::get_id()) {
    return;  // the loop asks for background work before it blocks
  }
  wake_requested_.store(true, std::memory_order_seq_cst);
  signal_wake();
}

void KernelReactor::signal_wake() noexcept {
  if (sleeping_.load(std::memory_order_seq_cst) &&
      sleeping_.exchange(false, std::memory_order_seq_cst)) {
    const std::uint64_t one = 1;
    const ssize_t written = ::write(wake_event_.get(), &one, sizeof(one));
    // The counter would take centuries to fill.
    SELVEDGE_ASSERT(written == sizeof(one));
  }
}

Result<> KernelReactor::add(int fd, Source& source) {
  return watch(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, source);
}

Result<> KernelReactor::add_shared(int fd, Source& source) {
  return watch(fd, EPOLLIN | EPOLLET | EPOLLEXCLUSIVE, source);
}

Result<> KernelReactor::watch(int fd, std::uint32_t events, Source& source) {
  epoll_event event{.events = events, .data = {.ptr = &source}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    if (errno == EPERM) {
      return fail(ErrorKind::kUnsupported, "this kind of file is always ready");
    }
    return fail(internal::error_from_errno(errno, "watch a descriptor"));
  }
  return {};
}

void KernelReactor::remove(int fd) noexcept {
  // Fails only for a descriptor that is not registered, and then there is nothing to undo.
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

bool KernelReactor::has_background_work() const noexcept {
  return background() != nullptr && background()->has_work();
}

int KernelReactor::timeout_ms() noexcept {
  if (has_ready() || has_background_work()) {
    return 0;
  }
  const std::optional<base::MonotonicTime> next = next_timer();
  if (!next) {
    return -1;
  }
  // Rounded up, so that the loop does not turn in vain before the timer is due.
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(*next - now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(wait, 0, std::numeric_limits<int>::max()));
}

int KernelReactor::begin_wait() noexcept {
  const int timeout = timeout_ms();
  if (timeout == 0) {
    return 0;
  }
  sleeping_.store(true, std::memory_order_seq_cst);
  if (!mailbox_.empty() || wake_requested_.load(std::memory_order_seq_cst)) {
    return 0;
  }
  update_time();
  sleep_time_.begin(now());
  return timeout;
}

void KernelReactor::end_wait() noexcept {
  update_time();
  sleep_time_.end(now());
  sleeping_.store(false, std::memory_order_relaxed);
  if (wake_requested_.load(std::memory_order_relaxed)) {
    // Read and cleared in one step: what the waker did before is visible to has_work() after.
    wake_requested_.exchange(false, std::memory_order_seq_cst);
  }
}

void KernelReactor::take_kernel_events() noexcept {
  std::array<epoll_event, kEventsMax> events [[clang::uninitialized]];
  const int timeout = begin_wait();
  const int count = ::epoll_wait(epoll_.get(), events.data(), kEventsMax, timeout);
  SELVEDGE_ASSERT(count >= 0 || errno == EINTR);
  end_wait();
  // No code but on_kernel_events runs here: every source of the batch is still there.
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.ptr != nullptr) {
      static_cast<Source*>(event.data.ptr)->on_kernel_events(event.events);
    }
  }
}

void KernelReactor::run_posted() {
  if (mailbox_.empty()) {
    return;
  }
  for (std::unique_ptr<internal::Mailbox::Message> message = mailbox_.take_all(); message;) {
    begin_work();
    message->function();
    mailbox_.message_done();
    message = std::move(message->next);
  }
}

void KernelReactor::run_background(const bool& done) {
  const base::MonotonicTime end = now() + kBackgroundTurnMax;
  while (!done && now() < end && has_background_work()) {
    const base::MonotonicTime batch_end = now() + kBackgroundBatchMax;
    do {
      begin_work();
      background()->run_slice();
      update_time();
    } while (now() < batch_end && has_background_work());
    run_posted();
    run_ready();
  }
}

bool KernelReactor::run_until(const bool& done) {
  SELVEDGE_ASSERT(thread_.load() == std::thread::id());
  thread_.store(std::this_thread::get_id());
  while (!done) {
    take_kernel_events();
    fire_timers();
    run_posted();
    run_ready();
    run_background(done);
  }
  thread_.store(std::thread::id());
  return true;
}

}  // namespace selvedge::io
