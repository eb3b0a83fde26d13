#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "app/cron_schedule.h"
#include "base/format.h"
#include "base/random.h"

// Goal: schedules by the clocks of zones that jump forward, back, by half an hour, at midnight and
// over a whole day.
// Method: the changes of real zones, whose times in UTC are known; and a slow second opinion that
// walks along real time minute by minute and looks at the clock.

namespace selvedge::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using std::chrono::local_seconds;
using std::chrono::minutes;
using std::chrono::sys_seconds;

CronSchedule schedule_of(std::string_view text) {
  auto parsed = CronSchedule::parse(text);
  EXPECT_TRUE(parsed.has_value()) << text << ": " << parsed.error().message();
  return *std::move(parsed);
}

std::string error_of(std::string_view text) {
  const auto parsed = CronSchedule::parse(text);
  return parsed.has_value() ? "" : parsed.error().message();
}

base::WallTime utc(int year, unsigned month, unsigned day, int hour, int minute = 0) {
  const std::chrono::sys_days date(std::chrono::year(year) / std::chrono::month(month) /
                                   std::chrono::day(day));
  return base::WallTime(date.time_since_epoch() + std::chrono::hours(hour) + minutes(minute));
}

std::string text_of(base::WallTime time) {
  static const auto clock = wire::TimeZone::find("UTC");
  return clock->local_text(std::chrono::floor<std::chrono::seconds>(time)).substr(0, 16);
}

// The next times after `from`, in UTC.
std::vector<std::string> times(std::string_view schedule, base::WallTime from, int count) {
  const CronSchedule parsed = schedule_of(schedule);
  std::vector<std::string> found;
  for (int i = 0; i < count; ++i) {
    const auto next = parsed.next(from);
    if (!next.has_value()) {
      found.emplace_back("never");
      break;
    }
    EXPECT_GT(*next, from);
    from = *next;
    found.push_back(text_of(from));
  }
  return found;
}

TEST(CronScheduleZone, FixedTimes_RunOnceADayWhenAnHourIsLeftOut) {
  const auto from =
      utc(2026, 3, 28, 0);  // the clocks go from 02:00 to 03:00 on the 29th, 01:00 UTC
  EXPECT_THAT(times("CRON_TZ=Europe/Berlin 30 2 * * *", from, 3),
              ElementsAre("2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"));
  EXPECT_THAT(times("TZ=Europe/Berlin 0 3 * * *", from, 3),
              ElementsAre("2026-03-28T02:00", "2026-03-29T01:00", "2026-03-30T01:00"));
  EXPECT_THAT(times("CRON_TZ=europe/berlin\t59 1 * * *", from, 3),
              ElementsAre("2026-03-28T00:59", "2026-03-29T00:59", "2026-03-29T23:59"));
  EXPECT_THAT(times("CRON_TZ=Europe/Berlin @daily", from, 3),
              ElementsAre("2026-03-28T23:00", "2026-03-29T22:00", "2026-03-30T22:00"));
}

TEST(CronScheduleZone, TimesThatFallOnOneMoment_AreOneRun) {
  const auto from = utc(2026, 3, 29, 0);
  EXPECT_THAT(times("CRON_TZ=Europe/Berlin 0,30 2 * * *", from, 2),
              ElementsAre("2026-03-29T01:00", "2026-03-30T00:00"));
  EXPECT_THAT(times("CRON_TZ=Europe/Berlin 0 2,3,4 * * *", from, 3),
              ElementsAre("2026-03-29T01:00", "2026-03-29T02:00", "2026-03-30T00:00"));
}

TEST(CronScheduleZone, FixedTimes_RunOnceADayWhenAnHourComesTwice) {
  const auto from = utc(2026, 10, 24, 0);  // from 03:00 back to 02:00 on the 25th, 01:00 UTC
  EXPECT_THAT(times("CRON_TZ=Europe/Berlin 30 2 * * *", from, 3),
              ElementsAre("2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"));
  EXPECT_THAT(times("CRON_TZ=Europe/Berlin 0 3 * * *", from, 3),
              ElementsAre("2026-10-24T01:00", "2026-10-25T02:00", "2026-10-26T02:00"));
  // From between the two: what has been is not done again.
  EXPECT_THAT(times("CRON_TZ=Europe/Berlin 30 2 * * *", utc(2026, 10, 25, 1, 15), 1),
              ElementsAre("2026-10-26T01:30"));
}

