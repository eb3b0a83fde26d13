#pragma once

#include <optional>

#include "base/clock.h"
#include "engine/run_queue.h"

namespace selvedge::engine {

class Fiber;
class FiberOwner;

namespace internal {

// What a scheduler keeps for one fiber.
struct SchedulerEntry : RunQueue::Entry {
  SchedulerEntry(Fiber& fiber_in, FiberOwner& owner_in,
                 std::optional<base::MonotonicTime> deadline_in) noexcept
      : fiber(fiber_in), owner(owner_in), deadline(deadline_in) {}
  Fiber& fiber;
  FiberOwner& owner;
  std::optional<base::MonotonicTime> deadline;
};

}  // namespace internal
}  // namespace selvedge::engine
