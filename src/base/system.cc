#include "base/system.h"

#include <sys/random.h>

#include <cerrno>

#include "base/assert.h"

namespace selvedge::base {

MonotonicTime SystemClock::now() const noexcept { return std::chrono::steady_clock::now(); }
WallTime SystemClock::wall_now() const noexcept { return std::chrono::system_clock::now(); }

void SystemRandom::fill(MutableByteSpan bytes) noexcept {
  while (!bytes.empty()) {
    const ssize_t count = ::getrandom(bytes.data(), bytes.size(), 0);
    if (count < 0) {
      SELVEDGE_ASSERT(errno == EINTR);
      continue;
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

}  // namespace selvedge::base
