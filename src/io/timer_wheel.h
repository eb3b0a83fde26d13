#pragma once

// Timers with constant-time arm and cancel. A connection arms and cancels one per request, so a
// timer is a member of what it times (no allocation) and sits in a slot of a hierarchical wheel:
// kLevels levels of 64 slots, the lowest with slots of one tick (1 ms), each next one 64 times
// coarser. A timer moves to a finer level at most kLevels - 1 times in its life.

#include <array>
#include <cstdint>
#include <limits>
#include <optional>

#include "base/clock.h"
#include "io/internal/intrusive_list.h"

namespace selvedge::io {

class TimerWheel;

// One thread: that of its wheel's reactor. Destroying an armed timer cancels it.
class Timer : public internal::ListNode {
 public:
  // Called from the reactor's loop when the time has come; the timer is disarmed then and may be
  // armed again, or destroyed, by the callback.
  using Callback = void (*)(Timer& timer) noexcept;

  explicit Timer(Callback callback) noexcept : callback_(callback) {}
  bool armed() const noexcept { return linked(); }
  void cancel() noexcept { unlink(); }

 private:
  friend class TimerWheel;
  Callback callback_;
  std::uint64_t tick_ = 0;
};

class TimerWheel {
 public:
  static constexpr base::Duration kTick = std::chrono::milliseconds(1);
  static constexpr unsigned kLevels = 5;
  static constexpr unsigned kSlotBits = 6;
  static constexpr unsigned kSlots = 1U << kSlotBits;

  explicit TimerWheel(base::MonotonicTime start) noexcept : start_(start) {}

  // Arms `timer` to fire in the first advance() at or after `when`, never earlier. Arming an armed
  // timer moves it. A time in the past fires in the next advance().
  void arm(Timer& timer, base::MonotonicTime when) noexcept;
  // Fires everything that is due at `now`, in order of their ticks.
  void advance(base::MonotonicTime now) noexcept;
  // When to call advance() next: not later than the first timer is due (it may be earlier, when
  // timers must move to a finer level); nullopt when no timer is armed.
  std::optional<base::MonotonicTime> next_advance() noexcept;

 private:
  static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
  struct Level {
    std::uint64_t occupied = 0;  // bit per slot; a set bit may be stale, a clear one never is
    std::array<internal::List<Timer>, kSlots> slots;
  };

  void insert(Timer& timer) noexcept;
  std::uint64_t next_tick() noexcept;
  void process_tick() noexcept;
  void fire_all(internal::List<Timer>& list) noexcept;

  base::MonotonicTime start_;
  std::uint64_t current_ = 0;  // every timer with tick <= current_ has fired or is in due_
  internal::List<Timer> due_;
  std::array<Level, kLevels> levels_;
};

}  // namespace selvedge::io
