#pragma once

// When a job runs, by the five fields of cron: "minute hour day-of-month month day-of-week", in
// UTC. Pure.
//
// Each field is a list of `*`, numbers, ranges `a-b` and steps `a-b/n`, `*/n`, `a/n` (from a on).
// Months and days of the week also by their first three letters, in any case; 0 and 7 are Sunday.
// As in Vixie cron, a day matches when day-of-month OR day-of-week does, if both are restricted
// (begin with no `*`), else when both do. @hourly, @daily, @midnight, @weekly, @monthly, @yearly
// and
// @annually are the usual abbreviations.

#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace selvedge::app {

class CronSchedule {
 public:
  // Invalid, in one sentence: the field that is wrong and why; also for a day that never comes (30
  // February).
  static Result<CronSchedule> parse(std::string_view text);

  // The first time after `after` that matches, at second 0 of its minute. There always is one.
  base::WallTime next(base::WallTime after) const;

  friend bool operator==(const CronSchedule&, const CronSchedule&) = default;

 private:
  CronSchedule() = default;
  bool day_matches(std::int64_t days) const;
  bool has_day() const;

  // A bit for each value that matches.
  std::uint64_t minutes_ = 0;
  std::uint64_t hours_ = 0;
  std::uint64_t days_ = 0;
  std::uint64_t months_ = 0;
  std::uint64_t weekdays_ = 0;  // 0: Sunday
  bool any_day_ = false;
  bool any_weekday_ = false;
};

}  // namespace selvedge::app
