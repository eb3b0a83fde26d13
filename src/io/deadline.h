#pragma once

// Deadlines: every wait for a peer has one.
//
//   const Deadline deadline = reactor.deadline_after(30s);
//   auto head = co_await with_deadline(read_head(stream), deadline);   // kTimeout when it passes
//
// A Deadline is an absolute time, so one value bounds a whole sequence of awaits.

#include <chrono>
#include <coroutine>
#include <utility>

#include "io/reactor.h"
#include "io/task.h"
#include "io/timer_wheel.h"

namespace selvedge::io {

// A value. Belongs to the reactor that made it.
class Deadline {
 public:
  // For waits whose end something else guarantees (say where it is used).
  static Deadline never() noexcept { return Deadline(nullptr, base::MonotonicTime::max()); }

  bool is_never() const noexcept { return reactor_ == nullptr; }
  base::MonotonicTime time() const noexcept { return when_; }
  bool passed() const noexcept { return reactor_ != nullptr && reactor_->now() >= when_; }
  void arm(Timer& timer) const noexcept {
    if (reactor_ != nullptr) {
      reactor_->timers().arm(timer, when_);
    }
  }
  // The earlier of the two.
  Deadline or_sooner(Deadline other) const noexcept { return other.when_ < when_ ? other : *this; }

 private:
  friend class Reactor;
  Deadline(Reactor* reactor, base::MonotonicTime when) noexcept : reactor_(reactor), when_(when) {}
  friend Reactor* reactor_of(Deadline deadline) noexcept { return deadline.reactor_; }

  Reactor* reactor_;
  base::MonotonicTime when_;
};

inline Deadline Reactor::deadline_after(base::Duration duration) noexcept {
  return Deadline(this, now_ + duration);
}
inline Deadline Reactor::deadline_at(base::MonotonicTime when) noexcept {
  return Deadline(this, when);
}

namespace internal {

Error deadline_passed_error();

template <class T>
class [[nodiscard]] DeadlineAwaiter final : private Timer {
 public:
  DeadlineAwaiter(Task<T> task, Deadline deadline) noexcept
      : Timer(&DeadlineAwaiter::fired), task_(std::move(task)), deadline_(deadline) {}

  bool await_ready() const noexcept { return task_.is_ready(); }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> continuation) noexcept {
    waiter_.set_handle(continuation);
    deadline_.arm(*this);
    return task_.start(continuation);
  }
  Result<T> await_resume() {
    cancel();
    if (!task_) {
      return fail(deadline_passed_error());
    }
    return task_.take_result();
  }

 private:
  // The task has not ended: it would have resumed us and cancelled the timer. It is suspended,
  // since timers fire from the loop.
  static void fired(Timer& timer) noexcept {
    auto& self = static_cast<DeadlineAwaiter&>(timer);
    self.task_.destroy();
    reactor_of(self.deadline_)->schedule(self.waiter_);
  }

  Task<T> task_;
  Deadline deadline_;
  Waiter waiter_;
};

}  // namespace internal

// `co_await with_deadline(task, deadline)`: the task's result, or kTimeout when the deadline passes
// first; then the task has been destroyed where it was suspended. A task that ends without
// suspending never times out. Needs no memory but the awaiting frame's.
template <class T>
internal::DeadlineAwaiter<T> with_deadline(Task<T> task, Deadline deadline) noexcept {
  return internal::DeadlineAwaiter<T>(std::move(task), deadline);
}

}  // namespace selvedge::io
