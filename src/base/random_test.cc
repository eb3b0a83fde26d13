#include "base/random.h"

#include <gtest/gtest.h>

#include <array>

#include "base/system.h"

namespace selvedge::base {
namespace {

TEST(SeededRandom, SameSeed_SameSequence) {
  SeededRandom a(42);
  SeededRandom b(42);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(a.next(), b.next());
  }
}

TEST(Random, Below_StaysInRangeAndReachesEveryValue) {
  SeededRandom random(7);
  std::array<int, 5> seen{};
  for (int i = 0; i < 1000; ++i) {
    const auto value = random.below(5);
    ASSERT_LT(value, 5U);
    ++seen.at(value);
  }
  for (const int count : seen) {
    EXPECT_GT(count, 100);
  }
}

TEST(SystemRandom, TwoDraws_Differ) {
  SystemRandom random;
  EXPECT_NE(random.next(), random.next());
}

}  // namespace
}  // namespace selvedge::base
