#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/clock.h"

namespace selvedge::wire {

// IMF-fixdate (RFC 9110 section 5.6.7): "Sun, 06 Nov 1994 08:49:37 GMT". Any WallTime from 1970 on.
using HttpDateText = std::array<char, 29>;
HttpDateText format_http_date(base::WallTime time) noexcept;

// The current date as text, formatted once a second; the wall clock is looked at only when the
// monotonic one has moved (which a reactor's does once a turn). One thread.
class CachedHttpDate {
 public:
  explicit CachedHttpDate(const base::Clock& clock) noexcept : clock_(clock) {}
  // Good until the next call.
  std::string_view text() noexcept [[clang::lifetimebound]];

 private:
  const base::Clock& clock_;
  base::MonotonicTime turn_ = base::MonotonicTime::min();
  std::int64_t second_ = -1;
  HttpDateText text_{};
};

}  // namespace selvedge::wire
