#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include <native.h>

#include "base/clock.h"
#include "engine/work_sharing.h"

namespace selvedge::engine::internal {

struct SchedulerEntry;

// A fiber that runs away from home, until it is back.
struct Loan {
  enum class State : unsigned char {
    kOffered,  // nobody runs it
    kRunning,  // the borrower does
    kBack,     // its home may have it again
  };

  // ---- Home's thread only ----
  // nullptr: home has it back already.
  SchedulerEntry* entry = nullptr;

  // ---- Set before it is offered ----
  native::Fiber* fiber = nullptr;
  std::shared_ptr<LoanMailbox> home;
  base::Duration at_most{};

  // ---- Any thread ----
  // Home wants it at the slice's end.
  std::atomic<bool> recalled{false};
  std::mutex mutex;
  std::condition_variable came_back;
  State state = State::kOffered;  // with the mutex

  // ---- The borrower's until it is back, then home's ----
  native::FiberStatus status = native::FiberStatus::Suspended;
  base::Duration used{};
};

using LoanPointer = std::shared_ptr<Loan>;

// Where other threads leave a scheduler's mail. Outlives the scheduler for as long as others know
// it.
class alignas(64) LoanMailbox {
 public:
  LoanMailbox(WorkSharingMembership membership, base::MonotonicTime now)
      : wake_(std::move(membership.wake)),
        time_asleep_(std::move(membership.time_asleep)),
        measured_at_(now) {}

  // False: its scheduler is gone.
  bool offer(LoanPointer loan);
  // No effect when its scheduler is gone, which has taken all its fibers back then.
  void give_back(LoanPointer loan);

  bool has_mail() const noexcept { return has_mail_.load(std::memory_order_acquire); }
  struct Mail {
    std::vector<LoanPointer> offered;
    std::vector<LoanPointer> returned;
  };
  Mail take_mail();
  // Whoever makes it false may offer one loan.
  std::atomic<bool>& idle() noexcept { return idle_; }
  // Whether its thread has been idle for long enough of late (kIdlePercentMin). With the lock of
  // the sharing, of which it is a member.
  bool has_been_idle(base::MonotonicTime now);
  void add_computed_for_others(base::Duration time) noexcept {
    computed_for_others_.fetch_add(time.count(), std::memory_order_relaxed);
  }
  // From now on nothing arrives.
  Mail close();

 private:
  bool deliver(std::vector<LoanPointer> Mail::* to, LoanPointer loan);

  std::atomic<bool> has_mail_{false};
  std::atomic<bool> idle_{false};
  std::mutex mutex_;
  bool open_ = true;
  std::function<void()> wake_;
  Mail mail_;

  // ---- With the lock of the sharing ----
  std::function<base::Duration()> time_asleep_;
  base::MonotonicTime measured_at_;
  base::Duration measured_idle_{};
  bool has_been_idle_ = true;

  std::atomic<std::int64_t> computed_for_others_{0};  // nanoseconds
};

// One scheduler's part in the sharing, on both sides. Its thread only.
class WorkMember {
 public:
  // The membership has a sharing, which outlives it.
  WorkMember(WorkSharingMembership membership, base::MonotonicTime now);
  // Gives back what it has borrowed. Nothing that it has lent is away any more.
  ~WorkMember();
  WorkMember(const WorkMember&) = delete;
  WorkMember& operator=(const WorkMember&) = delete;

  WorkSharing& sharing() const noexcept { return sharing_; }
  bool has_work() const noexcept { return !borrowed_.empty() || mailbox_->has_mail(); }

  // ---- As a lender ----
  // Lends the entry's fiber to a member that is idle, for `at_most`: its loan; nullptr: none is.
  LoanPointer lend(SchedulerEntry& entry, native::Fiber* fiber, base::Duration at_most,
                   base::MonotonicTime now);
  // Waits until the loan is back: no longer than its slice lasts.
  static void recall(Loan& loan) noexcept;
  // What has come back, and not been recalled, since it was last asked; accepts what was offered.
  std::vector<LoanPointer> receive();

  // ---- As a borrower ----
  bool has_borrowed() const noexcept { return !borrowed_.empty(); }
  // Takes a borrowed fiber for a slice, which ends with end_slice(). nullptr: there is none (any
  // more).
  LoanPointer begin_slice();
  // `status` is what polling it away has returned; the guest is charged `used` of the slice's
  // `lasted`.
  void end_slice(LoanPointer loan, native::FiberStatus status, base::Duration used,
                 base::Duration lasted);
  void give_all_back() noexcept;
  // Whether it would borrow.
  void set_idle(bool idle) noexcept {
    if (idle != idle_shown_) {
      idle_shown_ = idle;
      mailbox_->idle().store(idle, std::memory_order_relaxed);
    }
  }

 private:
  WorkSharing& sharing_;
  std::shared_ptr<LoanMailbox> mailbox_;
  std::vector<LoanPointer> borrowed_;
  bool idle_shown_ = false;
};

}  // namespace selvedge::engine::internal
