#pragma once

// How host functions wait. Three ways, all as engine::PendingCall:
//
//   EventCall   an attempt that said kAgain is repeated whenever an event is set (pipes, terminals)
//   StepCall    a long piece of work is done in steps, with the event loop running in between
//   (random_get, sched_yield) TaskCall    a coroutine does the work (helper threads)
//
// Each leaves every list and destroys every frame in its destructor, so a guest can be ended at any
// moment.

#include <algorithm>
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "engine/fiber.h"
#include "engine/pending_call.h"
#include "io/event.h"
#include "io/reactor.h"
#include "io/task.h"
#include "io/timer_wheel.h"
#include "wasix/errno_result.h"
#include "wasix/handle.h"
#include "wasix/process.h"
#include "wasix/thread.h"

namespace selvedge::wasix::internal {

// Queued work that wakes the thread's fiber.
class WakeWork final : public io::QueuedWork {
 public:
  explicit WakeWork(Thread& thread) noexcept : QueuedWork(&WakeWork::run), thread_(thread) {}

 private:
  static void run(io::QueuedWork& work) noexcept {
    static_cast<WakeWork&>(work).thread_.fiber().wake();
  }
  Thread& thread_;
};

// A timer that wakes the thread's fiber.
class WakeTimer final : public io::Timer {
 public:
  explicit WakeTimer(Thread& thread) noexcept : Timer(&WakeTimer::fired), thread_(thread) {}

 private:
  static void fired(io::Timer& timer) noexcept {
    static_cast<WakeTimer&>(timer).thread_.fiber().wake();
  }
  Thread& thread_;
};

// Longer waits are cut to this: nothing in the host's clocks overflows, and nobody will notice.
inline constexpr std::chrono::hours kWaitMax{24 * 365 * 100};

inline base::Duration wait_of(Timestamp nanoseconds) noexcept {
  constexpr auto kMax = static_cast<Timestamp>(base::Duration(kWaitMax).count());
  return base::Duration(static_cast<std::int64_t>(std::min(nanoseconds, kMax)));
}

inline base::MonotonicTime later_by(base::MonotonicTime time, Timestamp nanoseconds) noexcept {
  return time + wait_of(nanoseconds);
}

// How an interruption ends a wait for nothing but time or a child; nullopt: it goes on. What a
// program ignores unless it says otherwise interrupts no sleep: wasix-libc takes every signal, of
// which the host cannot tell the ignored ones, and its sleeps fail with ENOTSUP when one ends
// early.
inline std::optional<Errno> interrupted_sleep(const Thread& thread) {
  return thread.process().wakes_sleepers(thread) ? std::optional(Errno::kIntr) : std::nullopt;
}

// Whether an attempt that said kAgain is to be made again after the event loop has turned: what
// Attempt::turn_is_over() says, if there is one. Else it waits for its event.
template <class Attempt>
bool turn_is_over(const Attempt& attempt) noexcept {
  if constexpr (requires { attempt.turn_is_over(); }) {
    return attempt.turn_is_over();
  } else {
    return false;
  }
}

// `Attempt`: Errno(Thread&, Handle&); kAgain: not yet. When `timeout` has passed the call ends with
// what Attempt::timed_out(Thread&, Handle&) says, if there is one, else with kAgain; when a signal
// interrupts it, with what Attempt::interrupted(Thread&, Handle&) says (nullopt: it goes on), if
// there is one, else with kIntr. `event` may be null for attempts that only wait for their turns.
template <class Attempt>
class EventCall final : public engine::PendingCall<Errno> {
 public:
  EventCall(Thread& thread, std::shared_ptr<Handle> handle, io::Event* event,
            std::optional<base::Duration> timeout, Attempt attempt)
      : thread_(thread),
        handle_(std::move(handle)),
        event_(event),
        attempt_(std::move(attempt)),
        wake_(thread) {
    if (timeout) {
      const ProcessShard& shard = thread.process().shard();
      deadline_ = shard.clock.now() + *timeout;
      timer_.emplace(thread);
      shard.reactor.timers().arm(*timer_, *deadline_);
    }
    wait();
  }

