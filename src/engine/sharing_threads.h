#pragma once

// Threads that do nothing but compute for schedulers that have too much, where there are no other
// shards to do it: a program on a terminal.

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "engine/cpu_clock.h"
#include "engine/epoch_ticker.h"
#include "engine/work_sharing.h"

namespace selvedge::engine {

class SharingThreads {
 public:
  // Starts a thread each time that a scheduler finds nobody to lend to, `threads_max` at most. A
  // system that refuses a thread leaves it at those there are. All outlive this; one for each
  // WorkSharing.
  SharingThreads(WorkSharing& sharing, EpochTicker& ticker, const base::Clock& clock,
                 const CpuClock* cpu_clock, std::size_t threads_max);
  // Ends them; what they have borrowed is given back.
  ~SharingThreads();
  SharingThreads(const SharingThreads&) = delete;
  SharingThreads& operator=(const SharingThreads&) = delete;

 private:
  class Worker;
  void start_one() noexcept;

  WorkSharing& sharing_;
  EpochTicker& ticker_;
  const base::Clock& clock_;
  const CpuClock* cpu_clock_;
  std::size_t threads_max_;
  // Touched with the lock of `sharing_` until the reserve is taken away.
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace selvedge::engine
