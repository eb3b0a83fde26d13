#include "wire/time_zone.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/assert.h"
#include "base/edit_distance.h"
#include "base/format.h"
#include "wire/characters.h"
#include "wire/internal/native_text.h"

namespace selvedge::wire {
namespace {

using std::chrono::local_seconds;
using std::chrono::seconds;
using std::chrono::sys_seconds;

static_assert(kTimeZoneNameBytesMax == native::TIME_ZONE_NAME_SIZE_MAX);

// No offset from UTC is this great.
constexpr seconds kOffsetMax = std::chrono::hours(26);

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), to_lower);
  return lower;
}

std::string_view place_of(std::string_view name) noexcept {
  return name.substr(name.rfind('/') + 1);
}

// What a person who writes `name` most likely means: a name much like it, or one whose place is
// ("Berlin", "Germany/Berlin"). Only names of places: a zone of a fixed offset is nobody's typing
// error, and the signs of those in Etc are not what people expect. Empty: none. Looks at every
// name.
std::string_view nearest_to(std::string_view name) {
  std::string wanted = lower_case(trim_optional_whitespace(name));
  std::ranges::replace(wanted, ' ', '_');
  std::string_view best;
  std::size_t least = std::string_view::npos;
  const auto consider = [&](std::string_view known, std::size_t distance, std::size_t length,
                            std::size_t cost) {
    if (distance <= length / 4 && cost < least) {
      least = cost;
      best = known;
    }
  };
  std::string_view rest = internal::from_native(native::selvedge_time_zone_names());
  for (std::size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
    const std::string_view known = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    if (!known.contains('/') || known.starts_with("Etc/")) {
      continue;
    }
    const std::string lower = lower_case(known);
    const std::size_t whole = base::edit_distance(wanted, lower);
    const std::size_t place = base::edit_distance(place_of(wanted), place_of(lower));
    // Of two names at one distance, the one that is like it as a whole.
    consider(known, whole, wanted.size(), 2 * whole);
    consider(known, place, place_of(wanted).size(), 2 * place + 1);
  }
  return best;
}

std::unexpected<Error> unknown(std::string_view name) {
  const auto database = internal::from_native(native::selvedge_time_zone_database());
  const std::string_view nearest = nearest_to(name);
  if (nearest.empty()) {
    return fail_format(ErrorKind::kInvalid,
                       "there is no time zone \"{}\" in the IANA database ({}): write for example "
                       "Europe/Berlin or UTC",
                       name, database);
  }
  return fail_format(ErrorKind::kInvalid,
                     "there is no time zone \"{}\" in the IANA database ({}): did you mean {}?",
                     name, database, nearest);
}

}  // namespace

Result<TimeZone> TimeZone::find(std::string_view name) {
  if (name.size() > kTimeZoneNameBytesMax) {
    return fail_format(ErrorKind::kInvalid, "the name of the time zone is longer than {} bytes",
                       kTimeZoneNameBytesMax);
  }
  const std::shared_ptr<native::TimeZone> rules(
      native::selvedge_time_zone_open(internal::to_native(name)), native::selvedge_time_zone_free);
  if (rules == nullptr) {
    return unknown(name);
  }
  return TimeZone(rules,
                  std::string(internal::from_native(native::selvedge_time_zone_name(rules.get()))));
}

TimeZone::Period TimeZone::period_at(sys_seconds time) const {
  const native::TimeZonePeriod period =
      native::selvedge_time_zone_period(rules_.get(), time.time_since_epoch().count());
  SELVEDGE_DCHECK(period.end > time.time_since_epoch().count());
  return {.offset = seconds(period.offset), .end = sys_seconds(seconds(period.end))};
}

local_seconds TimeZone::to_local(sys_seconds time) const {
  return local_seconds(time.time_since_epoch() + period_at(time).offset);
}

std::string TimeZone::local_text(sys_seconds time) const {
  const seconds offset = period_at(time).offset;
  const local_seconds local(time.time_since_epoch() + offset);
  const auto day = std::chrono::floor<std::chrono::days>(local);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss of_day(local - day);
  const std::chrono::hh_mm_ss shift(std::chrono::abs(offset));
  return fmt::format(
      "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}{:02}:{:02}", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      of_day.hours().count(), of_day.minutes().count(), of_day.seconds().count(),
      offset < seconds::zero() ? '-' : '+', shift.hours().count(), shift.minutes().count());
}

sys_seconds TimeZone::first_moment(local_seconds local) const {
  // Here the clock is certainly before `local`.
  sys_seconds time(local.time_since_epoch() - kOffsetMax);
  for (;;) {
    const Period period = period_at(time);
    const sys_seconds shown(local.time_since_epoch() - period.offset);
    if (shown <= time) {
      return time;  // the clock jumps to it, or over it
    }
    if (shown < period.end) {
      return shown;
    }
    time = period.end;
  }
}

local_seconds TimeZone::not_yet_shown(sys_seconds time) const {
  // Before that the clock was certainly behind what it shows at `time`.
  sys_seconds from = time - 2 * kOffsetMax;
  local_seconds shown = local_seconds::min();
  for (;;) {
    const Period period = period_at(from);
    const sys_seconds until = std::min(period.end, time + seconds(1));
    shown = std::max(shown, local_seconds(until.time_since_epoch() + period.offset));
    if (period.end > time) {
      return shown;
    }
    from = period.end;
  }
}

}  // namespace selvedge::wire
