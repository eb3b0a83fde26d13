#include "app/cron_schedule.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <optional>
#include <span>
#include <utility>

#include "base/format.h"

namespace selvedge::app {
namespace {

constexpr std::size_t kTextBytesMax = 256;
// From when it is looked for a time at all, so that all nodes agree on what never comes.
constexpr base::WallTime kCheckedFrom(std::chrono::sys_days(std::chrono::year(2026) /
                                                            std::chrono::January / 1));

constexpr std::array<std::string_view, 12> kMonths{"jan", "feb", "mar", "apr", "may", "jun",
                                                   "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kWeekdays{"sun", "mon", "tue", "wed",
                                                    "thu", "fri", "sat"};

struct Field {
  std::string_view name;
  unsigned min;
  unsigned max;
  std::span<const std::string_view> names = {};  // the first one is `min`
};

constexpr std::array<Field, 5> kFields{
    Field{.name = "minute", .min = 0, .max = 59},
    Field{.name = "hour", .min = 0, .max = 23},
    Field{.name = "day of the month", .min = 1, .max = 31},
    Field{.name = "month", .min = 1, .max = 12, .names = kMonths},
    Field{.name = "day of the week", .min = 0, .max = 7, .names = kWeekdays},
};

constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kAbbreviations{{
    {"@hourly", "0 * * * *"},
    {"@daily", "0 0 * * *"},
    {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},
    {"@monthly", "0 0 1 * *"},
    {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
}};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

Result<unsigned> parse_number(std::string_view text, const Field& field, unsigned min,
                              unsigned max) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return fail_format(
        ErrorKind::kInvalid, "\"{}\" is no {}{}", text, field.name,
        field.names.empty() ? ": write a number" : ": write a number or its first three letters");
  }
  if (number < min || number > max) {
    return fail_format(ErrorKind::kInvalid, "the {} must be {} to {}, not {}", field.name, min, max,
                       number);
  }
  return number;
}

Result<unsigned> parse_value(std::string_view text, const Field& field) {
  for (std::size_t i = 0; i < field.names.size(); ++i) {
    if (std::ranges::equal(field.names[i], text, {}, {}, lower)) {
      return field.min + static_cast<unsigned>(i);
    }
  }
  return parse_number(text, field, field.min, field.max);
}

// One item of a list: "*", "5", "1-5", each perhaps with "/2".
Result<std::uint64_t> parse_item(std::string_view text, const Field& field) {
  const std::size_t slash = text.find('/');
  const std::string_view range = text.substr(0, slash);
  unsigned step = 1;
  if (slash != std::string_view::npos) {
    SELVEDGE_TRY(step, parse_number(text.substr(slash + 1),
                                    {.name = "step", .min = 1, .max = field.max}, 1, field.max));
  }
  unsigned first = field.min;
  unsigned last = field.max;
  if (range != "*") {
    const std::size_t dash = range.find('-');
    SELVEDGE_TRY(first, parse_value(range.substr(0, dash), field));
    if (dash != std::string_view::npos) {
      SELVEDGE_TRY(last, parse_value(range.substr(dash + 1), field));
      if (last == 0 && first > 0 && !field.names.empty()) {
        last = 7;  // fri-sun
      }
    } else if (slash == std::string_view::npos) {
      last = first;
    }
  }
  if (first > last) {
    return fail_format(ErrorKind::kInvalid, "the range \"{}\" of the {} goes backwards", range,
                       field.name);
  }
  std::uint64_t bits = 0;
  for (unsigned value = first; value <= last; value += step) {
    bits |= std::uint64_t{1} << value;
  }
  return bits;
}

Result<std::uint64_t> parse_field(std::string_view text, const Field& field) {
  std::uint64_t bits = 0;
  for (;;) {
    const std::size_t comma = text.find(',');
    SELVEDGE_TRY(const std::uint64_t item, parse_item(text.substr(0, comma), field));
    bits |= item;
    if (comma == std::string_view::npos) {
      return bits;
    }
    text.remove_prefix(comma + 1);
  }
}

// The fields, which spaces and tabs separate; nullopt when they are not five.
std::optional<std::array<std::string_view, 5>> split(std::string_view text) {
  std::array<std::string_view, 5> fields;
  std::size_t count = 0;
  while (true) {
    const std::size_t begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos) {
      return count == fields.size() ? std::optional(fields) : std::nullopt;
    }
    if (count == fields.size()) {
      return std::nullopt;
    }
    text.remove_prefix(begin);
    const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
    fields[count++] = text.substr(0, end);
    text.remove_prefix(end);
  }
}

