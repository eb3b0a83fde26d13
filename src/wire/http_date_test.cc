#include "wire/http_date.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace selvedge::wire {
namespace {

class SettableClock final : public base::Clock {
 public:
  base::MonotonicTime now() const noexcept override { return monotonic; }
  base::WallTime wall_now() const noexcept override { return wall; }
  base::WallTime wall;
  base::MonotonicTime monotonic{};
};

std::string format(std::int64_t seconds) {
  const HttpDateText text = format_http_date(base::WallTime(std::chrono::seconds(seconds)));
  return {text.data(), text.size()};
}

TEST(HttpDate_Format, KnownInstants) {
  EXPECT_EQ(format(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");  // RFC 9110 section 5.6.7
  EXPECT_EQ(format(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(format(951782400), "Tue, 29 Feb 2000 00:00:00 GMT");
  EXPECT_EQ(format(9223372036), "Fri, 11 Apr 2262 23:47:16 GMT");
}

TEST(CachedHttpDate_Text, FollowsTheClockInBothDirections) {
  SettableClock clock;
  CachedHttpDate date(clock);
  clock.wall = base::WallTime(std::chrono::milliseconds(1999));
  EXPECT_EQ(date.text(), "Thu, 01 Jan 1970 00:00:01 GMT");
  clock.wall = base::WallTime(std::chrono::seconds(2));
  EXPECT_EQ(date.text(), "Thu, 01 Jan 1970 00:00:01 GMT");  // still the same turn
  clock.monotonic += std::chrono::seconds(1);
  EXPECT_EQ(date.text(), "Thu, 01 Jan 1970 00:00:02 GMT");
  clock.wall = base::WallTime(std::chrono::seconds(1));
  clock.monotonic += std::chrono::seconds(1);
  EXPECT_EQ(date.text(), "Thu, 01 Jan 1970 00:00:01 GMT");
}

}  // namespace
}  // namespace selvedge::wire