TEST(CronScheduleZone, SchedulesOfEveryHourOrMinute_FollowTheClock) {
  EXPECT_THAT(
      times("CRON_TZ=Europe/Berlin 0 * * * *", utc(2026, 10, 24, 23, 30), 4),
      ElementsAre("2026-10-25T00:00", "2026-10-25T01:00", "2026-10-25T02:00", "2026-10-25T03:00"));
  EXPECT_THAT(
      times("CRON_TZ=Europe/Berlin */20 * * * *", utc(2026, 3, 29, 0, 30), 4),
      ElementsAre("2026-03-29T00:40", "2026-03-29T01:00", "2026-03-29T01:20", "2026-03-29T01:40"));
  EXPECT_THAT(
      times("CRON_TZ=Europe/Berlin */30 2 * * *", utc(2026, 10, 25, 0), 4),
      ElementsAre("2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:30", "2026-10-26T01:00"));
  EXPECT_THAT(times("CRON_TZ=Europe/Berlin */30 2 * * *", utc(2026, 3, 29, 0), 1),
              ElementsAre("2026-03-30T00:00"));
  EXPECT_EQ(times("CRON_TZ=Europe/Berlin 0 0-23 * * *", utc(2026, 10, 24, 23), 6),
            times("CRON_TZ=Europe/Berlin 0 * * * *", utc(2026, 10, 24, 23), 6));
}

TEST(CronScheduleZone, AShiftOfHalfAnHour_IsOne) {
  EXPECT_THAT(times("CRON_TZ=Australia/Lord_Howe 15 2 * * *", utc(2026, 10, 2, 0), 3),
              ElementsAre("2026-10-02T15:45", "2026-10-03T15:30", "2026-10-04T15:15"));
  EXPECT_THAT(times("CRON_TZ=Australia/Lord_Howe 45 1 * * *", utc(2026, 4, 4, 0), 2),
              ElementsAre("2026-04-04T14:45", "2026-04-05T15:15"));
  EXPECT_THAT(times("CRON_TZ=Australia/Lord_Howe 0 * * * *", utc(2026, 4, 4, 13, 30), 3),
              ElementsAre("2026-04-04T14:00", "2026-04-04T15:30", "2026-04-04T16:30"));
  EXPECT_THAT(times("CRON_TZ=Australia/Lord_Howe 45 * * * *", utc(2026, 4, 4, 14), 3),
              ElementsAre("2026-04-04T14:45", "2026-04-04T15:15", "2026-04-04T16:15"));
}

TEST(CronScheduleZone, AGapAtMidnight_KeepsTheDaysRun) {
  EXPECT_THAT(times("CRON_TZ=Africa/Cairo 0 0 * * *", utc(2026, 4, 22, 12), 3),
              ElementsAre("2026-04-22T22:00", "2026-04-23T22:00", "2026-04-24T21:00"));
  EXPECT_THAT(times("CRON_TZ=Africa/Cairo 30 23 * * *", utc(2026, 10, 29, 12), 2),
              ElementsAre("2026-10-29T20:30", "2026-10-30T21:30"));
  EXPECT_THAT(times("CRON_TZ=Africa/Cairo 0 0 * * *", utc(2026, 10, 29, 12), 1),
              ElementsAre("2026-10-29T22:00"));
  EXPECT_THAT(times("CRON_TZ=America/Asuncion 0 0 1 * *", utc(2023, 9, 15, 0), 2),
              ElementsAre("2023-10-01T04:00", "2023-11-01T03:00"));
  EXPECT_THAT(times("CRON_TZ=America/Sao_Paulo 0 0 4 11 *", utc(2018, 10, 1, 0), 2),
              ElementsAre("2018-11-04T03:00", "2019-11-04T03:00"));
}

