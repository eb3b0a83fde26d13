#include "logs/log_time.h"

#include <charconv>
#include <chrono>
#include <optional>

#include "base/format.h"

namespace selvedge::logs {
namespace {

constexpr int kYearMin = 1970;
constexpr int kYearMax = 2200;
constexpr int kDigitsMax = 9;

// Reads a text of fixed form from its front.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool ok() const noexcept { return ok_; }
  bool at_end() const noexcept { return text_.empty(); }
  char next() {
    if (text_.empty()) {
      ok_ = false;
      return '\0';
    }
    const char c = text_.front();
    text_.remove_prefix(1);
    return c;
  }
  bool skip(char c) {
    if (text_.starts_with(c)) {
      text_.remove_prefix(1);
      return true;
    }
    return false;
  }
  void expect(char c) { ok_ = skip(c) && ok_; }
  int number(std::size_t digits) {
    int value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      value = value * 10 + digit();
    }
    return value;
  }
  // Behind the point, as nanoseconds.
  int fraction() {
    int value = 0;
    int digits = 0;
    while (!text_.empty() && text_.front() >= '0' && text_.front() <= '9') {
      const int one = digit();
      if (digits < kDigitsMax) {
        value = value * 10 + one;
        ++digits;
      }
    }
    ok_ = ok_ && digits > 0;
    for (; digits < kDigitsMax; ++digits) {
      value *= 10;
    }
    return value;
  }

 private:
  int digit() {
    const char c = next();
    if (c < '0' || c > '9') {
      ok_ = false;
      return 0;
    }
    return c - '0';
  }

  std::string_view text_;
  bool ok_ = true;
};

// Minutes that the clock of the text is ahead of UTC.
std::optional<int> read_offset(Reader& reader) {
  const char sign = reader.next();
  if (sign == 'Z' || sign == 'z') {
    return 0;
  }
  const int hours = reader.number(2);
  reader.expect(':');
  const int minutes = reader.number(2);
  if ((sign != '+' && sign != '-') || hours > 23 || minutes > 59) {
    return std::nullopt;
  }
  return (sign == '-' ? -1 : 1) * (hours * 60 + minutes);
}

std::optional<base::WallTime> read_time(std::string_view text) {
  Reader reader(text);
  const std::chrono::year year(reader.number(4));
  reader.expect('-');
  const std::chrono::month month(static_cast<unsigned>(reader.number(2)));
  reader.expect('-');
  const std::chrono::day day(static_cast<unsigned>(reader.number(2)));
  const char separator = reader.next();
  const int hours = reader.number(2);
  reader.expect(':');
  const int minutes = reader.number(2);
  reader.expect(':');
  const int seconds = reader.number(2);
  const int nanoseconds = reader.skip('.') ? reader.fraction() : 0;
  const auto offset = read_offset(reader);
  const std::chrono::year_month_day date(year, month, day);
  const bool separated = separator == 'T' || separator == 't' || separator == ' ';
  if (!reader.ok() || !reader.at_end() || !offset || !date.ok() || !separated || hours > 23 ||
      minutes > 59 || seconds > 60 || static_cast<int>(year) < kYearMin ||
      static_cast<int>(year) > kYearMax) {
    return std::nullopt;
  }
  return base::WallTime(std::chrono::sys_days(date)) + std::chrono::hours(hours) +
         std::chrono::minutes(minutes - *offset) + std::chrono::seconds(seconds) +
         std::chrono::nanoseconds(nanoseconds);
}

}  // namespace

std::string format_time(base::WallTime time, int digits) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  std::string text =
      fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                  clock.hours().count(), clock.minutes().count(), clock.seconds().count());
  if (digits > 0) {
    text += '.';
    text += fmt::format("{:09}", clock.subseconds().count())
                .substr(0, static_cast<std::size_t>(digits));
  }
  return text + 'Z';
}

Result<base::WallTime> parse_time(std::string_view text) {
  if (const auto time = read_time(text)) {
    return *time;
  }
  return fail_format(ErrorKind::kInvalid,
                     "\"{}\" is not a moment: write for example 2026-11-26T11:12:44Z", text);
}

}  // namespace selvedge::logs
