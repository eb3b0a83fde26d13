#include "node/rate_limiter.h"

#include <gtest/gtest.h>

#include "base/format.h"

namespace selvedge::node {
namespace {

using namespace std::chrono_literals;

struct ManualClock final : base::Clock {
  base::MonotonicTime now() const noexcept override { return time; }
  base::WallTime wall_now() const noexcept override { return {}; }
  base::MonotonicTime time{1h};
};

TEST(RateLimiter, ABurst_ThenOneEachTimeItSays) {
  ManualClock clock;
  RateLimiter limiter(clock, {.per_second = 2, .burst = 3});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(limiter.take("a"), std::nullopt);
  }
  EXPECT_EQ(limiter.take("a"), 500ms);
  EXPECT_EQ(limiter.wait_of("a"), 500ms);
  EXPECT_EQ(limiter.take("b"), std::nullopt);
  clock.time += 499ms;
  EXPECT_NE(limiter.take("a"), std::nullopt);
  clock.time += 1ms;
  EXPECT_EQ(limiter.take("a"), std::nullopt);
  EXPECT_NE(limiter.take("a"), std::nullopt);
  clock.time += 1h;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(limiter.take("a"), std::nullopt);
  }
  EXPECT_NE(limiter.take("a"), std::nullopt);
}

TEST(RateLimiter, AskingOnly_TakesNothing) {
  ManualClock clock;
  RateLimiter limiter(clock, {.per_second = 1, .burst = 1});
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(limiter.wait_of("a"), std::nullopt);
  }
  EXPECT_EQ(limiter.size(), 0U);
}

TEST(RateLimiter, HoweverManyNames_TheTableIsBounded) {
  ManualClock clock;
  RateLimiter limiter(clock, {.per_second = 0.001, .burst = 1}, 100);
  for (int i = 0; i < 10'000; ++i) {
    clock.time += 1ms;
    limiter.take(fmt::format("{}", i));
    // Who came last is remembered.
    EXPECT_NE(limiter.wait_of(fmt::format("{}", i)), std::nullopt);
    EXPECT_LE(limiter.size(), 100U);
  }
}

TEST(RateLimiter, FullBuckets_GoFirst) {
  ManualClock clock;
  RateLimiter limiter(clock, {.per_second = 1, .burst = 10}, 10);
  for (int i = 0; i < 10; ++i) {
    limiter.take("busy");
  }
  for (int i = 0; i < 9; ++i) {
    limiter.take(fmt::format("{}", i));
  }
  clock.time += 2s;
  limiter.take("new");
  EXPECT_EQ(limiter.size(), 2U);
}

}  // namespace
}  // namespace selvedge::node
