#pragma once

#include <cstdint>
#include <memory>

#include <native.h>

#include "base/clock.h"
#include "engine/outcome.h"

namespace selvedge::engine {

class HostContext;
class Instance;
class Scheduler;

namespace internal {
struct SchedulerEntry;
}

enum class FiberStatus : unsigned char {
  kBlocked,  // in a host call that waits; poll again after wake()
  kYielded,  // interrupted by the epoch; poll again any time
  kDone,     // see outcome()
};

// One call into a guest, on its own stack. It runs only inside poll(); between polls it is
// suspended. Belongs to one thread at a time (may move between polls). Destroying an unfinished
// fiber ends the guest: its host frames unwind and a waiting PendingCall is destroyed.
class Fiber {
 public:
  // For Instance. Takes over `native`.
  Fiber(Instance& instance, native::Fiber* native) noexcept;
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Runs the guest until it waits, its time slice ends, or it is done. Not from inside itself.
  // Never blocks the thread for longer than a slice (and one block of a bulk memory operation).
  FiberStatus poll();
  // Makes the instance now, and goes no further. False: the fiber is done, because there is none or
  // the module's start function ended, waits or uses up a slice. Before the first poll only, not
  // from inside a fiber.
  bool instantiate();
  // The PendingCall in progress may have advanced. Cheap, from the fiber's own thread only: other
  // threads post to the shard first. Hands the fiber to its scheduler, if it has one.
  void wake() noexcept;
  // The PendingCall in progress, if there is one and it can be, ends early with its own result for
  // that. Own thread only.
  void interrupt() noexcept;
  // Ends the guest for this reason, at the next poll; a fiber that a scheduler holds is polled
  // soon. Own thread only. The first reason counts; no effect when done.
  void kill(EndReason reason, std::string message = {}) noexcept;

  bool done() const noexcept { return done_; }
  // Blocked and not woken: a poll would make no progress.
  bool blocked() const noexcept;
  // How the call ended. Only when done.
  const Outcome& outcome() const noexcept [[clang::lifetimebound]] { return outcome_; }
  Instance& instance() const noexcept [[clang::lifetimebound]] { return instance_; }
  // Time spent inside poll so far, as charged by the scheduler.
  base::Duration cpu_time() const noexcept { return cpu_time_; }
  // Afterwards no fiber of its workload runs on another thread as long as this one's slice lasts.
  void recall_siblings() noexcept;
  // Adds a slice to the fiber's and its instance's time; ends the guest when that passes its limit.
  void charge(base::Duration slice) noexcept;

 private:
  friend class HostContext;
  friend class Scheduler;

  FiberStatus finish(Outcome outcome) noexcept;
  FiberStatus poll_native();
  // What the native fiber has come to.
  FiberStatus settle(native::FiberStatus status);
  // Whether another thread may poll the native fiber, which has just yielded.
  bool may_leave() const noexcept;
  // Another thread has polled it, to this; the next poll goes on from there.
  void came_home(native::FiberStatus status) noexcept { status_away_ = status; }
  // Until it passes its limit.
  base::Duration cpu_time_left() const noexcept;

  Instance& instance_;
  native::Fiber* native_;
  Scheduler* scheduler_ = nullptr;
  // The scheduler's record of this fiber, while it has one.
  std::unique_ptr<internal::SchedulerEntry> scheduler_entry_;
  base::Duration cpu_time_{};
  Outcome outcome_;
  std::unique_ptr<Outcome> kill_;
  bool woken_ = false;
  bool interrupted_ = false;
  bool done_ = false;
  // Suspended (or Homeward): the guest goes on with the next poll.
  native::FiberStatus status_away_ = native::FiberStatus::Suspended;
};

}  // namespace selvedge::engine
