#include "app/cron_schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <ctime>
#include <string>

#include "base/format.h"
#include "base/random.h"

// Goal: the times that a schedule names, at the ends of hours, months and years, and in leap years.
// Method: times as text; a slow second opinion that looks at every minute.

namespace selvedge::app {
namespace {

using ::testing::HasSubstr;

base::WallTime time_of(int year, unsigned month, unsigned day, int hour, int minute,
                       int second = 0) {
  const std::chrono::sys_days date(std::chrono::year(year) / std::chrono::month(month) /
                                   std::chrono::day(day));
  return base::WallTime(date.time_since_epoch() + std::chrono::hours(hour) +
                        std::chrono::minutes(minute) + std::chrono::seconds(second));
}

std::tm parts_of(base::WallTime time) {
  const std::time_t seconds =
      std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  return parts;
}

std::string text_of(base::WallTime time) {
  const std::tm parts = parts_of(time);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

CronSchedule schedule_of(std::string_view text) {
  auto parsed = CronSchedule::parse(text);
  EXPECT_TRUE(parsed.has_value()) << text << ": " << parsed.error().message();
  return *std::move(parsed);
}

std::string next(std::string_view schedule, base::WallTime after) {
  return text_of(*schedule_of(schedule).next(after));
}

std::string error_of(std::string_view text) {
  const auto parsed = CronSchedule::parse(text);
  return parsed.has_value() ? "" : parsed.error().message();
}

TEST(CronSchedule, EveryMinute_IsTheNextOneAndNeverTheSame) {
  EXPECT_EQ(next("* * * * *", time_of(2026, 11, 26, 8, 15)), "2026-11-26 08:16:00");
  EXPECT_EQ(next("* * * * *", time_of(2026, 11, 26, 8, 15, 59)), "2026-11-26 08:16:00");
  EXPECT_EQ(next("* * * * *", time_of(2026, 12, 31, 23, 59, 59)), "2027-01-01 00:00:00");
}

TEST(CronSchedule, ListsRangesStepsAndNames_AreWhatTheySay) {
  const auto from = time_of(2026, 11, 26, 8, 15);  // a Thursday
  EXPECT_EQ(next("*/20 * * * *", from), "2026-11-26 08:20:00");
  EXPECT_EQ(next("5,25-30/2,50 * * * *", from), "2026-11-26 08:25:00");
  EXPECT_EQ(next("10-40/15 9-17 * * *", from), "2026-11-26 09:10:00");
  EXPECT_EQ(next("30/10 8 * * *", from), "2026-11-26 08:30:00");
  EXPECT_EQ(next("0 6 * JAN-feb *", from), "2027-01-01 06:00:00");
  EXPECT_EQ(next("0 6 * * mon", from), "2026-11-30 06:00:00");
  EXPECT_EQ(next("0 6\t*  * Sat,SUN", from), "2026-11-28 06:00:00");
  EXPECT_EQ(next("0 6 * * 7", from), "2026-11-29 06:00:00");
  EXPECT_EQ(next("0 6 * * 0", from), "2026-11-29 06:00:00");
  EXPECT_EQ(next("0 6 * * sat-sun", time_of(2026, 11, 28, 7, 0)), "2026-11-29 06:00:00");
}

TEST(CronSchedule, Abbreviations_AreTheirFields) {
  EXPECT_EQ(schedule_of("@hourly"), schedule_of("0 * * * *"));
  EXPECT_EQ(schedule_of("@daily"), schedule_of("0 0 * * *"));
  EXPECT_EQ(schedule_of("@midnight"), schedule_of("@daily"));
  EXPECT_EQ(schedule_of("@weekly"), schedule_of("0 0 * * 0"));
  EXPECT_EQ(schedule_of("@monthly"), schedule_of("0 0 1 * *"));
  EXPECT_EQ(schedule_of("@yearly"), schedule_of("0 0 1 1 *"));
  EXPECT_EQ(schedule_of("@annually"), schedule_of("@yearly"));
}

TEST(CronSchedule, TwoRestrictedDayFields_MatchEitherDay) {
  const auto from = time_of(2026, 11, 1, 0, 0);
  EXPECT_EQ(next("0 0 13 * fri", from), "2026-11-06 00:00:00");
  EXPECT_EQ(next("0 0 13 * fri", time_of(2026, 12, 11, 0, 0)), "2026-12-13 00:00:00");
}

TEST(CronSchedule, ADayFieldThatBeginsWithAStar_NarrowsTheOther) {
  // As in Vixie cron: Sundays, Tuesdays, Thursdays and Saturdays that are the 13th.
  EXPECT_EQ(next("0 0 13 * */2", time_of(2026, 2, 1, 0, 0)), "2026-06-13 00:00:00");
  EXPECT_EQ(next("0 0 */10 * mon", time_of(2026, 11, 1, 0, 0)), "2026-12-21 00:00:00");
}

TEST(CronSchedule, MonthEndsAndLeapDays_ComeWhenTheyExist) {
  EXPECT_EQ(next("0 0 31 * *", time_of(2026, 3, 31, 0, 0)), "2026-05-31 00:00:00");
  EXPECT_EQ(next("0 0 30 * *", time_of(2026, 1, 30, 0, 0)), "2026-03-30 00:00:00");
  EXPECT_EQ(next("30 12 29 2 *", time_of(2026, 1, 1, 0, 0)), "2028-02-29 12:30:00");
  EXPECT_EQ(next("0 0 29 2 *", time_of(2028, 2, 29, 0, 0)), "2032-02-29 00:00:00");
  EXPECT_EQ(next("0 0 29 2 *", time_of(2096, 3, 1, 0, 0)), "2104-02-29 00:00:00");
  EXPECT_EQ(next("0 0 29 2 */7", time_of(2064, 1, 1, 0, 0)), "2088-02-29 00:00:00");  // a Sunday
}

TEST(CronSchedule, Mistakes_AreNamed) {
  struct Case {
    const char* text;
    const char* message;
  };
  for (const Case& c : {
           Case{"", "has not five fields"},
           Case{"* * * *", "has not five fields"},
           Case{"* * * * * *", "has not five fields"},
           Case{"60 * * * *", "the minute must be 0 to 59, not 60"},
           Case{"* 24 * * *", "the hour must be 0 to 23, not 24"},
           Case{"* * 0 * *", "the day of the month must be 1 to 31, not 0"},
           Case{"* * * 13 *", "the month must be 1 to 12, not 13"},
           Case{"* * * * 8", "the day of the week must be 0 to 7, not 8"},
           Case{"x * * * *", "\"x\" is no minute: write a number"},
           Case{"* * * foo *", "\"foo\" is no month: write a number or its first three letters"},
           Case{"* * L * *", "\"L\" is no day of the month"},
           Case{"*/0 * * * *", "the step must be 1 to 59, not 0"},
           Case{"*/ * * * *", "\"\" is no step"},
           Case{"30-10 * * * *", "the range \"30-10\" of the minute goes backwards"},
           Case{"1,,2 * * * *", "\"\" is no minute"},
           Case{"-5 * * * *", "\"\" is no minute"},
           Case{"0 0 30 2 *", "names a day that never comes"},
           Case{"0 0 31 feb,apr,jun,sep,nov *", "names a day that never comes"},
           Case{"@reboot", "there is no \"@reboot\": write @hourly"},
           Case{"99999999999999999999 * * * *", "is no minute"},
       }) {
    EXPECT_THAT(error_of(c.text), HasSubstr(c.message)) << c.text;
  }
  EXPECT_THAT(error_of(std::string(300, '*')), HasSubstr("longer than"));
}

TEST(CronSchedule, RandomSchedules_AgreeWithALookAtEveryMinute) {
  base::SeededRandom random(7);
  for (int round = 0; round < 200; ++round) {
    const auto minute = static_cast<int>(random.below(60));
    const auto hour = static_cast<int>(random.below(24));
    const auto weekday = static_cast<int>(random.below(7));
    const auto schedule = schedule_of(fmt::format("{} {} * * {}", minute, hour, weekday));
    const base::WallTime from = time_of(2024, 2, 20, 0, 0) +
                                std::chrono::minutes(random.below(std::uint64_t{60} * 24 * 20));
    base::WallTime expected = from;
    for (;;) {
      expected += std::chrono::minutes(1);
      const std::tm parts = parts_of(expected);
      if (parts.tm_min == minute && parts.tm_hour == hour && parts.tm_wday == weekday) {
        break;
      }
    }
    EXPECT_EQ(text_of(*schedule.next(from)), text_of(expected));
  }
}

}  // namespace
}  // namespace selvedge::app
