#include "engine/work_sharing.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "engine/internal/work_member.h"

namespace selvedge::engine {

void WorkSharing::join(std::shared_ptr<internal::LoanMailbox> mailbox) {
  const std::lock_guard lock(mutex_);
  members_.push_back(std::move(mailbox));
}

void WorkSharing::leave(const internal::LoanMailbox& mailbox) noexcept {
  const std::lock_guard lock(mutex_);
  std::erase_if(members_, [&](const auto& member) { return member.get() == &mailbox; });
}

void WorkSharing::set_reserve(std::function<void()> reserve, std::size_t threads_max) {
  const std::lock_guard lock(mutex_);
  reserve_ = std::move(reserve);
  reserve_threads_ = threads_max;
}

std::size_t WorkSharing::parallelism() noexcept {
  const std::lock_guard lock(mutex_);
  // The reserve's threads join one by one.
  return std::max(members_.size(), reserve_threads_ + 1);
}

namespace internal {

bool LoanMailbox::deliver(std::vector<LoanPointer> Mail::* to, LoanPointer loan) {
  const std::lock_guard lock(mutex_);
  if (!open_) {
    return false;
  }
  (mail_.*to).push_back(std::move(loan));
  has_mail_.store(true, std::memory_order_release);
  wake_();
  return true;
}

bool LoanMailbox::offer(LoanPointer loan) { return deliver(&Mail::offered, std::move(loan)); }

void LoanMailbox::give_back(LoanPointer loan) { deliver(&Mail::returned, std::move(loan)); }

LoanMailbox::Mail LoanMailbox::take_mail() {
  const std::lock_guard lock(mutex_);
  has_mail_.store(false, std::memory_order_relaxed);
  return std::exchange(mail_, {});
}

bool LoanMailbox::has_been_idle(base::MonotonicTime now) {
  const base::Duration measured = now - measured_at_;
  if (time_asleep_ != nullptr && measured >= kIdleMeasurementMin) {
    const base::Duration idle =
        time_asleep_() + base::Duration(computed_for_others_.load(std::memory_order_relaxed));
    has_been_idle_ = (idle - measured_idle_) * 100 >= measured * kIdlePercentMin;
    measured_at_ = now;
    measured_idle_ = idle;
  }
  return has_been_idle_;
}

LoanMailbox::Mail LoanMailbox::close() {
  const std::lock_guard lock(mutex_);
  open_ = false;
  wake_ = nullptr;
  return std::exchange(mail_, {});
}

namespace {

void give_back(LoanPointer loan) {
  {
    const std::lock_guard lock(loan->mutex);
    loan->state = Loan::State::kBack;
    // Under the lock: whoever waits may destroy the loan as soon as it has it.
    loan->came_back.notify_all();
  }
  LoanMailbox& home = *loan->home;
  home.give_back(std::move(loan));
}

}  // namespace

WorkMember::WorkMember(WorkSharingMembership membership, base::MonotonicTime now)
    : sharing_(*membership.sharing),
      mailbox_(std::make_shared<LoanMailbox>(std::move(membership), now)) {
  sharing_.join(mailbox_);
}

WorkMember::~WorkMember() {
  sharing_.leave(*mailbox_);
  LoanMailbox::Mail mail = mailbox_->close();
  for (LoanPointer& loan : mail.offered) {
    give_back(std::move(loan));
  }
  give_all_back();
}

LoanPointer WorkMember::lend(SchedulerEntry& entry, native::Fiber* fiber, base::Duration at_most,
                             base::MonotonicTime now) {
  auto loan = std::make_shared<Loan>();
  loan->entry = &entry;
  loan->fiber = fiber;
  loan->home = mailbox_;
  loan->at_most = at_most;
  const std::lock_guard lock(sharing_.mutex_);
  for (const auto& member : sharing_.members_) {
    if (member != mailbox_ && member->idle().load(std::memory_order_relaxed) &&
        member->has_been_idle(now) && member->idle().exchange(false) && member->offer(loan)) {
      sharing_.loans_.fetch_add(1, std::memory_order_relaxed);
      return loan;
    }
  }
  if (sharing_.reserve_) {
    sharing_.reserve_();
  }
  return nullptr;
}

void WorkMember::recall(Loan& loan) noexcept {
  std::unique_lock lock(loan.mutex);
  if (loan.state == Loan::State::kOffered) {
    loan.state = Loan::State::kBack;
    return;
  }
  loan.recalled.store(true, std::memory_order_relaxed);
  loan.came_back.wait(lock, [&] { return loan.state == Loan::State::kBack; });
}

std::vector<LoanPointer> WorkMember::receive() {
  if (!mailbox_->has_mail()) {
    return {};
  }
  LoanMailbox::Mail mail = mailbox_->take_mail();
  for (LoanPointer& loan : mail.offered) {
    borrowed_.push_back(std::move(loan));
  }
  std::erase_if(mail.returned, [](const LoanPointer& loan) { return loan->entry == nullptr; });
  // Whoever offered has made it false.
  idle_shown_ = mailbox_->idle().load(std::memory_order_relaxed);
  return std::move(mail.returned);
}

LoanPointer WorkMember::begin_slice() {
  while (!borrowed_.empty()) {
    LoanPointer loan = std::move(borrowed_.front());
    borrowed_.erase(borrowed_.begin());
    const std::lock_guard lock(loan->mutex);
    if (loan->state == Loan::State::kOffered) {
      loan->state = Loan::State::kRunning;
      return loan;
    }
  }
  return nullptr;
}

void WorkMember::end_slice(LoanPointer loan, native::FiberStatus status, base::Duration used,
                           base::Duration lasted) {
  mailbox_->add_computed_for_others(lasted);
  sharing_.slices_away_.fetch_add(1, std::memory_order_relaxed);
  loan->status = status;
  loan->used += used;
  if (status == native::FiberStatus::Suspended && loan->used < loan->at_most) {
    const std::lock_guard lock(loan->mutex);
    if (!loan->recalled.load(std::memory_order_relaxed)) {
      loan->state = Loan::State::kOffered;
      borrowed_.push_back(loan);
      return;
    }
  }
  give_back(std::move(loan));
}

void WorkMember::give_all_back() noexcept {
  // Home ignores what it has taken back already.
  for (LoanPointer& loan : borrowed_) {
    give_back(std::move(loan));
  }
  borrowed_.clear();
}

}  // namespace internal
}  // namespace selvedge::engine
