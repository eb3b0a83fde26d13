#include "engine/cpu_clock.h"

#include <ctime>

namespace selvedge::engine {

base::Duration SystemCpuClock::thread_time() const noexcept {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace selvedge::engine
