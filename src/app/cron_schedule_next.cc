// Which times a schedule of cron has.

#include <algorithm>

#include "app/cron_schedule.h"

namespace selvedge::app {
namespace {

using std::chrono::local_days;
using std::chrono::local_seconds;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::sys_seconds;

// Between two 29 Februaries on one day of the week are at most forty years.
constexpr std::chrono::days kSearchMax{41 * 366};
constexpr std::int64_t kMinutesPerDay = 24 * 60;

bool has(std::uint64_t bits, unsigned value) { return ((bits >> value) & 1) != 0; }

wire::TimeZone::Period period_of(const std::optional<wire::TimeZone>& zone, sys_seconds time) {
  return zone.has_value() ? zone->period_at(time) : wire::TimeZone::Period();
}

// Whether the zone's clock goes over this day without showing any of it.
bool leaves_out(const wire::TimeZone& zone, local_days day) {
  return zone.first_moment(day) == zone.first_moment(day + std::chrono::days(1));
}

}  // namespace

bool CronSchedule::day_matches(local_days day) const {
  const std::chrono::year_month_day date(day);
  if (!has(months_, static_cast<unsigned>(date.month()))) {
    return false;
  }
  const bool by_day = has(days_, static_cast<unsigned>(date.day()));
  const bool by_weekday = has(weekdays_, std::chrono::weekday(day).c_encoding());
  return any_day_ || any_weekday_ ? by_day && by_weekday : by_day || by_weekday;
}

// The first time that matches, not before `from` and before `until`.
std::optional<local_seconds> CronSchedule::find(local_seconds from, local_seconds until) const {
  auto day = std::chrono::floor<std::chrono::days>(from);
  std::int64_t minute = std::chrono::ceil<minutes>(from - day).count();
  for (; day < until; day += std::chrono::days(1), minute = 0) {
    if (!day_matches(day)) {
      continue;
    }
    for (; minute < kMinutesPerDay; ++minute) {
      if (!has(hours_, static_cast<unsigned>(minute / 60))) {
        minute += 59 - minute % 60;
      } else if (has(minutes_, static_cast<unsigned>(minute % 60))) {
        const local_seconds found = day + minutes(minute);
        return found < until ? std::optional(found) : std::nullopt;
      }
    }
  }
  return std::nullopt;
}

// Whenever the clock shows a time that matches.
std::optional<sys_seconds> CronSchedule::next_shown(sys_seconds after) const {
  const sys_seconds end = after + kSearchMax;
  for (sys_seconds from = after + seconds(1); from < end;) {
    const auto period = period_of(zone_, from);
    const auto to_local = [&](sys_seconds time) {
      return local_seconds(time.time_since_epoch() + period.offset);
    };
    if (const auto found = find(to_local(from), to_local(std::min(period.end, end)))) {
      return sys_seconds(found->time_since_epoch() - period.offset);
    }
    from = period.end;
  }
  return std::nullopt;
}

// When the clock shows a time that matches, or has gone over it.
std::optional<sys_seconds> CronSchedule::next_fixed(const wire::TimeZone& zone,
                                                    sys_seconds after) const {
  local_seconds from = zone.not_yet_shown(after);
  const local_seconds end = from + kSearchMax;
  while (const auto found = find(from, end)) {
    const auto day = std::chrono::floor<std::chrono::days>(*found);
    const sys_seconds moment = zone.first_moment(*found);
    if (zone.to_local(moment) == *found || !leaves_out(zone, day)) {
      return moment;
    }
    from = day + std::chrono::days(1);
  }
  return std::nullopt;
}

std::optional<base::WallTime> CronSchedule::next(base::WallTime after) const {
  const auto second = std::chrono::floor<seconds>(after);
  const auto found =
      zone_.has_value() && !follows_clock_ ? next_fixed(*zone_, second) : next_shown(second);
  if (!found.has_value() || *found > std::chrono::floor<seconds>(base::WallTime::max())) {
    return std::nullopt;
  }
  return base::WallTime(*found);
}

}  // namespace selvedge::app
