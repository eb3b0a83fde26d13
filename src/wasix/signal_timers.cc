#include "wasix/signal_timers.h"

#include <algorithm>

#include "base/clock.h"
#include "io/timer_wheel.h"
#include "wasix/internal/blocking.h"
#include "wasix/process.h"

namespace selvedge::wasix {

class SignalTimers::SignalTimer final : public io::Timer {
 public:
  SignalTimer(Process& process, Signal signal) noexcept
      : Timer(&SignalTimer::fired), process_(process), signal_(signal) {}

  void set(base::Duration first, base::Duration interval) noexcept {
    interval_ = interval;
    due_ = process_.shard().clock.now() + first;
    arm();
  }
  Schedule schedule() const noexcept {
    if (!armed()) {
      return {};
    }
    // One that is due has not fired yet: it is no stopped one.
    const auto left = std::max(due_ - process_.shard().clock.now(), base::Duration(1));
    return {.first = static_cast<Timestamp>(left.count()),
            .interval = static_cast<Timestamp>(interval_.count())};
  }

 private:
  void arm() noexcept { process_.shard().reactor.timers().arm(*this, due_); }
  static void fired(io::Timer& timer) noexcept {
    auto& self = static_cast<SignalTimer&>(timer);
    if (self.interval_ != base::Duration::zero()) {
      // Those that were missed are not made up for.
      self.due_ = std::max(self.due_ + self.interval_, self.process_.shard().clock.now());
      self.arm();
    }
    static_cast<void>(self.process_.signal(self.signal_));
  }

  Process& process_;
  Signal signal_;
  base::Duration interval_{};  // zero: once
  base::MonotonicTime due_;
};

SignalTimers::SignalTimers(Process& process) noexcept : process_(process) {}

SignalTimers::~SignalTimers() = default;

Errno SignalTimers::set(Signal signal, const Schedule& schedule) {
  if (schedule.first == 0) {
    timers_.erase(signal);
    return Errno::kSuccess;
  }
  std::erase_if(timers_, [](const auto& entry) { return !entry.second->armed(); });
  if (timers_.size() == kTimersMax && !timers_.contains(signal)) {
    return Errno::kAgain;
  }
  std::unique_ptr<SignalTimer>& timer = timers_[signal];
  if (timer == nullptr) {
    timer = std::make_unique<SignalTimer>(process_, signal);
  }
  const auto bounded = [](Timestamp time) {
    return time == 0 ? base::Duration::zero()
                     : std::max<base::Duration>(internal::wait_of(time), kIntervalMin);
  };
  timer->set(bounded(schedule.first), bounded(schedule.interval));
  return Errno::kSuccess;
}

SignalTimers::Schedule SignalTimers::schedule(Signal signal) const noexcept {
  const auto found = timers_.find(signal);
  return found != timers_.end() ? found->second->schedule() : Schedule{};
}

void SignalTimers::clear() noexcept { timers_.clear(); }

}  // namespace selvedge::wasix
