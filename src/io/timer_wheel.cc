#include "io/timer_wheel.h"

#include <algorithm>
#include <bit>

namespace selvedge::io {
namespace {

constexpr std::uint64_t kSlotMask = TimerWheel::kSlots - 1;
// Ticks that the wheel spans; a timer further away waits in the farthest slot and is put back.
constexpr std::uint64_t kSpanTicks = std::uint64_t{1}
                                     << (TimerWheel::kLevels * TimerWheel::kSlotBits);

}  // namespace

void TimerWheel::arm(Timer& timer, base::MonotonicTime when) noexcept {
  timer.unlink();
  const base::Duration since_start = when - start_;
  // Rounded up: never early.
  timer.tick_ = since_start.count() <= 0 ? 0
                                         : (static_cast<std::uint64_t>(since_start.count()) - 1) /
                                                   static_cast<std::uint64_t>(kTick.count()) +
                                               1;
  insert(timer);
}

void TimerWheel::insert(Timer& timer) noexcept {
  if (timer.tick_ <= current_) {
    due_.push_back(timer);
    return;
  }
  const std::uint64_t distance = std::min(timer.tick_ - current_, kSpanTicks - 1);
  const std::uint64_t tick = current_ + distance;
  const auto level_index = static_cast<unsigned>(std::bit_width(distance) - 1) / kSlotBits;
  Level& level = levels_[level_index];
  const std::uint64_t slot = (tick >> (level_index * kSlotBits)) & kSlotMask;
  level.slots[slot].push_back(timer);
  level.occupied |= std::uint64_t{1} << slot;
}

std::uint64_t TimerWheel::next_tick() noexcept {
  std::uint64_t next = kNever;
  for (unsigned index = 0; index < kLevels; ++index) {
    Level& level = levels_[index];
    const unsigned shift = index * kSlotBits;
    const std::uint64_t position = current_ >> shift;
    while (level.occupied != 0) {
      // The slots in the order in which time reaches them: the one after ours first, ours last.
      const auto offset = static_cast<int>((position + 1) & kSlotMask);
      const auto skipped =
          static_cast<std::uint64_t>(std::countr_zero(std::rotr(level.occupied, offset)));
      const std::uint64_t slot = (position + 1 + skipped) & kSlotMask;
      if (level.slots[slot].empty()) {  // all of its timers were cancelled
        level.occupied &= ~(std::uint64_t{1} << slot);
        continue;
      }
      next = std::min(next, (position + 1 + skipped) << shift);
      break;
    }
  }
  return next;
}

std::optional<base::MonotonicTime> TimerWheel::next_advance() noexcept {
  const std::uint64_t tick = due_.empty() ? next_tick() : current_;
  if (tick == kNever) {
    return std::nullopt;
  }
  return start_ + kTick * static_cast<base::Duration::rep>(tick);
}

void TimerWheel::fire_all(internal::List<Timer>& list) noexcept {
  // A callback may arm, cancel or destroy any timer, those of this list included; what it makes due
  // at once waits for the next advance().
  internal::List<Timer> firing;
  firing.splice_back(list);
  while (Timer* timer = firing.pop_front()) {
    timer->callback_(*timer);
  }
}

void TimerWheel::process_tick() noexcept {
  for (unsigned index = kLevels - 1; index > 0; --index) {
    const unsigned shift = index * kSlotBits;
    if ((current_ & ((std::uint64_t{1} << shift) - 1)) != 0) {
      continue;
    }
    const std::uint64_t slot = (current_ >> shift) & kSlotMask;
    internal::List<Timer> moving;
    moving.splice_back(levels_[index].slots[slot]);
    levels_[index].occupied &= ~(std::uint64_t{1} << slot);
    while (Timer* timer = moving.pop_front()) {
      insert(*timer);
    }
  }
  const std::uint64_t slot = current_ & kSlotMask;
  levels_[0].occupied &= ~(std::uint64_t{1} << slot);
  due_.splice_back(levels_[0].slots[slot]);
}

void TimerWheel::advance(base::MonotonicTime now) noexcept {
  const base::Duration since_start = now - start_;
  const std::uint64_t target = since_start.count() <= 0
                                   ? 0
                                   : static_cast<std::uint64_t>(since_start.count()) /
                                         static_cast<std::uint64_t>(kTick.count());
  while (current_ < target) {
    current_ = std::min(next_tick(), target);
    process_tick();
  }
  fire_all(due_);
}

}  // namespace selvedge::io
