#include "engine/scheduler.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "engine/instance.h"
#include "engine/internal/scheduler_entry.h"
#include "engine/internal/work_member.h"

namespace selvedge::engine {
struct Scheduler::State {
  std::set<std::pair<base::MonotonicTime, internal::SchedulerEntry*>> deadlines;
  std::size_t fiber_count = 0;
  // Fibers that are away.
  std::vector<internal::SchedulerEntry*> lent;
  // A slice is running: the event loop is awake and will ask has_work() by itself.
  bool in_slice = false;
};

Scheduler::Scheduler(EpochTicker& ticker, const base::Clock& clock, std::function<void()> on_work,
                     const CpuClock* cpu_clock, WorkSharingMembership membership)
    : clock_(clock),
      cpu_clock_(cpu_clock),
      on_work_(std::move(on_work)),
      slot_(ticker),
      state_(std::make_unique<State>()) {
  native::selvedge_engine_prepare_thread();
  if (membership.sharing != nullptr) {
    member_ = std::make_unique<internal::WorkMember>(std::move(membership), clock_.now());
    member_->set_idle(true);
  }
}

Scheduler::~Scheduler() { SELVEDGE_ASSERT(state_->fiber_count == 0); }

std::size_t Scheduler::parallelism() const noexcept {
  return member_ != nullptr ? member_->sharing().parallelism() : 1;
}

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
  if (entry.loan != nullptr) {
    internal::WorkMember::recall(*entry.loan);
    fiber.charge(end_loan(entry)->used);
  }
  queue_.detach(entry);
  if (entry.deadline) {
    state_->deadlines.erase({*entry.deadline, &entry});
  }
  fiber.scheduler_ = nullptr;
  fiber.scheduler_entry_.reset();
  --state_->fiber_count;
}

void Scheduler::recall_group_of(const Fiber& fiber) noexcept {
  const RunQueue::Group* const group = fiber.scheduler_entry_->group.get();
  // Taking one home changes the list.
  for (internal::SchedulerEntry* const entry : std::vector(state_->lent)) {
    if (entry->group.get() == group) {
      internal::WorkMember::recall(*entry->loan);
      settle_loan(*entry);
    }
  }
}

bool Scheduler::has_work() const noexcept {
  return !queue_.empty() || (member_ != nullptr && member_->has_work());
}

void Scheduler::make_ready(Fiber& fiber) noexcept {
  internal::SchedulerEntry& entry = *fiber.scheduler_entry_;
  if (entry.loan != nullptr) {
    // It is running, so that only its end is worth asking for it.
    if (fiber.kill_ != nullptr) {
      entry.loan->recalled.store(true, std::memory_order_relaxed);
    }
    return;
  }
  const bool was_empty = queue_.empty();
  queue_.push(entry);
  if (was_empty && member_ != nullptr) {
    member_->set_idle(false);
  }
  if (was_empty && !state_->in_slice && on_work_) {
    on_work_();
  }
}

void Scheduler::run_slice() {
  if (member_ != nullptr) {
    receive_returned();
  }
  RunQueue::Entry* next = queue_.pop();
  if (next == nullptr) {
    run_borrowed();
    return;
  }
  if (member_ != nullptr) {
    member_->give_all_back();
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
    report_done(entry);
  } else if (!fiber.blocked() && !(status == FiberStatus::kYielded && lend(entry))) {
    queue_.push(entry);
  }
  if (member_ != nullptr) {
    member_->set_idle(queue_.empty());
  }
}

void Scheduler::report_done(internal::SchedulerEntry& entry) {
  FiberOwner& owner = entry.owner;
  Fiber& fiber = entry.fiber;
  remove(fiber);
  owner.fiber_done(fiber);
}

bool Scheduler::lend(internal::SchedulerEntry& entry) {
  // Alone it is as well off here.
  if (member_ == nullptr || queue_.empty() || !entry.may_be_lent || !entry.fiber.may_leave()) {
    return false;
  }
  const base::Duration at_most = std::min(kLoanMax, entry.fiber.cpu_time_left());
  entry.loan = member_->lend(entry, entry.fiber.native_, at_most, clock_.now());
  if (entry.loan == nullptr) {
    return false;
  }
  state_->lent.push_back(&entry);
  return true;
}

void Scheduler::run_borrowed() {
  if (member_ == nullptr) {
    return;
  }
  if (internal::LoanPointer loan = member_->begin_slice()) {
    const base::Duration cpu_begin =
        cpu_clock_ != nullptr ? cpu_clock_->thread_time() : base::Duration{};
    const base::MonotonicTime begin = clock_.now();
    native::FiberStatus status;
    {
      const EpochTicker::Running running(slot_);
      status = native::selvedge_fiber_poll_away(loan->fiber);
    }
    const base::Duration lasted = clock_.now() - begin;
    const base::Duration used =
        cpu_clock_ != nullptr ? cpu_clock_->thread_time() - cpu_begin : lasted;
    member_->end_slice(std::move(loan), status, used, lasted);
  }
  member_->set_idle(!member_->has_borrowed());
}

internal::LoanPointer Scheduler::end_loan(internal::SchedulerEntry& entry) noexcept {
  std::erase(state_->lent, &entry);
  entry.loan->entry = nullptr;
  return std::exchange(entry.loan, nullptr);
}

void Scheduler::settle_loan(internal::SchedulerEntry& entry) noexcept {
  const internal::LoanPointer loan = end_loan(entry);
  // The queue is charged nothing: nobody here had to wait for it.
  queue_.charge(entry, {}, loan->status == native::FiberStatus::Suspended);
  entry.fiber.charge(loan->used);
  entry.fiber.came_home(loan->status);
  queue_.push(entry);
}

void Scheduler::receive_returned() {
  for (const internal::LoanPointer& loan : member_->receive()) {
    if (loan->entry != nullptr) {
      settle_loan(*loan->entry);
    }
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
