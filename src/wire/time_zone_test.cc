#include "wire/time_zone.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>

#include "base/format.h"

// Goal: clocks of zones whose changes are known, at both ends of gaps and of repeated hours; what
// is no zone gets a sentence that helps.

namespace selvedge::wire {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

using std::chrono::local_seconds;
using std::chrono::seconds;
using std::chrono::sys_seconds;

std::chrono::seconds since_1970(int year, unsigned month, unsigned day, int hour, int minute,
                                int second) {
  const std::chrono::sys_days date(std::chrono::year(year) / std::chrono::month(month) /
                                   std::chrono::day(day));
  return date.time_since_epoch() + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         seconds(second);
}
sys_seconds utc(int year, unsigned month, unsigned day, int hour, int minute, int second = 0) {
  return sys_seconds(since_1970(year, month, day, hour, minute, second));
}
local_seconds local(int year, unsigned month, unsigned day, int hour, int minute, int second = 0) {
  return local_seconds(since_1970(year, month, day, hour, minute, second));
}

TimeZone zone(std::string_view name) {
  auto found = TimeZone::find(name);
  EXPECT_TRUE(found.has_value()) << name;
  return *std::move(found);
}

std::string error_of(std::string_view name) {
  const auto found = TimeZone::find(name);
  return found.has_value() ? "" : found.error().message();
}

TEST(TimeZone, Names_AreFoundInAnyCaseAndToldAsTheDatabaseWritesThem) {
  EXPECT_EQ(zone("europe/berlin").name(), "Europe/Berlin");
  EXPECT_EQ(zone("Utc").name(), "UTC");
  EXPECT_EQ(zone("europe/berlin"), zone("Europe/Berlin"));
  EXPECT_NE(zone("Europe/Vienna"), zone("Europe/Berlin"));
}

TEST(TimeZone, WhatIsNoZone_IsToldWithTheOneThatWasMeant) {
  EXPECT_THAT(error_of("Europe/Berln"),
              AllOf(HasSubstr("there is no time zone \"Europe/Berln\" in the IANA database (20"),
                    HasSubstr("did you mean Europe/Berlin?")));
  for (const auto& [name, meant] :
       {std::pair("Berlin", "Europe/Berlin"), std::pair("germany/berlin", "Europe/Berlin"),
        std::pair("America/New York", "America/New_York"), std::pair("Tokio", "Asia/Tokyo"),
        std::pair("Europe/Z\xc3\xbcrich", "Europe/Zurich")}) {
    EXPECT_THAT(error_of(name), HasSubstr(fmt::format("did you mean {}?", meant)));
  }
  for (const auto* name : {"PST", "GMT+2", "UTC+1", "", "somewhere"}) {
    EXPECT_THAT(error_of(name),
                AllOf(HasSubstr("write for example Europe/Berlin or UTC"), Not(HasSubstr("mean"))));
  }
  EXPECT_THAT(error_of(""), HasSubstr("there is no time zone \"\""));
  EXPECT_THAT(error_of("../etc/passwd"), HasSubstr("there is no time zone"));
  EXPECT_THAT(error_of("\xff\xfe"), HasSubstr("there is no time zone"));
  EXPECT_EQ(error_of(std::string(65, 'a')), "the name of the time zone is longer than 64 bytes");
}

TEST(TimeZone, LocalTimes_ChangeAtTheSecond) {
  const TimeZone berlin = zone("Europe/Berlin");
  EXPECT_EQ(berlin.local_text(utc(2026, 3, 29, 0, 59, 59)), "2026-03-29T01:59:59+01:00");
  EXPECT_EQ(berlin.local_text(utc(2026, 3, 29, 1, 0)), "2026-03-29T03:00:00+02:00");
  EXPECT_EQ(berlin.local_text(utc(2026, 10, 25, 0, 59, 59)), "2026-10-25T02:59:59+02:00");
  EXPECT_EQ(berlin.local_text(utc(2026, 10, 25, 1, 0)), "2026-10-25T02:00:00+01:00");
  EXPECT_EQ(zone("America/St_Johns").local_text(utc(2026, 1, 1, 0, 0)),
            "2025-12-31T20:30:00-03:30");
  EXPECT_EQ(zone("UTC").local_text(utc(2026, 1, 1, 0, 0)), "2026-01-01T00:00:00+00:00");
  EXPECT_EQ(zone("Pacific/Apia").local_text(utc(2011, 12, 30, 9, 59, 59)),
            "2011-12-29T23:59:59-10:00");
  EXPECT_EQ(zone("Pacific/Apia").local_text(utc(2011, 12, 30, 10, 0)), "2011-12-31T00:00:00+14:00");
}

TEST(TimeZone, RulesWithoutAnEnd_GoOnForCenturies) {
  EXPECT_EQ(zone("Europe/Berlin").local_text(utc(2260, 7, 1, 0, 0)), "2260-07-01T02:00:00+02:00");
  EXPECT_EQ(zone("UTC").period_at(utc(2026, 1, 1, 0, 0)).end, sys_seconds::max());
}

TEST(TimeZone, FirstMoment_IsTheEndOfAGapAndTheFirstOfTwo) {
  const TimeZone berlin = zone("Europe/Berlin");
  EXPECT_EQ(berlin.first_moment(local(2026, 3, 29, 1, 59, 59)), utc(2026, 3, 29, 0, 59, 59));
  EXPECT_EQ(berlin.first_moment(local(2026, 3, 29, 2, 0)), utc(2026, 3, 29, 1, 0));
  EXPECT_EQ(berlin.first_moment(local(2026, 3, 29, 2, 30)), utc(2026, 3, 29, 1, 0));
  EXPECT_EQ(berlin.first_moment(local(2026, 3, 29, 3, 0)), utc(2026, 3, 29, 1, 0));
  EXPECT_EQ(berlin.first_moment(local(2026, 3, 29, 3, 1)), utc(2026, 3, 29, 1, 1));
  EXPECT_EQ(berlin.first_moment(local(2026, 10, 25, 2, 30)), utc(2026, 10, 25, 0, 30));
  EXPECT_EQ(berlin.first_moment(local(2026, 10, 25, 3, 0)), utc(2026, 10, 25, 2, 0));
  EXPECT_EQ(zone("Pacific/Apia").first_moment(local(2011, 12, 30, 12, 0)),
            utc(2011, 12, 30, 10, 0));
}

TEST(TimeZone, NotYetShown_StaysWhileTheClockRepeatsItself) {
  const TimeZone berlin = zone("Europe/Berlin");
  EXPECT_EQ(berlin.not_yet_shown(utc(2026, 3, 29, 0, 59, 59)), local(2026, 3, 29, 2, 0));
  EXPECT_EQ(berlin.not_yet_shown(utc(2026, 3, 29, 1, 0)), local(2026, 3, 29, 3, 0, 1));
  EXPECT_EQ(berlin.not_yet_shown(utc(2026, 10, 25, 0, 30)), local(2026, 10, 25, 2, 30, 1));
  EXPECT_EQ(berlin.not_yet_shown(utc(2026, 10, 25, 1, 0)), local(2026, 10, 25, 3, 0));
  EXPECT_EQ(berlin.not_yet_shown(utc(2026, 10, 25, 1, 59, 59)), local(2026, 10, 25, 3, 0));
  EXPECT_EQ(berlin.not_yet_shown(utc(2026, 10, 25, 2, 0)), local(2026, 10, 25, 3, 0, 1));
}

// By their definitions, a second at a time, around a change of each kind.
TEST(TimeZone, FirstMomentAndNotYetShown_AreEachOthersReverse) {
  struct Case {
    const char* name;
    sys_seconds change;
  };
  for (const Case& c : {Case{"Europe/Berlin", utc(2026, 3, 29, 1, 0)},
                        Case{"Europe/Berlin", utc(2026, 10, 25, 1, 0)},
                        Case{"Australia/Lord_Howe", utc(2026, 4, 4, 15, 0)},
                        Case{"Australia/Lord_Howe", utc(2026, 10, 3, 15, 30)},
                        Case{"Africa/Cairo", utc(2026, 4, 23, 22, 0)},
                        Case{"Pacific/Apia", utc(2011, 12, 30, 10, 0)}}) {
    const TimeZone subject = zone(c.name);
    for (int minute = -180; minute <= 180; ++minute) {
      const sys_seconds time = c.change + std::chrono::minutes(minute);
      const local_seconds next = subject.not_yet_shown(time);
      EXPECT_GT(subject.first_moment(next), time) << c.name << " " << minute;
      EXPECT_LE(subject.first_moment(next - seconds(1)), time) << c.name << " " << minute;
    }
  }
}

}  // namespace
}  // namespace selvedge::wire
