#pragma once

// When a job runs, by the five fields of cron: "minute hour day-of-month month day-of-week". Pure.
//
// Each field is a list of `*`, numbers, ranges `a-b` and steps `a-b/n`, `*/n`, `a/n` (from a on).
// Months and days of the week also by their first three letters, in any case; 0 and 7 are Sunday.
// As in Vixie cron, a day matches when day-of-month OR day-of-week does, if both are restricted
// (begin with no `*`), else when both do. @hourly, @daily, @midnight, @weekly, @monthly, @yearly
// and @annually are the usual abbreviations.
//
// Times are those of a zone's clock ("CRON_TZ=Europe/Berlin 0 3 * * *"), else UTC. Where that
// clock jumps, also as in Vixie cron (cronie):
//
// - a schedule of fixed times runs once for each: one in the gap of spring at the first moment
//   after the gap, one in the repeated hour of autumn when that comes first. Times that fall on one
//   moment are one run. A day that the zone leaves out altogether has none.
// - a schedule whose hour or minute begins with `*` (or names all of them) follows the clock: it
//   runs whenever the clock shows a time that matches, so not in the gap, and in both of the
//   repeated hours.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "wire/time_zone.h"

namespace selvedge::app {

class CronSchedule {
 public:
  // Invalid, in one sentence: the field that is wrong and why; also for a time that never comes (30
  // February). `zone`: when the text itself names none; Invalid when it names another.
  static Result<CronSchedule> parse(std::string_view text,
                                    std::optional<wire::TimeZone> zone = std::nullopt);

  // The first time after `after` that matches, at second 0 of its minute on the zone's clock (or
  // the end of a gap). nullopt: there is none that a WallTime can say. Looks at 41 years at most.
  std::optional<base::WallTime> next(base::WallTime after) const;

  // nullopt: none was named, which is UTC.
  const std::optional<wire::TimeZone>& zone() const noexcept [[clang::lifetimebound]] {
    return zone_;
  }

  friend bool operator==(const CronSchedule&, const CronSchedule&) = default;

 private:
  CronSchedule() = default;
  bool day_matches(std::chrono::local_days day) const;
  bool has_day() const;
  std::optional<std::chrono::local_seconds> find(std::chrono::local_seconds from,
                                                 std::chrono::local_seconds until) const;
  std::optional<std::chrono::sys_seconds> next_shown(std::chrono::sys_seconds after) const;
  std::optional<std::chrono::sys_seconds> next_fixed(const wire::TimeZone& zone,
                                                     std::chrono::sys_seconds after) const;

  // A bit for each value that matches.
  std::uint64_t minutes_ = 0;
  std::uint64_t hours_ = 0;
  std::uint64_t days_ = 0;
  std::uint64_t months_ = 0;
  std::uint64_t weekdays_ = 0;  // 0: Sunday
  bool any_day_ = false;
  bool any_weekday_ = false;
  bool follows_clock_ = false;
  std::optional<wire::TimeZone> zone_;
};

}  // namespace selvedge::app
