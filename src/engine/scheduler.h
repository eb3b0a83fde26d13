#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "engine/cpu_clock.h"
#include "engine/epoch_ticker.h"
#include "engine/fiber.h"
#include "engine/run_queue.h"
#include "engine/work_sharing.h"

namespace selvedge::engine {

namespace internal {
struct Loan;
struct SchedulerEntry;
class WorkMember;
}  // namespace internal

// Told when a fiber is done.
class FiberOwner {
 public:
  virtual ~FiberOwner() = default;
  // `fiber` is done and no longer in the scheduler; it may be destroyed here.
  virtual void fiber_done(Fiber& fiber) = 0;
};

struct FiberOptions {
  // Whose turns it takes: one of the workload's, as all fibers do that share a memory. None: its
  // own, of tenant 0; it is never lent then.
  std::shared_ptr<RunQueue::Group> group = nullptr;
  // The guest ends with kWallTimeLimit at this time, running or waiting.
  std::optional<base::MonotonicTime> deadline = std::nullopt;
};

// Runs the fibers of one shard, fairly between tenants and their workloads. One thread. Its
// has_work() and run_slice() are what an event loop calls between polling for I/O: a slice lasts at
// most about a tick.
class Scheduler {
 public:
  // `clock` measures slices and deadlines; `cpu_clock`, when given, measures the slices of
  // workloads that had a long one: a thread that was not running itself must not be charged.
  // `on_work` (may be empty) is called when work appears where there was none, so that an event
  // loop does not go to sleep. With a membership it lends fibers to the other members, and runs
  // theirs. All outlive the scheduler. Construct it on its thread.
  Scheduler(EpochTicker& ticker, const base::Clock& clock, std::function<void()> on_work = {},
            const CpuClock* cpu_clock = nullptr, WorkSharingMembership membership = {});
  // Every fiber is done or removed before.
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Makes the fiber ready to run. Fiber and owner outlive its completion or removal.
  void start(Fiber& fiber, FiberOwner& owner, const FiberOptions& options);
  // Forgets a fiber without ending it; it is no longer run nor reported. Destroying a fiber removes
  // it by itself. Waits for the end of its slice when another thread runs it.
  void remove(Fiber& fiber) noexcept;
  // Afterwards no other thread runs a fiber of the fiber's group, until the end of the next slice
  // here, or of the present one. Waits as remove() does.
  void recall_group_of(const Fiber& fiber) noexcept;

  bool has_work() const noexcept;
  // Runs the next fiber for one slice: one of its own, or, when none is ready, another member's.
  // Does nothing without work.
  void run_slice();

  // The earliest deadline of a fiber, for the event loop's timer; and what to call when it passed.
  std::optional<base::MonotonicTime> next_deadline() const noexcept;
  void expire_deadlines();

  std::size_t fiber_count() const noexcept;
  // Threads that can run fibers of one group at once.
  std::size_t parallelism() const noexcept;

 private:
  friend class Fiber;
  struct State;
  void make_ready(Fiber& fiber) noexcept;
  // Lends the fiber, whose slice has ended, if that is of use and somebody takes it.
  bool lend(internal::SchedulerEntry& entry);
  void run_borrowed();
  // The fiber is back.
  std::shared_ptr<internal::Loan> end_loan(internal::SchedulerEntry& entry) noexcept;
  // The same, and takes in what happened to it while it was away.
  void settle_loan(internal::SchedulerEntry& entry) noexcept;
  void receive_returned();
  void report_done(internal::SchedulerEntry& entry);

  const base::Clock& clock_;
  const CpuClock* cpu_clock_;
  std::function<void()> on_work_;
  EpochTicker::Slot slot_;
  RunQueue queue_;
  std::unique_ptr<State> state_;
  // nullptr: it does not take part.
  std::unique_ptr<internal::WorkMember> member_;
};

}  // namespace selvedge::engine
