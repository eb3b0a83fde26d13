#pragma once

// A flag that tasks wait for: the meeting point of all of io. Streams have one for "readable" and
// one for "writable"; channels, scopes and pipes are built on it.

#include <coroutine>
#include <cstdint>

#include "base/assert.h"
#include "base/result.h"
#include "io/deadline.h"
#include "io/reactor.h"

namespace selvedge::io {

// Is told of every set() and notify() of the event it observes, also when the event was set
// already: what edge-triggered readiness is made of (a guest's epoll). Leaves its event when it is
// destroyed; when the event goes first, it observes nothing.
class EventObserver : public internal::ListNode {
 public:
  // Runs inside set(), in the middle of whoever calls that: it marks something or queues work, and
  // destroys nothing that it did not make.
  using Callback = void (*)(EventObserver& observer) noexcept;
  explicit EventObserver(Callback callback) noexcept : callback_(callback) {}

 private:
  friend class Event;
  Callback callback_;
};

// Stays set until reset. Any number of waiters; the reactor's thread only; not movable, because
// waiters point to it. Must not be destroyed while a task waits for it.
class Event {
 public:
  explicit Event(Reactor& reactor) noexcept : reactor_(reactor) {}
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { SELVEDGE_ASSERT(waits_ == 0); }

  Reactor& reactor() const noexcept { return reactor_; }
  bool is_set() const noexcept { return set_; }
  // Whether a task is suspended in wait(), be it queued to run already.
  bool has_waiters() const noexcept { return waits_ != 0; }
  void reset() noexcept { set_ = false; }
  // Queues everyone who waits. They run from the loop, later: by then the event may have been reset
  // again, so a waiter looks at its condition once more.
  void set() noexcept {
    set_ = true;
    notify();
  }
  // Queues everyone who waits now without leaving the event set.
  void notify() noexcept {
    reactor_.schedule_all(waiters_);
    if (!observers_.empty()) [[unlikely]] {
      tell_observers();
    }
  }
  // For waiters that are no coroutines: runs `work` once from the loop, soon when the event is set,
  // else after the next set() or notify(). If `work` is in a queue or list, it moves.
  void call_when_set(QueuedWork& work) noexcept {
    work.unlink();
    if (set_) {
      reactor_.schedule(work);
    } else {
      waiters_.push_back(work);
    }
  }
  // From now on `observer` is told; if it observes another event, it moves.
  void observe(EventObserver& observer) noexcept {
    observer.unlink();
    observers_.push_back(observer);
  }

  class Awaiter;
  class DeadlineAwaiter;
  // `co_await event.wait()`: completes at once when the event is set, else after the next set() or
  // notify(). Yields nothing. Neither form allocates.
  Awaiter wait() noexcept [[clang::lifetimebound]];
  // `co_await event.wait(deadline)`: Result<>, kTimeout when the deadline passed and the event is
  // still not set.
  DeadlineAwaiter wait(Deadline deadline) noexcept [[clang::lifetimebound]];

 private:
  class WaitCount;

  void tell_observers() noexcept {
    internal::List<EventObserver> untold;
    untold.splice_back(observers_);
    while (EventObserver* const observer = untold.pop_front()) {
      observers_.push_back(*observer);
      observer->callback_(*observer);
    }
  }

  Reactor& reactor_;
  internal::List<QueuedWork> waiters_;
  internal::List<EventObserver> observers_;
  std::uint32_t waits_ = 0;  // suspended awaiters: those in waiters_ and those queued to run
  bool set_ = false;
};

// Counts one suspended awaiter for as long as it lives.
class Event::WaitCount {
 public:
  WaitCount() noexcept = default;
  WaitCount(const WaitCount&) = delete;
  WaitCount& operator=(const WaitCount&) = delete;
  ~WaitCount() {
    if (event_ != nullptr) {
      --event_->waits_;
    }
  }
  void begin(Event& event) noexcept {
    event_ = &event;
    ++event.waits_;
  }

 private:
  Event* event_ = nullptr;
};

class [[nodiscard]] Event::Awaiter {
 public:
  explicit Awaiter(Event& event) noexcept : event_(event) {}
  bool await_ready() const noexcept {
    return event_.set_ && event_.reactor_.spend_inline_operation();
  }
  void await_suspend(std::coroutine_handle<> handle) noexcept {
    waiter_.set_handle(handle);
    count_.begin(event_);
    if (event_.set_) {
      event_.reactor_.schedule(waiter_);
    } else {
      event_.waiters_.push_back(waiter_);
    }
  }
  void await_resume() const noexcept {}

 private:
  Event& event_;
  WaitCount count_;
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
    count_.begin(event_);
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
  WaitCount count_;
  Waiter waiter_;
  bool timed_out_ = false;
};

inline Event::Awaiter Event::wait() noexcept { return Awaiter(*this); }
inline Event::DeadlineAwaiter Event::wait(Deadline deadline) noexcept {
  return DeadlineAwaiter(*this, deadline);
}

}  // namespace selvedge::io
