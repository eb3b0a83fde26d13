#include "base/narrow.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace selvedge::base {
namespace {

TEST(CheckedNarrow, OutOfRange_IsNullopt) {
  EXPECT_EQ(checked_narrow<std::uint8_t>(255), std::uint8_t{255});
  EXPECT_EQ(checked_narrow<std::uint8_t>(256), std::nullopt);
  EXPECT_EQ(checked_narrow<std::uint32_t>(-1), std::nullopt);
  EXPECT_EQ(checked_narrow<std::int32_t>(std::uint64_t{1} << 31U), std::nullopt);
}

TEST(NarrowDeathTest, OutOfRange_Aborts) {
  EXPECT_DEATH(narrow<std::int8_t>(200), "assertion failed");
}

}  // namespace
}  // namespace selvedge::base
