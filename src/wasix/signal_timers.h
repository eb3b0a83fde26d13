#pragma once

// Timers that raise signals: proc_raise_interval and proc_raise_interval2, which setitimer(2) and
// alarm(2) of a guest come down to.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

#include "wasix/abi.h"

namespace selvedge::wasix {

class Process;

// Of one process; one timer for each signal. One shard's thread.
class SignalTimers {
 public:
  // At once, as many as setitimer(2) has: each costs time that no guest is charged for.
  static constexpr std::size_t kTimersMax = 3;
  // A shorter interval is this long.
  static constexpr std::chrono::milliseconds kIntervalMin{1};

  // In nanoseconds, as itimerval of setitimer(2): until the next signal, 0: there is none; between
  // the ones behind it, 0: there are none.
  struct Schedule {
    Timestamp first = 0;
    Timestamp interval = 0;
  };

  explicit SignalTimers(Process& process) noexcept;
  ~SignalTimers();
  SignalTimers(const SignalTimers&) = delete;
  SignalTimers& operator=(const SignalTimers&) = delete;

  // Replaces the timer of that signal. kAgain: kTimersMax run already.
  Errno set(Signal signal, const Schedule& schedule);
  // What is left of it.
  Schedule schedule(Signal signal) const noexcept;
  void clear() noexcept;

 private:
  class SignalTimer;

  Process& process_;
  std::map<Signal, std::unique_ptr<SignalTimer>> timers_;
};

}  // namespace selvedge::wasix
