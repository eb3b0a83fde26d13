#include "io/internal/sleep_time.h"

#include <gtest/gtest.h>

namespace selvedge::io::internal {
namespace {

using namespace std::chrono_literals;

constexpr base::MonotonicTime at(base::Duration time) { return base::MonotonicTime(time); }

TEST(SleepTimeTest, Awake_StandsStill) {
  SleepTime sleep;
  EXPECT_EQ(sleep.total(at(0s)), 0s);
  EXPECT_EQ(sleep.total(at(100s)), 0s);
}

TEST(SleepTimeTest, Asleep_GrowsWithTheClock) {
  SleepTime sleep;
  sleep.begin(at(10s));
  EXPECT_EQ(sleep.total(at(10s)), 0s);
  EXPECT_EQ(sleep.total(at(10s + 1ns)), 1ns);
  EXPECT_EQ(sleep.total(at(12s)), 2s);
}

TEST(SleepTimeTest, Sleeps_AddUp) {
  SleepTime sleep;
  sleep.begin(at(10s));
  sleep.end(at(13s));
  EXPECT_EQ(sleep.total(at(50s)), 3s);
  sleep.begin(at(60s));
  EXPECT_EQ(sleep.total(at(61s)), 4s);
  sleep.end(at(62s + 5ns));
  EXPECT_EQ(sleep.total(at(70s)), 5s + 5ns);
  sleep.end(at(80s));
  EXPECT_EQ(sleep.total(at(90s)), 5s + 5ns) << "it was awake";
}

}  // namespace
}  // namespace selvedge::io::internal