bool has(std::uint64_t bits, unsigned value) { return ((bits >> value) & 1) != 0; }

// "*", "*/n", or all that there are.
bool is_every(std::string_view text, std::uint64_t bits, const Field& field) {
  return text.starts_with('*') || bits == (std::uint64_t{2} << field.max) - 1;
}

// Takes "CRON_TZ=Europe/Berlin " off the text, and finds the zone.
Result<std::optional<wire::TimeZone>> take_zone(std::string_view& text) {
  for (const std::string_view prefix : {"CRON_TZ=", "TZ="}) {
    if (text.starts_with(prefix)) {
      const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
      const std::string_view name = text.substr(prefix.size(), end - prefix.size());
      text.remove_prefix(std::min(text.find_first_not_of(" \t", end), text.size()));
      SELVEDGE_TRY(auto zone, wire::TimeZone::find(name));
      return std::optional(std::move(zone));
    }
  }
  return std::nullopt;
}

}  // namespace

Result<CronSchedule> CronSchedule::parse(std::string_view text,
                                         std::optional<wire::TimeZone> zone) {
  if (text.size() > kTextBytesMax) {
    return fail_format(ErrorKind::kInvalid, "the schedule is longer than {} bytes", kTextBytesMax);
  }
  SELVEDGE_TRY(auto own_zone, take_zone(text));
  if (own_zone.has_value() && zone.has_value() && *own_zone != *zone) {
    return fail_format(ErrorKind::kInvalid, "its time zone is both {} and {}: name it once",
                       own_zone->name(), zone->name());
  }
  if (text.starts_with('@')) {
    const auto* const found = std::ranges::find(
        kAbbreviations, text, &std::pair<std::string_view, std::string_view>::first);
    if (found == kAbbreviations.end()) {
      return fail_format(ErrorKind::kInvalid,
                         "there is no \"{}\": write @hourly, @daily, @weekly, @monthly or @yearly",
                         text);
    }
    text = found->second;
  }
  const auto fields = split(text);
  if (!fields.has_value()) {
    return fail_format(ErrorKind::kInvalid,
                       "\"{}\" has not five fields (minute hour day-of-month month day-of-week): "
                       "write for example \"*/15 * * * *\"",
                       text);
  }
  std::array<std::uint64_t, 5> bits{};
  for (std::size_t i = 0; i < bits.size(); ++i) {
    SELVEDGE_TRY(bits[i], parse_field((*fields)[i], kFields[i]));
  }
  CronSchedule made;
  made.minutes_ = bits[0];
  made.hours_ = bits[1];
  made.days_ = bits[2];
  made.months_ = bits[3];
  made.weekdays_ = bits[4] | (has(bits[4], 7) ? 1 : 0);
  made.any_day_ = (*fields)[2].starts_with('*');
  made.any_weekday_ = (*fields)[4].starts_with('*');
  made.follows_clock_ =
      is_every((*fields)[0], bits[0], kFields[0]) || is_every((*fields)[1], bits[1], kFields[1]);
  made.zone_ = own_zone.has_value() ? std::move(own_zone) : std::move(zone);
  if (!made.has_day()) {
    return fail_format(ErrorKind::kInvalid, "\"{}\" names a day that never comes", text);
  }
  if (made.zone_.has_value() && !made.next(kCheckedFrom).has_value()) {
    return fail_format(ErrorKind::kInvalid, "\"{}\" names a time that the clocks of {} never show",
                       text, made.zone_->name());
  }
  return made;
}

// Whether any day of a leap year has a month and a day that match.
bool CronSchedule::has_day() const {
  if (!any_weekday_) {
    return true;  // every week has each of its days; every month has four weeks
  }
  constexpr std::array<unsigned, 12> kMonthDays{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  for (unsigned month = 1; month <= kMonthDays.size(); ++month) {
    for (unsigned day = 1; has(months_, month) && day <= kMonthDays[month - 1]; ++day) {
      if (has(days_, day)) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace selvedge::app
