#include "app/instance_scaler.h"

#include <algorithm>
#include <tuple>

#include "base/assert.h"

namespace selvedge::app {
namespace {

using State = InstanceScaler::State;

constexpr unsigned kStateShift = 32;
constexpr std::uint64_t kBusyMask = (std::uint64_t{1} << kStateShift) - 1;

State state_of(std::uint64_t word) noexcept { return static_cast<State>(word >> kStateShift); }
std::size_t busy_of(std::uint64_t word) noexcept { return word & kBusyMask; }
std::uint64_t with_state(std::uint64_t word, State state) noexcept {
  return (word & kBusyMask) | (static_cast<std::uint64_t>(state) << kStateShift);
}
constexpr std::uint32_t bit(State state) noexcept {
  return std::uint32_t{1} << static_cast<unsigned>(state);
}

}  // namespace

InstanceScaler::InstanceScaler(const ScalerOptions& options)
    : options_(options), slots_(std::make_unique<Slot[]>(options.instances_max)) {
  SELVEDGE_ASSERT(options.instances_max >= 1 && options.instances_max <= kInstancesMax);
  SELVEDGE_ASSERT(options.instances_min <= options.instances_max);
  SELVEDGE_ASSERT(options.target >= 1 && options.target <= options.limit);
}

std::optional<std::size_t> InstanceScaler::take(const std::vector<bool>& near,
                                                std::size_t bound) noexcept {
  for (;;) {
    std::optional<std::size_t> best;
    std::uint64_t best_word = 0;
    for (std::size_t i = 0; i < options_.instances_max; ++i) {
      const std::uint64_t word = slots_[i].word.load();
      if (state_of(word) != State::kRunning || busy_of(word) >= bound) {
        continue;
      }
      if (!best.has_value() ||
          std::tuple(busy_of(word), !near[i]) < std::tuple(busy_of(best_word), !near[*best])) {
        best = i;
        best_word = word;
      }
    }
    if (!best.has_value() || slots_[*best].word.compare_exchange_strong(best_word, best_word + 1)) {
      return best;
    }
  }
}

void InstanceScaler::give_back(std::size_t instance, base::MonotonicTime now) noexcept {
  touch(instance, now);  // before it can be found idle
  [[maybe_unused]] const std::uint64_t before = slots_[instance].word.fetch_sub(1);
  SELVEDGE_DCHECK(busy_of(before) > 0);
}

std::optional<std::size_t> InstanceScaler::claim_start(std::size_t waiting,
                                                       base::MonotonicTime now) noexcept {
  while (starts_allowed_) {
    std::size_t requests = waiting;
    std::size_t room = 0;
    bool any_broken = false;
    std::optional<std::size_t> next;
    for (std::size_t i = 0; i < options_.instances_max; ++i) {
      const std::uint64_t word = slots_[i].word.load();
      const State state = state_of(word);
      if (state == State::kRunning || state == State::kStarting) {
        requests += busy_of(word);
        room += options_.target;
      } else if (state == State::kStopped && !next.has_value()) {
        next = i;
      }
      any_broken = any_broken || state == State::kIll || state == State::kDown;
    }
    if (!next.has_value() || requests <= room || (room == 0 && any_broken)) {
      return std::nullopt;
    }
    if (claim(*next, now)) {
      return next;
    }
  }
  return std::nullopt;
}

std::optional<std::size_t> InstanceScaler::claim_kept(base::MonotonicTime now) noexcept {
  std::optional<std::size_t> claimed;
  for (std::size_t i = 0; i < options_.instances_min; ++i) {
    touch(i, now);
    if (!claimed.has_value() && claim(i, now)) {
      claimed = i;
    }
  }
  return claimed;
}

bool InstanceScaler::claim(std::size_t instance, base::MonotonicTime now) noexcept {
  if (!starts_allowed_ || !change(instance, bit(State::kStopped), State::kStarting)) {
    return false;
  }
  touch(instance, now);
  return true;
}

void InstanceScaler::starting(std::size_t instance) noexcept {
  change(instance, bit(State::kStopped) | bit(State::kIll) | bit(State::kDown), State::kStarting);
}

void InstanceScaler::listening(std::size_t instance, base::MonotonicTime now) noexcept {
  touch(instance, now);
  change(instance,
         bit(State::kStopped) | bit(State::kStarting) | bit(State::kIll) | bit(State::kDown),
         State::kRunning);
}

void InstanceScaler::ill(std::size_t instance) noexcept {
  change(instance, bit(State::kStarting) | bit(State::kRunning), State::kIll);
}

void InstanceScaler::down(std::size_t instance) noexcept {
  change(instance, bit(State::kStarting) | bit(State::kRunning), State::kDown);
}

void InstanceScaler::unstarted(std::size_t instance) noexcept {
  change(instance, bit(State::kStarting), State::kStopped);
}

bool InstanceScaler::end_if_idle(std::size_t instance, base::MonotonicTime now,
                                 base::Duration idle_time_max) noexcept {
  for (std::size_t i = instance + 1; i < options_.instances_max; ++i) {
    const State above = state(i);
    if (above != State::kStopped && above != State::kEnding) {
      return false;
    }
  }
  Slot& slot = slots_[instance];
  std::uint64_t word = slot.word.load();
  const State now_is = state_of(word);
  if (busy_of(word) > 0 ||
      (now_is != State::kRunning && now_is != State::kIll && now_is != State::kDown) ||
      now.time_since_epoch() - std::chrono::nanoseconds(slot.used.load()) < idle_time_max) {
    return false;
  }
  // Who has got a request since then changed the word.
  return slot.word.compare_exchange_strong(word, with_state(word, State::kEnding));
}

void InstanceScaler::end(std::size_t instance) noexcept {
  change(instance, ~bit(State::kStopped), State::kEnding);
}

void InstanceScaler::stopped(std::size_t instance) noexcept {
  change(instance, bit(State::kEnding), State::kStopped);
}

InstanceScaler::State InstanceScaler::state(std::size_t instance) const noexcept {
  return state_of(slots_[instance].word.load());
}

std::size_t InstanceScaler::busy(std::size_t instance) const noexcept {
  return busy_of(slots_[instance].word.load());
}

std::size_t InstanceScaler::busy() const noexcept {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < options_.instances_max; ++i) {
    sum += busy(i);
  }
  return sum;
}

bool InstanceScaler::serves() const noexcept {
  for (std::size_t i = 0; i < options_.instances_max; ++i) {
    const State state = this->state(i);
    if (state != State::kStopped && state != State::kDown) {
      return true;
    }
  }
  return false;
}

bool InstanceScaler::change(std::size_t instance, std::uint32_t from, State to) noexcept {
  std::atomic<std::uint64_t>& slot = slots_[instance].word;
  std::uint64_t word = slot.load();
  while ((from & bit(state_of(word))) != 0) {
    if (slot.compare_exchange_weak(word, with_state(word, to))) {
      return true;
    }
  }
  return false;
}

void InstanceScaler::touch(std::size_t instance, base::MonotonicTime now) noexcept {
  slots_[instance].used.store(now.time_since_epoch().count());
}

}  // namespace selvedge::app
