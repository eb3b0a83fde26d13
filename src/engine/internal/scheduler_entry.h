#pragma once

#include <memory>
#include <optional>

#include "base/clock.h"
#include "engine/internal/work_member.h"
#include "engine/run_queue.h"
#include "engine/scheduler.h"

namespace selvedge::engine::internal {

// What a scheduler keeps for one fiber.
struct SchedulerEntry : RunQueue::Entry {
  SchedulerEntry(Fiber& fiber_in, FiberOwner& owner_in, const FiberOptions& options)
      : fiber(fiber_in),
        owner(owner_in),
        group(options.group != nullptr ? options.group
                                       : std::make_shared<RunQueue::Group>(TenantId{})),
        may_be_lent(options.group != nullptr),
        deadline(options.deadline) {}
  Fiber& fiber;
  FiberOwner& owner;
  std::shared_ptr<RunQueue::Group> group;
  bool may_be_lent;
  std::optional<base::MonotonicTime> deadline;
  // While the fiber is away.
  LoanPointer loan = nullptr;
};

}  // namespace selvedge::engine::internal
