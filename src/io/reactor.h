#pragma once

// The event loop of one shard. Everything on a shard (connections, tasks, timers, guests) runs on
// the reactor's thread, one piece at a time; other threads reach it only through post(), try_post()
// and wake().
//
// One turn of the loop: take kernel events (they only mark readiness and queue those who wait),
// read the clock, fire timers, run posted functions, resume what is queued, run a slice of
// background work. Code therefore is resumed only from the loop, never from inside another task's
// call: setting an Event queues its waiters. So no task is ever destroyed or resumed while it runs.
//
// Implementations: KernelReactor (epoll) and, for tests, testing::SimulatedReactor. Code takes a
// Reactor& and cannot tell.

#include <coroutine>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/result.h"
#include "io/internal/intrusive_list.h"
#include "io/task.h"
#include "io/timer_wheel.h"

namespace selvedge::io {

class Deadline;

// Work that runs when nothing else is ready: guests. Both functions are called on the reactor's
// thread.
class BackgroundWork {
 public:
  virtual ~BackgroundWork() = default;
  // Asked at least once in every turn before the reactor blocks: code on the reactor's thread that
  // makes work appear needs to tell nobody. Other threads call Reactor::wake() afterwards.
  virtual bool has_work() const noexcept = 0;
  // Runs for about a millisecond at most, then returns; the reactor looks after its connections and
  // comes back.
  virtual void run_slice() = 0;
};

// Something that is queued to run in the loop. Leaves the queue when it is destroyed.
class QueuedWork : public internal::ListNode {
 public:
  using Callback = void (*)(QueuedWork& work) noexcept;
  explicit QueuedWork(Callback callback) noexcept : callback_(callback) {}

 private:
  friend class Reactor;
  Callback callback_;
};

// A suspended coroutine in a queue.
class Waiter final : public QueuedWork {
 public:
  Waiter() noexcept : QueuedWork(&Waiter::resume) {}
  void set_handle(std::coroutine_handle<> handle) noexcept { handle_ = handle; }

 private:
  static void resume(QueuedWork& work) noexcept { static_cast<Waiter&>(work).handle_.resume(); }
  std::coroutine_handle<> handle_;
};

class Reactor {
 public:
  // Operations that may complete at once in a row before the task has to let others run.
  static constexpr std::uint32_t kInlineOperationsMax = 64;
  // Rounds over the queue of ready tasks in one turn.
  static constexpr std::uint32_t kReadyRoundsMax = 8;
  // Posted functions that try_post() lets wait.
  static constexpr std::size_t kMailboxMax = 65'536;

  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;
  virtual ~Reactor() = default;

  // ---- Any thread ----

  // Runs `function` on the reactor's thread in a later turn, in the order of posting (per posting
  // thread). Never refused: for completions, of which each belongs to one operation that somebody
  // admitted. The reactor must outlive the call; functions that are still queued when it is
  // destroyed are destroyed unrun. `function` must not throw.
  virtual void post(std::move_only_function<void()> function) = 0;
  // The same for a flow of messages between shards: false, and the function is dropped, when
  // kMailboxMax functions wait already.
  [[nodiscard]] virtual bool try_post(std::move_only_function<void()> function) = 0;
  // Makes the loop turn at least once more before it blocks. Costs a system call only when the
  // reactor sleeps, and only for the first of several callers.
  virtual void wake() noexcept = 0;
  // How long the loop has slept so far, for lack of anything to do.
  virtual base::Duration time_asleep() const noexcept = 0;

  // ---- The reactor's thread ----

  // Monotonic time of this turn: read once per turn, constant during it.
  base::MonotonicTime now() const noexcept { return now_; }
  // now() as a Clock; its wall_now() is the underlying clock's.
  const base::Clock& clock() const noexcept [[clang::lifetimebound]] { return turn_clock_; }
  Deadline deadline_after(base::Duration duration) noexcept;
  Deadline deadline_at(base::MonotonicTime when) noexcept;
  TimerWheel& timers() noexcept [[clang::lifetimebound]] { return timers_; }

  // Queues `work` behind what is queued already; if it is in a queue or list, it moves.
  void schedule(QueuedWork& work) noexcept {
    work.unlink();
    ready_.push_back(work);
  }
  void schedule_all(internal::List<QueuedWork>& works) noexcept { ready_.splice_back(works); }

  // `co_await reactor.yield()`: lets everything that is ready run first. Loops over peer-sized data
  // do this every so often.
  auto yield() noexcept [[clang::lifetimebound]];
  // Completes when the clock has reached `when`.
  auto sleep_until(base::MonotonicTime when) noexcept [[clang::lifetimebound]];
  auto sleep(base::Duration duration) noexcept [[clang::lifetimebound]];

  // For operations with a fast path: false when the running task has done kInlineOperationsMax of
  // them since it was resumed, and must go through the queue.
  bool spend_inline_operation() noexcept {
    if (inline_operations_left_ == 0) {
      return false;
    }
    --inline_operations_left_;
    return true;
  }
  bool may_run_inline() const noexcept { return inline_operations_left_ != 0; }

