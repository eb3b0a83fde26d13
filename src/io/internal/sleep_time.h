#pragma once

#include <atomic>
#include <cstdint>

#include "base/clock.h"

namespace selvedge::io::internal {

// How long a thread has slept so far. One thread tells it of each sleep; any thread asks.
class SleepTime {
 public:
  void begin(base::MonotonicTime now) noexcept { set(ended_ - since_zero(now), true); }
  // `now` is not before the sleep's begin. No effect while awake.
  void end(base::MonotonicTime now) noexcept {
    ended_ = so_far(now);
    set(ended_, false);
  }
  base::Duration total(base::MonotonicTime now) const noexcept { return so_far(now); }

 private:
  static base::Duration since_zero(base::MonotonicTime now) noexcept {
    return now.time_since_epoch();
  }
  // Twice the time, and one while asleep: then without what the clock shows, which is added by
  // whoever asks. One word, so that a sleep's begin is never seen without what was before it.
  void set(base::Duration time, bool asleep) noexcept {
    word_.store(time.count() * 2 + (asleep ? 1 : 0), std::memory_order_relaxed);
  }
  base::Duration so_far(base::MonotonicTime now) const noexcept {
    const std::int64_t word = word_.load(std::memory_order_relaxed);
    const bool asleep = (word & 1) != 0;
    return base::Duration(word >> 1) + (asleep ? since_zero(now) : base::Duration{});
  }

  base::Duration ended_{};  // the sleeps that have ended
  std::atomic<std::int64_t> word_{0};
};

}  // namespace selvedge::io::internal
