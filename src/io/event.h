#pragma once

// A flag that tasks wait for: the meeting point of all of io. Streams have one for "readable" and
// one for "writable"; channels, scopes and pipes are built on it.

#include <coroutine>

#include "base/assert.h"
#include "base/result.h"
#include "io/deadline.h"
#include "io/reactor.h"

namespace selvedge::io {

// Stays set until reset. Any number of waiters; the reactor's thread only; not movable, because
// waiters point to it. Must not be destroyed while a task waits for it.
class Event {
 public:
  explicit Event(Reactor& reactor) noexcept : reactor_(reactor) {}
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { SELVEDGE_ASSERT(waiters_.empty()); }

  Reactor& reactor() const noexcept { return reactor_; }
  bool is_set() const noexcept { return set_; }
  bool has_waiters() const noexcept { return !waiters_.empty(); }
  void reset() noexcept { set_ = false; }
  // Queues everyone who waits. They run from the loop, later: by then the event may have been reset
  // again, so a waiter looks at its condition once more.
  void set() noexcept {
    set_ = true;
    reactor_.schedule_all(waiters_);
  }
  // Queues everyone who waits now without leaving the event set.
  void notify() noexcept { reactor_.schedule_all(waiters_); }

  class Awaiter;
  class DeadlineAwaiter;
  // `co_await event.wait()`: completes at once when the event is set, else after the next set() or
  // notify(). Yields nothing. Neither form allocates.
  Awaiter wait() noexcept [[clang::lifetimebound]];
  // `co_await event.wait(deadline)`: Result<>, kTimeout when the deadline passed and the event is
  // still not set.
  DeadlineAwaiter wait(Deadline deadline) noexcept [[clang::lifetimebound]];

 private:
  Reactor& reactor_;
  internal::List<QueuedWork> waiters_;
  bool set_ = false;
};

class [[nodiscard]] Event::Awaiter {
 public:
  explicit Awaiter(Event& event) noexcept : event_(event) {}
  bool await_ready() const noexcept {
    return event_.set_ && event_.reactor_.spend_inline_operation();
  }
  void await_suspend(std::coroutine_handle<> handle) noexcept {
    waiter_.set_handle(handle);
    if (event_.set_) {
      event_.reactor_.schedule(waiter_);
    } else {
      event_.waiters_.push_back(waiter_);
    }
  }
  void await_resume() const noexcept {}

 protected:
  Event& event_;
  Waiter waiter_;
};

class [[nodiscard]] Event::DeadlineAwaiter final : private Timer {
 public:
  DeadlineAwaiter(Event& event, Deadline deadline) noexcept
      : Timer(&DeadlineAwaiter::fired), event_(event), deadline_(deadline) {}
  bool await_ready() const noexcept {
    return event_.set_ && event_.reactor_.spend_inline_operation();
  }
  void await_suspend(std::coroutine_handle<> handle) noexcept {
    waiter_.set_handle(handle);
    if (event_.set_) {
      event_.reactor_.schedule(waiter_);
      return;
    }
    event_.waiters_.push_back(waiter_);
    deadline_.arm(*this);
  }
  Result<> await_resume() {
    cancel();
    if (timed_out_ && !event_.set_) [[unlikely]] {
      return fail(internal::deadline_passed_error());
    }
    return {};
  }

 private:
  static void fired(Timer& timer) noexcept {
    auto& self = static_cast<DeadlineAwaiter&>(timer);
    self.timed_out_ = true;
    self.event_.reactor_.schedule(self.waiter_);
  }

  Event& event_;
  Deadline deadline_;
  Waiter waiter_;
  bool timed_out_ = false;
};

inline Event::Awaiter Event::wait() noexcept { return Awaiter(*this); }
inline Event::DeadlineAwaiter Event::wait(Deadline deadline) noexcept {
  return DeadlineAwaiter(*this, deadline);
}

}  // namespace selvedge::io