TEST(CronScheduleZone, ADayThatTheZoneLeavesOut_HasNoRun) {
  EXPECT_THAT(times("CRON_TZ=Pacific/Apia 0 3 * * *", utc(2011, 12, 29, 0), 3),
              ElementsAre("2011-12-29T13:00", "2011-12-30T13:00", "2011-12-31T13:00"));
  EXPECT_THAT(times("CRON_TZ=Pacific/Apia 0 0 30 12 *", utc(2011, 12, 1, 0), 1),
              ElementsAre("2012-12-29T10:00"));
  EXPECT_THAT(times("CRON_TZ=Pacific/Apia 0 * * * *", utc(2011, 12, 30, 8, 30), 3),
              ElementsAre("2011-12-30T09:00", "2011-12-30T10:00", "2011-12-30T11:00"));
}

TEST(CronScheduleZone, LeapDays_AreThoseOfTheZone) {
  EXPECT_THAT(times("CRON_TZ=Asia/Tokyo 0 0 29 2 *", utc(2026, 1, 1, 0), 2),
              ElementsAre("2028-02-28T15:00", "2032-02-28T15:00"));
  EXPECT_THAT(times("CRON_TZ=America/Los_Angeles 30 23 29 2 *", utc(2026, 1, 1, 0), 1),
              ElementsAre("2028-03-01T07:30"));
  EXPECT_THAT(times("CRON_TZ=Asia/Kolkata 0 9 29 2 *", utc(2096, 3, 1, 0), 1),
              ElementsAre("2104-02-29T03:30"));
}

TEST(CronScheduleZone, UtcByName_IsAsWithoutAZone) {
  EXPECT_EQ(times("CRON_TZ=UTC 30 2,17 * * 1-5", utc(2026, 3, 27, 0), 20),
            times("30 2,17 * * 1-5", utc(2026, 3, 27, 0), 20));
  EXPECT_EQ(schedule_of("30 2 * * *").zone(), std::nullopt);
  EXPECT_EQ(schedule_of("CRON_TZ=utc 30 2 * * *").zone()->name(), "UTC");
}

TEST(CronScheduleZone, Mistakes_AreNamed) {
  EXPECT_THAT(error_of("CRON_TZ=Europe/Berln 0 3 * * *"), HasSubstr("did you mean Europe/Berlin?"));
  EXPECT_THAT(error_of("CRON_TZ= 0 3 * * *"), HasSubstr("there is no time zone \"\""));
  EXPECT_THAT(error_of("CRON_TZ=Europe/Berlin"), HasSubstr("has not five fields"));
  EXPECT_THAT(error_of("CRON_TZ=Europe/Berlin 15m"), HasSubstr("\"15m\" has not five fields"));
  EXPECT_THAT(error_of("TZ=Europe/Berlin CRON_TZ=UTC 0 3 * * *"), HasSubstr("has not five fields"));
  EXPECT_THAT(error_of("0 3 * * * CRON_TZ=Europe/Berlin"), HasSubstr("has not five fields"));
  EXPECT_THAT(error_of("CRON_TZ=Europe/Berlin 0 0 30 2 *"), HasSubstr("a day that never comes"));
  // The second Sunday of March between 2 and 3: a schedule that follows the clock never sees it.
  EXPECT_THAT(error_of("CRON_TZ=America/New_York */5 2 8-14 3 */7"),
              HasSubstr("names a time that the clocks of America/New_York never show"));
  EXPECT_THAT(times("CRON_TZ=America/New_York 5 2 8-14 3 */7", utc(2026, 1, 1, 0), 1),
              ElementsAre("2026-03-08T07:00"));
  const auto both =
      CronSchedule::parse("CRON_TZ=UTC 0 3 * * *", *wire::TimeZone::find("Asia/Tokyo"));
  ASSERT_FALSE(both.has_value());
  EXPECT_EQ(both.error().message(), "its time zone is both UTC and Asia/Tokyo: name it once");
  EXPECT_TRUE(CronSchedule::parse("TZ=asia/tokyo 0 3 * * *", *wire::TimeZone::find("Asia/Tokyo")));
}

