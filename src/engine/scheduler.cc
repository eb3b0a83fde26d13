#include "engine/scheduler.h"

#include <set>
#include <utility>

#include "base/assert.h"
#include "engine/internal/scheduler_entry.h"

namespace selvedge::engine {
struct Scheduler::State {
  std::set<std::pair<base::MonotonicTime, internal::SchedulerEntry*>> deadlines;
  std::size_t fiber_count = 0;
  // A slice is running: the event loop is awake and will ask has_work() by itself.
  bool in_slice = false;
};

Scheduler::Scheduler(EpochTicker& ticker, const base::Clock& clock, std::function<void()> on_work,
                     const CpuClock* cpu_clock)
    : clock_(clock),
      cpu_clock_(cpu_clock),
      on_work_(std::move(on_work)),
      slot_(ticker),
      state_(std::make_unique<State>()) {
  native::selvedge_engine_prepare_thread();
}

Scheduler::~Scheduler() { SELVEDGE_ASSERT(state_->fiber_count == 0); }

std::size_t Scheduler::fiber_count() const noexcept { return state_->fiber_count; }

void Scheduler::start(Fiber& fiber, FiberOwner& owner, const FiberOptions& options) {
  SELVEDGE_ASSERT(fiber.scheduler_ == nullptr);
  auto entry = std::make_unique<internal::SchedulerEntry>(fiber, owner, options);
  queue_.attach(*entry, *entry->group);
  if (entry->deadline) {
    state_->deadlines.emplace(*entry->deadline, entry.get());
  }
  fiber.scheduler_ = this;
  fiber.scheduler_entry_ = std::move(entry);
  ++state_->fiber_count;
  make_ready(fiber);
}

void Scheduler::remove(Fiber& fiber) noexcept {
  SELVEDGE_ASSERT(fiber.scheduler_ == this);
  internal::SchedulerEntry& entry = *fiber.scheduler_entry_;
  queue_.detach(entry);
  if (entry.deadline) {
    state_->deadlines.erase({*entry.deadline, &entry});
  }
  fiber.scheduler_ = nullptr;
  fiber.scheduler_entry_.reset();
  --state_->fiber_count;
}

void Scheduler::make_ready(Fiber& fiber) noexcept {
  const bool was_empty = queue_.empty();
  queue_.push(*fiber.scheduler_entry_);
  if (was_empty && !state_->in_slice && on_work_) {
    on_work_();
  }
}

void Scheduler::run_slice() {
  RunQueue::Entry* next = queue_.pop();
  if (next == nullptr) {
    return;
  }
  internal::SchedulerEntry& entry = *static_cast<internal::SchedulerEntry*>(next);
  Fiber& fiber = entry.fiber;
  const bool use_cpu_clock = cpu_clock_ != nullptr && entry.group->measured_exactly();
  const base::MonotonicTime begin = clock_.now();
  const base::Duration cpu_begin = use_cpu_clock ? cpu_clock_->thread_time() : base::Duration{};
  if (entry.deadline && begin >= *entry.deadline) {
    fiber.kill(EndReason::kWallTimeLimit, "the guest's time is over");
  }
  FiberStatus status;
  {
    const EpochTicker::Running running(slot_);
    state_->in_slice = true;
    status = fiber.poll();
    state_->in_slice = false;
  }
  base::Duration used =
      use_cpu_clock ? cpu_clock_->thread_time() - cpu_begin : clock_.now() - begin;
  if (cpu_clock_ != nullptr) {
    used = entry.group->to_charge(used, use_cpu_clock);
  }
  queue_.charge(entry, used, status == FiberStatus::kYielded);
  fiber.charge(used);
  if (status == FiberStatus::kDone) {
    FiberOwner& owner = entry.owner;
    remove(fiber);
    owner.fiber_done(fiber);
  } else if (!fiber.blocked()) {
    queue_.push(entry);
  }
}

std::optional<base::MonotonicTime> Scheduler::next_deadline() const noexcept {
  if (state_->deadlines.empty()) {
    return std::nullopt;
  }
  return state_->deadlines.begin()->first;
}

void Scheduler::expire_deadlines() {
  const base::MonotonicTime now = clock_.now();
  while (!state_->deadlines.empty() && state_->deadlines.begin()->first <= now) {
    internal::SchedulerEntry& entry = *state_->deadlines.begin()->second;
    state_->deadlines.erase(state_->deadlines.begin());
    entry.deadline.reset();
    entry.fiber.kill(EndReason::kWallTimeLimit, "the guest's time is over");
  }
}

}  // namespace selvedge::engine
