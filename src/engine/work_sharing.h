#pragma once

// Lets shards that have nothing to run compute for one that has too much.
//
// A fiber has one scheduler for life, its home: there run its host functions, and there is all that
// its workload has on the host. What the guest computes between two host calls any thread can do.
// So a scheduler with more ready fibers than it can run lends one whose slice has ended, and that
// shares its memory with others, to a scheduler that has none. That one runs it until the
// guest needs its home, has had kLoanMax, is asked for, or the borrower has guests of its own.
//
// Every loan is a message between two threads: fibers that come home for each small thing stay
// there for a whole slice, so that they do not pay for it more often than once in a slice.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/clock.h"

namespace selvedge::engine {

namespace internal {
class LoanMailbox;
class WorkMember;
}  // namespace internal

// How long a borrower keeps a fiber without asking. Limits on CPU time may be passed by so much for
// each fiber that is lent.
inline constexpr base::Duration kLoanMax = std::chrono::milliseconds(16);
// Who borrows has had nothing else to do for this share of the time: the answers of a thread that
// serves connections would wait for each slice of a guest that is not its own.
inline constexpr std::int64_t kIdlePercentMin = 90;
// That share is measured over at least this long.
inline constexpr base::Duration kIdleMeasurementMin = std::chrono::milliseconds(5);

// What the schedulers of one engine have in common. Any thread. Outlives them.
class WorkSharing {
 public:
  WorkSharing() noexcept = default;
  WorkSharing(const WorkSharing&) = delete;
  WorkSharing& operator=(const WorkSharing&) = delete;

  // What is called, with a lock held, when a fiber could be lent and no scheduler is idle; another
  // one may join later. `threads_max`: how many may, in all. At most one reserve; nullptr takes it
  // away, after which it is not called any more.
  void set_reserve(std::function<void()> reserve, std::size_t threads_max = 0);

  // Threads that can run fibers of one workload at once, the home's included.
  std::size_t parallelism() noexcept;

  // Times that a fiber was lent, and slices that fibers have run away from home, so far.
  std::uint64_t loans() const noexcept { return loans_.load(std::memory_order_relaxed); }
  std::uint64_t slices_away() const noexcept {
    return slices_away_.load(std::memory_order_relaxed);
  }

 private:
  friend class internal::WorkMember;
  void join(std::shared_ptr<internal::LoanMailbox> mailbox);
  void leave(const internal::LoanMailbox& mailbox) noexcept;

  std::mutex mutex_;
  std::vector<std::shared_ptr<internal::LoanMailbox>> members_;
  std::function<void()> reserve_;
  std::size_t reserve_threads_ = 0;
  std::atomic<std::uint64_t> loans_{0};
  std::atomic<std::uint64_t> slices_away_{0};
};

// How a scheduler takes part.
struct WorkSharingMembership {
  // nullptr: it does not.
  WorkSharing* sharing = nullptr;
  // Makes the scheduler's thread ask has_work() soon. Called on any thread, with a lock held: it
  // must not call back. Until the scheduler is gone.
  std::function<void()> wake = {};
  // How long the thread has slept so far; called like wake(). A thread that does little else but
  // sleep, and compute for others, borrows. Empty: nobody asks what else it does.
  std::function<base::Duration()> time_asleep = {};
};

}  // namespace selvedge::engine