TEST(CronScheduleZone, BehindTheLastTimeThatCanBeSaid_ThereIsNone) {
  for (const char* text : {"* * * * *", "CRON_TZ=Europe/Berlin * * * * *",
                           "CRON_TZ=Europe/Berlin 0 3 * * *", "0 0 29 2 *"}) {
    EXPECT_EQ(schedule_of(text).next(base::WallTime::max()), std::nullopt) << text;
    EXPECT_TRUE(schedule_of(text).next(base::WallTime::min()).has_value()) << text;
  }
}

// A schedule made of sets, with the text that says them.
struct Sets {
  std::set<int> minutes, hours, days, months, weekdays;
  bool any_day = false;
  bool any_weekday = false;
  bool follows_clock = false;
  std::string text;

  bool matches(local_seconds time) const {
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date(day);
    const auto minute = std::chrono::floor<std::chrono::minutes>(time - day).count();
    const bool by_day = days.contains(static_cast<int>(static_cast<unsigned>(date.day())));
    const bool by_weekday =
        weekdays.contains(static_cast<int>(std::chrono::weekday(day).c_encoding()));
    return minutes.contains(static_cast<int>(minute % 60)) &&
           hours.contains(static_cast<int>(minute / 60)) &&
           months.contains(static_cast<int>(static_cast<unsigned>(date.month()))) &&
           (any_day || any_weekday ? by_day && by_weekday : by_day || by_weekday);
  }
};

// "*", "*/n" (if `steps`), or a list of up to three values.
std::string random_field(base::Random& random, int min, int max, std::uint64_t star_of_ten,
                         std::set<int>& set) {
  const auto range = static_cast<std::uint64_t>(max - min + 1);
  if (random.below(10) < star_of_ten) {
    const int step = random.below(2) == 0 ? 1 : 1 + static_cast<int>(random.below(range / 2));
    for (int value = min; value <= max; value += step) {
      set.insert(value);
    }
    return step == 1 ? "*" : fmt::format("*/{}", step);
  }
  for (std::uint64_t i = random.below(3) + 1; i > 0; --i) {
    set.insert(min + static_cast<int>(random.below(range)));
  }
  return fmt::format("{}", fmt::join(set, ","));
}

// Half of them at `hour_of_change`, or an hour beside it.
Sets random_schedule(base::Random& random, std::int64_t hour_of_change) {
  Sets made;
  const std::string minute = random_field(random, 0, 59, 4, made.minutes);
  std::string hour;
  if (random.below(2) == 0) {
    const auto value =
        static_cast<int>((static_cast<std::uint64_t>(hour_of_change) + 23 + random.below(3)) % 24);
    made.hours.insert(value);
    hour = fmt::format("{}", value);
  } else {
    hour = random_field(random, 0, 23, 5, made.hours);
  }
  const std::string day = random_field(random, 1, 31, 8, made.days);
  const std::string month = random_field(random, 1, 12, 9, made.months);
  const std::string weekday = random_field(random, 0, 6, 8, made.weekdays);
  made.any_day = day.starts_with('*');
  made.any_weekday = weekday.starts_with('*');
  made.follows_clock = minute.starts_with('*') || hour.starts_with('*');
  made.text = fmt::format("{} {} {} {} {}", minute, hour, day, month, weekday);
  return made;
}

// The first run after `after`, found by looking at the clock at each minute until `until`; that if
// there is none.
sys_seconds walk(const Sets& sets, const wire::TimeZone& zone, sys_seconds after,
                 sys_seconds until) {
  const auto day_of = [](local_seconds time) {
    return std::chrono::floor<std::chrono::days>(time);
  };
  sys_seconds time = after - std::chrono::days(3);
  wire::TimeZone::Period period = zone.period_at(time);
  local_seconds shown_to = local_seconds(time.time_since_epoch() + period.offset);
  for (; time < until; time += minutes(1)) {
    if (time >= period.end) {
      period = zone.period_at(time);
    }
    const local_seconds now(time.time_since_epoch() + period.offset);
    bool runs = sets.follows_clock && sets.matches(now);
    const local_seconds last = shown_to - minutes(1);
    for (; shown_to <= now; shown_to += minutes(1)) {
      const bool has_its_day = day_of(shown_to) == day_of(last) || day_of(shown_to) == day_of(now);
      runs = runs || (!sets.follows_clock && has_its_day && sets.matches(shown_to));
    }
    if (runs && time > after) {
      return time;
    }
  }
  return until;
}

