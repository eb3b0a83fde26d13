#include "base/quantity.h"

#include <gtest/gtest.h>

namespace selvedge::base {
namespace {

TEST(ParseBytes, Table) {
  EXPECT_EQ(*parse_bytes("65536"), 65'536U);
  EXPECT_EQ(*parse_bytes("1K"), 1024U);
  EXPECT_EQ(*parse_bytes("1KB"), 1000U);
  EXPECT_EQ(*parse_bytes("512 mb"), 512'000'000U);
  EXPECT_EQ(*parse_bytes("2GiB"), std::uint64_t{2} << 30);
  for (const char* text :
       {"", "M", "-1", "1  M", "1T", "1.5M", "99999999999999999999", "18446744073709551615K"}) {
    EXPECT_FALSE(parse_bytes(text).has_value()) << text;
  }
}

TEST(ParseDuration, Table) {
  EXPECT_EQ(*parse_duration("500ms"), std::chrono::milliseconds(500));
  EXPECT_EQ(*parse_duration("5m"), std::chrono::minutes(5));
  EXPECT_EQ(*parse_duration("24h"), std::chrono::hours(24));
  EXPECT_EQ(*parse_duration("2d"), std::chrono::hours(48));
  for (const char* text : {"", "5", "0s", "-1s", "1w", "9999999h", "18446744073709551615h"}) {
    EXPECT_FALSE(parse_duration(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace selvedge::base
