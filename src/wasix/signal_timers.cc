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

  void set(base::Duration interval, bool repeats) noexcept {
    interval_ = interval;
    repeats_ = repeats;
    due_ = process_.shard().clock.now() + interval;
    arm();
  }

 private:
  void arm() noexcept { process_.shard().reactor.timers().arm(*this, due_); }
  static void fired(io::Timer& timer) noexcept {
    auto& self = static_cast<SignalTimer&>(timer);
    if (self.repeats_) {
      // Those that were missed are not made up for.
      self.due_ = std::max(self.due_ + self.interval_, self.process_.shard().clock.now());
      self.arm();
    }
    static_cast<void>(self.process_.signal(self.signal_));
  }

  Process& process_;
  Signal signal_;
  base::Duration interval_{};
  base::MonotonicTime due_;
  bool repeats_ = false;
};

SignalTimers::SignalTimers(Process& process) noexcept : process_(process) {}

SignalTimers::~SignalTimers() = default;

Errno SignalTimers::set(Signal signal, Timestamp interval, bool repeats) {
  if (interval == 0) {
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
  timer->set(std::max<base::Duration>(internal::wait_of(interval), kIntervalMin), repeats);
  return Errno::kSuccess;
}

void SignalTimers::clear() noexcept { timers_.clear(); }

}  // namespace selvedge::wasix