TEST(CronScheduleZone, RandomSchedulesAndZones_AgreeWithAWalkAlongTheClock) {
  struct Case {
    const char* zone;
    base::WallTime around;  // a change
  };
  const std::vector<Case> cases{
      {"Europe/Berlin", utc(2026, 3, 29, 1)},        {"Europe/Berlin", utc(2026, 10, 25, 1)},
      {"America/New_York", utc(2026, 3, 8, 7)},      {"America/New_York", utc(2026, 11, 1, 6)},
      {"Australia/Lord_Howe", utc(2026, 4, 4, 15)},  {"Australia/Lord_Howe", utc(2026, 10, 3, 15)},
      {"Africa/Cairo", utc(2026, 4, 23, 22)},        {"Africa/Cairo", utc(2026, 10, 29, 21)},
      {"America/Asuncion", utc(2023, 10, 1, 4)},     {"America/Sao_Paulo", utc(2018, 11, 4, 3)},
      {"Pacific/Apia", utc(2011, 12, 30, 10)},       {"Pacific/Kwajalein", utc(1993, 8, 21, 12)},
      {"America/St_Johns", utc(2010, 11, 7, 2)},     {"Asia/Kathmandu", utc(1985, 12, 31, 18)},
      {"Antarctica/Troll", utc(2026, 3, 29, 1)},     {"Africa/Casablanca", utc(2026, 2, 15, 2)},
      {"Europe/Dublin", utc(2026, 10, 25, 1)},       {"Asia/Gaza", utc(2023, 4, 29, 0)},
      {"America/Scoresbysund", utc(2024, 3, 31, 1)}, {"Antarctica/Casey", utc(2010, 3, 4, 15)},
      {"Asia/Pyongyang", utc(2018, 5, 4, 15)},       {"America/Caracas", utc(2016, 5, 1, 7)},
      {"Pacific/Kiritimati", utc(1994, 12, 31, 10)}, {"UTC", utc(2028, 2, 29, 0)},
  };
  constexpr std::chrono::days kWindow{9};
  base::SeededRandom random(11);
  int compared = 0;
  for (int round = 0; round < 1440; ++round) {
    const Case& c = cases[static_cast<std::size_t>(round) % cases.size()];
    const auto middle = std::chrono::floor<std::chrono::seconds>(c.around);
    const local_seconds shown = wire::TimeZone::find(c.zone)->to_local(middle);
    const Sets sets = random_schedule(
        random,
        std::chrono::floor<std::chrono::hours>(shown - std::chrono::floor<std::chrono::days>(shown))
            .count());
    const auto schedule = CronSchedule::parse(fmt::format("CRON_TZ={} {}", c.zone, sets.text));
    if (!schedule.has_value()) {
      EXPECT_THAT(schedule.error().message(), HasSubstr("never")) << sets.text;
      continue;
    }
    // Half of them begin close to the change, also in the hour that comes twice.
    sys_seconds time = random.below(2) == 0
                           ? middle - std::chrono::days(2) + minutes(random.below(1440))
                           : middle - std::chrono::hours(1) + minutes(random.below(150));
    const sys_seconds until = time + kWindow;
    for (int i = 0; i < 12 && time < until; ++i) {
      const auto next = schedule->next(time);
      const sys_seconds expected = walk(sets, *schedule->zone(), time, until);
      const std::string context =
          fmt::format("CRON_TZ={} {} after {}", c.zone, sets.text, text_of(base::WallTime(time)));
      ASSERT_TRUE(next.has_value()) << context;
      const sys_seconds found = std::min(std::chrono::floor<std::chrono::seconds>(*next), until);
      ASSERT_EQ(text_of(found), text_of(expected)) << context;
      ASSERT_GT(found, time) << context;
      compared += expected < until ? 1 : 0;
      time = found;
    }
  }
  EXPECT_GT(compared, 3000);
}

}  // namespace
}  // namespace selvedge::app
