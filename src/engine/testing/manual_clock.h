#pragma once

#include "base/clock.h"

namespace selvedge::engine::testing {

// Shows what a test sets; each look at it moves it on by `step`. One thread.
class ManualClock final : public base::Clock {
 public:
  base::MonotonicTime now() const noexcept override { return base::MonotonicTime(time += step); }
  base::WallTime wall_now() const noexcept override { return {}; }
  mutable base::Duration time{};
  base::Duration step{};
};

}  // namespace selvedge::engine::testing
