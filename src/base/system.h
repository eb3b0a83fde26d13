#pragma once

// The real clock and the real random source. Only composition roots (cli/, node/, tests of this
// file) name them; everything else takes Clock& and Random&.

#include "base/clock.h"
#include "base/random.h"

namespace selvedge::base {

// CLOCK_MONOTONIC and CLOCK_REALTIME. Any thread.
class SystemClock final : public Clock {
 public:
  MonotonicTime now() const noexcept override;
  WallTime wall_now() const noexcept override;
};

// getrandom(2). Any thread.
class SystemRandom final : public Random {
 public:
  void fill(MutableByteSpan bytes) noexcept override;
};

}  // namespace selvedge::base
