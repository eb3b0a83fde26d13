#include "logs/log_time.h"

#include <gtest/gtest.h>

namespace selvedge::logs {
namespace {

TEST(LogTime, Formats) {
  const base::WallTime time(base::Duration(1'764'155'564'123'456'789));
  EXPECT_EQ(format_time(time), "2025-11-26T11:12:44.123456789Z");
  EXPECT_EQ(format_time(time, 3), "2025-11-26T11:12:44.123Z");
  EXPECT_EQ(format_time(time, 0), "2025-11-26T11:12:44Z");
  EXPECT_EQ(format_time(base::WallTime(base::Duration(-1))), "1969-12-31T23:59:59.999999999Z");
}

TEST(LogTime, ParsesWhatRfc3339Allows) {
  const base::WallTime time(base::Duration(1'764'155'564'000'000'000));
  for (const auto* text :
       {"2025-11-26T11:12:44Z", "2025-11-26t11:12:44.000z", "2025-11-26 12:12:44+01:00",
        "2025-11-26T05:42:44-05:30", "2025-11-26T11:12:44.0000000000000Z"}) {
    const auto parsed = parse_time(text);
    ASSERT_TRUE(parsed.has_value()) << text;
    EXPECT_EQ(*parsed, time) << text;
  }
  EXPECT_EQ(*parse_time("2025-11-26T11:12:44.5Z") - time, std::chrono::milliseconds(500));
  EXPECT_EQ(*parse_time("2025-11-26T11:12:44.123456789Z") - time, base::Duration(123'456'789));
}

TEST(LogTime, RefusesTheRest) {
  for (const auto* text : {"", "now", "2025-11-26", "2025-11-26T11:12:44", "2025-13-26T11:12:44Z",
                           "2025-02-29T11:12:44Z", "2025-11-26T24:00:00Z", "2025-11-26T11:60:00Z",
                           "2025-11-26T11:12:44.Z", "2025-11-26T11:12:44Zx", "2025-11-26X11:12:44Z",
                           "2025-11-26T11:12:44+0100", "2025-11-26T11:12:44*01:00",
                           "1969-12-31T23:59:59Z", "9999-01-01T00:00:00Z", "2025-1-26T11:12:44Z"}) {
    EXPECT_FALSE(parse_time(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace selvedge::logs