  // At most one; nullptr takes it away. Must outlive its registration.
  void set_background(BackgroundWork* background) noexcept { background_ = background; }

  // Turns the loop on the calling thread until `task` has ended, and returns its result. The
  // entrance of a shard's thread, and of tests. Not from inside the loop.
  template <class T>
  Result<T> run(Task<T> task);

 protected:
  explicit Reactor(const base::Clock& clock) noexcept
      : underlying_clock_(clock), now_(clock.now()), turn_clock_(*this), timers_(now_) {}

  // Turns the loop until `done`; false when that can never come (simulation: nothing left to
  // happen).
  virtual bool run_until(const bool& done) = 0;

  // The parts of a turn, for implementations.
  void update_time() noexcept { now_ = underlying_clock_.now(); }
  // What the clock shows, now() or later. Any thread.
  base::MonotonicTime exact_now() const noexcept { return underlying_clock_.now(); }
  void fire_timers() noexcept { timers_.advance(now_); }
  std::optional<base::MonotonicTime> next_timer() noexcept { return timers_.next_advance(); }
  // Before a posted function, a slice or queued work: it has all its inline operations.
  void begin_work() noexcept { inline_operations_left_ = kInlineOperationsMax; }
  // Runs what is queued, and what that queues in turn, up to kReadyRoundsMax rounds.
  void run_ready() noexcept;
  bool has_ready() const noexcept { return !ready_.empty(); }
  BackgroundWork* background() const noexcept { return background_; }

 private:
  class TurnClock final : public base::Clock {
   public:
    explicit TurnClock(const Reactor& reactor) noexcept : reactor_(reactor) {}
    base::MonotonicTime now() const noexcept override { return reactor_.now_; }
    base::WallTime wall_now() const noexcept override {
      return reactor_.underlying_clock_.wall_now();
    }

   private:
    const Reactor& reactor_;
  };

  const base::Clock& underlying_clock_;
  base::MonotonicTime now_;
  TurnClock turn_clock_;
  internal::List<QueuedWork> ready_;
  std::uint32_t inline_operations_left_ = kInlineOperationsMax;
  BackgroundWork* background_ = nullptr;
  TimerWheel timers_;
};

namespace internal {

class YieldAwaiter {
 public:
  explicit YieldAwaiter(Reactor& reactor) noexcept : reactor_(reactor) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) noexcept {
    waiter_.set_handle(handle);
    reactor_.schedule(waiter_);
  }
  void await_resume() const noexcept {}

 private:
  Reactor& reactor_;
  Waiter waiter_;
};

class SleepAwaiter final : public Timer {
 public:
  SleepAwaiter(Reactor& reactor, base::MonotonicTime when) noexcept
      : Timer(&SleepAwaiter::fired), reactor_(reactor), when_(when) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) noexcept {
    waiter_.set_handle(handle);
    reactor_.timers().arm(*this, when_);
  }
  void await_resume() const noexcept {}

 private:
  static void fired(Timer& timer) noexcept {
    auto& self = static_cast<SleepAwaiter&>(timer);
    self.reactor_.schedule(self.waiter_);
  }
  Reactor& reactor_;
  base::MonotonicTime when_;
  Waiter waiter_;
};

// The outermost coroutine: starts when it is resumed, frees itself when its body ends.
class RootTask {
 public:
  struct promise_type {
    RootTask get_return_object() noexcept {
      return RootTask(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
  };
  RootTask(RootTask&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  RootTask& operator=(RootTask&&) = delete;
  ~RootTask() {
    if (handle_) {
      handle_.destroy();
    }
  }
  std::coroutine_handle<> handle() const noexcept { return handle_; }

 private:
  explicit RootTask(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
  std::coroutine_handle<promise_type> handle_;
};

template <class T>
RootTask run_root(Task<T> task, std::optional<Result<T>>& result, bool& done) {
  result.emplace(co_await std::move(task));
  done = true;
}

}  // namespace internal

inline auto Reactor::yield() noexcept { return internal::YieldAwaiter(*this); }
inline auto Reactor::sleep_until(base::MonotonicTime when) noexcept {
  return internal::SleepAwaiter(*this, when);
}
inline auto Reactor::sleep(base::Duration duration) noexcept {
  return internal::SleepAwaiter(*this, now_ + duration);
}

template <class T>
Result<T> Reactor::run(Task<T> task) {
  std::optional<Result<T>> result;
  bool done = false;
  const internal::RootTask root = internal::run_root(std::move(task), result, done);
  Waiter start;
  start.set_handle(root.handle());
  schedule(start);
  if (!run_until(done)) {
    return fail(ErrorKind::kInternal, "the task waits for something that never happens");
  }
  return *std::move(result);
}

}  // namespace selvedge::io
