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

namespace selvedge::engine {

// Told when a fiber is done.
class FiberOwner {
 public:
  virtual ~FiberOwner() = default;
  // `fiber` is done and no longer in the scheduler; it may be destroyed here.
  virtual void fiber_done(Fiber& fiber) = 0;
};

struct FiberOptions {
  // Whose turns it takes: one of the workload's. None: its own, of tenant 0.
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
  // loop does not go to sleep. All outlive the scheduler. Construct it on its thread.
  Scheduler(EpochTicker& ticker, const base::Clock& clock, std::function<void()> on_work = {},
            const CpuClock* cpu_clock = nullptr);
  // Every fiber is done or removed before.
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Makes the fiber ready to run. Fiber and owner outlive its completion or removal.
  void start(Fiber& fiber, FiberOwner& owner, const FiberOptions& options);
  // Forgets a fiber without ending it; it is no longer run nor reported. Destroying a fiber removes
  // it by itself.
  void remove(Fiber& fiber) noexcept;

  bool has_work() const noexcept { return !queue_.empty(); }
  // Runs the next fiber for one slice. Does nothing without work.
  void run_slice();

  // The earliest deadline of a fiber, for the event loop's timer; and what to call when it passed.
  std::optional<base::MonotonicTime> next_deadline() const noexcept;
  void expire_deadlines();

  std::size_t fiber_count() const noexcept;

 private:
  friend class Fiber;
  struct State;
  void make_ready(Fiber& fiber) noexcept;

  const base::Clock& clock_;
  const CpuClock* cpu_clock_;
  std::function<void()> on_work_;
  EpochTicker::Slot slot_;
  RunQueue queue_;
  std::unique_ptr<State> state_;
};

}  // namespace selvedge::engine
