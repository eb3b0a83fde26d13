#include "engine/fiber.h"

#include <utility>

#include "base/assert.h"
#include "base/format.h"
#include "engine/host_context.h"
#include "engine/instance.h"
#include "engine/internal/native_error.h"
#include "engine/internal/scheduler_entry.h"
#include "engine/internal/winding.h"
#include "engine/scheduler.h"

namespace selvedge::engine {

Fiber::Fiber(Instance& instance, native::Fiber* native) noexcept
    : instance_(instance), native_(native) {
  SELVEDGE_ASSERT(instance_.context().fiber_ == nullptr);
  instance_.context().fiber_ = this;
}

Fiber::~Fiber() {
  if (scheduler_ != nullptr) {
    scheduler_->remove(*this);
  }
  if (!done_) {
    finish({.reason = EndReason::kKilled});
  }
}

FiberStatus Fiber::poll() {
  if (done_) {
    return FiberStatus::kDone;
  }
  if (kill_) {
    return finish(std::move(*kill_));
  }
  HostContext& context = instance_.context();
  if (context.pending_ != nullptr) {
    if (!woken_) {
      return FiberStatus::kBlocked;
    }
    woken_ = false;
    std::uint64_t bits = 0;
    // What has happened already is not lost to an interruption.
    bool ready = context.pending_->poll_bits(bits);
    if (!ready && interrupted_ && !context.ending()) {
      ready = context.pending_->interrupt_bits(bits);
    }
    interrupted_ = false;
    if (context.ending()) {
      return finish(std::move(context.ending_));
    }
    if (!ready) {
      return FiberStatus::kBlocked;
    }
    context.pending_.reset();
    context.native_.result = bits;
    context.native_.resumed = true;
    context.native_.state = native::CallState::Ready;
  }
  woken_ = false;
  if (const native::FiberStatus status =
          std::exchange(status_away_, native::FiberStatus::Suspended);
      status != native::FiberStatus::Suspended && status != native::FiberStatus::Homeward) {
    return settle(status);
  }
  return poll_native();
}

FiberStatus Fiber::poll_native() { return settle(native::selvedge_fiber_poll(native_)); }

FiberStatus Fiber::settle(native::FiberStatus status) {
  HostContext& context = instance_.context();
  if (status == native::FiberStatus::Suspended) [[likely]] {
    return context.pending_ != nullptr ? FiberStatus::kBlocked : FiberStatus::kYielded;
  }
  if (status == native::FiberStatus::Finished) {
    return finish({.reason = EndReason::kFinished, .result = context.native_.result});
  }
  if (status == native::FiberStatus::Ended) {
    return finish(std::move(context.ending_));
  }
  Outcome outcome;
  switch (status) {
    case native::FiberStatus::StackExhausted:
      outcome.reason = EndReason::kStackLimit;
      break;
    case native::FiberStatus::NotStarted:
      outcome.reason = EndReason::kNotStarted;
      break;
    default:
      outcome.reason = EndReason::kTrapped;
  }
  if (const auto error = take_native_error(native::selvedge_fiber_error(native_)); !error) {
    outcome.message = error.error().message();
  }
  if (context.native_.winding == native::Winding::Unwinding) {
    outcome.message += fmt::format(
        "; its stack was being saved, which may take {} bytes and no more than its memory",
        SavedStack::kBytesMax);
  }
  if (instance_.memory_was_refused()) {
    outcome.message +=
        fmt::format("; it had been refused memory beyond {}", instance_.memory_refusal());
  }
  return finish(std::move(outcome));
}

FiberStatus Fiber::finish(Outcome outcome) noexcept {
  HostContext& context = instance_.context();
  // Set first: what is destroyed below may wake or kill this fiber.
  done_ = true;
  outcome_ = std::move(outcome);
  kill_.reset();
  // The wait is cancelled before the guest's frames unwind.
  context.pending_.reset();
  native::selvedge_fiber_free(std::exchange(native_, nullptr));
  context.native_.state = native::CallState::Ready;
  context.native_.winding = native::Winding::None;
  context.native_.restarts = false;
  context.winding_.reset();
  context.fiber_ = nullptr;
  return FiberStatus::kDone;
}

bool Fiber::instantiate() {
  SELVEDGE_ASSERT(!done_ && kill_ == nullptr);
  native::GuestContext& guest = instance_.context().native_;
  guest.holds = true;
  const FiberStatus status = poll_native();
  guest.holds = false;
  if (status == FiberStatus::kYielded && guest.held) {
    return true;
  }
  if (!done_) {
    finish({.reason = EndReason::kNotStarted,
            .message = "the module's start function waits or does not return"});
  }
  return false;
}

void Fiber::wake() noexcept {
  if (done_) {
    return;
  }
  woken_ = true;
  if (scheduler_ != nullptr) {
    scheduler_->make_ready(*this);
  }
}

void Fiber::interrupt() noexcept {
  if (!done_ && instance_.context().pending_ != nullptr) {
    interrupted_ = true;
    wake();
  }
}

void Fiber::kill(EndReason reason, std::string message) noexcept {
  if (done_ || kill_ != nullptr) {
    return;
  }
  kill_ = std::make_unique<Outcome>(Outcome{.reason = reason, .message = std::move(message)});
  if (scheduler_ != nullptr) {
    scheduler_->make_ready(*this);
  }
}

void Fiber::recall_siblings() noexcept {
  if (scheduler_ != nullptr) {
    scheduler_->recall_group_of(*this);
  }
}

bool Fiber::blocked() const noexcept {
  return !done_ && kill_ == nullptr && !woken_ && instance_.context().pending_ != nullptr;
}

bool Fiber::may_leave() const noexcept {
  return kill_ == nullptr && instance_.may_leave() &&
         instance_.context().native_.winding == native::Winding::None;
}

base::Duration Fiber::cpu_time_left() const noexcept {
  const InstanceLimits& limits = instance_.limits();
  if (!limits.cpu_time_max) {
    return base::Duration::max();
  }
  base::Duration used = instance_.cpu_time_;
  for (const CpuTimeSum* sum = limits.cpu_time_sum; sum != nullptr; sum = sum->outer) {
    used = sum->total;
  }
  return *limits.cpu_time_max - used;
}

void Fiber::charge(base::Duration slice) noexcept {
  cpu_time_ += slice;
  instance_.cpu_time_ += slice;
  const InstanceLimits& limits = instance_.limits();
  base::Duration used = instance_.cpu_time_;
  for (CpuTimeSum* sum = limits.cpu_time_sum; sum != nullptr; sum = sum->outer) {
    used = sum->total += slice;
  }
  const auto& limit = limits.cpu_time_max;
  if (limit && used > *limit) {
    kill(EndReason::kCpuTimeLimit,
         fmt::format("the guest used its {} ms of CPU time",
                     std::chrono::duration_cast<std::chrono::milliseconds>(*limit).count()));
  }
}

}  // namespace selvedge::engine