  std::optional<Errno> interrupted() override {
    if constexpr (requires { attempt_.interrupted(thread_, *handle_); }) {
      return attempt_.interrupted(thread_, *handle_);
    } else {
      return Errno::kIntr;
    }
  }
  std::optional<Errno> poll() override {
    const Errno result = attempt_(thread_, *handle_);
    if (result != Errno::kAgain) {
      return result;
    }
    if (deadline_ && thread_.process().shard().clock.now() >= *deadline_) {
      if constexpr (requires { attempt_.timed_out(thread_, *handle_); }) {
        return attempt_.timed_out(thread_, *handle_);
      } else {
        return result;
      }
    }
    if (timer_ && !timer_->armed()) {
      thread_.process().shard().reactor.timers().arm(*timer_, *deadline_);
    }
    wait();
    return std::nullopt;
  }

 private:
  void wait() noexcept {
    if (event_ == nullptr || turn_is_over(attempt_)) {
      wake_.unlink();
      thread_.process().shard().reactor.schedule(wake_);
    } else {
      event_->call_when_set(wake_);
    }
  }

  Thread& thread_;
  std::shared_ptr<Handle> handle_;  // keeps event_ alive
  io::Event* event_;
  Attempt attempt_;
  std::optional<base::MonotonicTime> deadline_;
  std::optional<WakeTimer> timer_;
  WakeWork wake_;
};

// Makes the attempt; when it must wait, and the handle does, waits for `event` and makes it again,
// for no longer than `timeout`.
template <class Attempt>
engine::Blocking<Errno> attempt_or_wait(Thread& thread, const std::shared_ptr<Handle>& handle,
                                        io::Event* event, Attempt attempt,
                                        std::optional<base::Duration> timeout = std::nullopt) {
  const Errno result = attempt(thread, *handle);
  if (result != Errno::kAgain) [[likely]] {
    return result;
  }
  if ((event == nullptr || handle->nonblocking()) && !turn_is_over(attempt)) {
    return result;
  }
  return std::make_unique<EventCall<Attempt>>(thread, handle, event, timeout, std::move(attempt));
}

// `Step`: std::optional<Errno>(Thread&); nullopt: go on after the event loop has turned.
template <class Step>
class StepCall final : public engine::PendingCall<Errno> {
 public:
  StepCall(Thread& thread, Step step) : thread_(thread), step_(std::move(step)), wake_(thread) {
    thread_.process().shard().reactor.schedule(wake_);
  }

  std::optional<Errno> poll() override {
    std::optional<Errno> result = step_(thread_);
    if (!result) {
      thread_.process().shard().reactor.schedule(wake_);
    }
    return result;
  }

 private:
  Thread& thread_;
  Step step_;
  WakeWork wake_;
};

// Takes the first step at once; the others, if any, after suspensions.
template <class Step>
engine::Blocking<Errno> run_in_steps(Thread& thread, Step step) {
  if (const std::optional<Errno> result = step(thread)) [[likely]] {
    return *result;
  }
  return std::make_unique<StepCall<Step>>(thread, std::move(step));
}

// Runs a coroutine for a host call. An error of the task (not of the guest) becomes kIo.
class TaskCall final : public engine::PendingCall<Errno> {
 public:
  TaskCall(Thread& thread, io::Task<Errno> task);
  ~TaskCall() override;

  std::optional<Errno> poll() override { return result_; }

 private:
  struct Root;
  static Root run(TaskCall& call, io::Task<Errno> task);

  Thread& thread_;
  std::optional<Errno> result_;
  std::coroutine_handle<> root_;
  io::Waiter start_;
};

// The result of the task, at once when it is ready already.
engine::Blocking<Errno> wait_for(Thread& thread, io::Task<Errno> task);

}  // namespace selvedge::wasix::internal
