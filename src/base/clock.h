#pragma once

// Time as an injected capability. Code that needs the time takes a Clock&; the simulator supplies
// one that it drives, and the real one is SystemClock (base/system.h), named only by composition
// roots.

#include <chrono>

namespace selvedge::base {

using Duration = std::chrono::nanoseconds;
// Monotonic: for deadlines and intervals. Its zero has no meaning outside one clock.
using MonotonicTime = std::chrono::time_point<std::chrono::steady_clock, Duration>;
// UTC since 1970: for what leaves the process. May step in either direction.
using WallTime = std::chrono::time_point<std::chrono::system_clock, Duration>;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonotonicTime now() const noexcept = 0;
  virtual WallTime wall_now() const noexcept = 0;
};

}  // namespace selvedge::base
