#pragma once

#include "base/clock.h"

namespace selvedge::engine {

// CPU time of the calling thread, for charging guests on a machine that is shared. A reading is a
// system call: only workloads that take long turns are measured with it.
class CpuClock {
 public:
  virtual ~CpuClock() = default;
  virtual base::Duration thread_time() const noexcept = 0;
};

// CLOCK_THREAD_CPUTIME_ID. Any thread. Named only by composition roots, like base::SystemClock.
class SystemCpuClock final : public CpuClock {
 public:
  base::Duration thread_time() const noexcept override;
};

}  // namespace selvedge::engine
