#include "wire/http_date.h"

#include <algorithm>
#include <chrono>

namespace selvedge::wire {
namespace {

void put_digits(char* out, unsigned value, int digits) noexcept {
  for (int i = digits - 1; i >= 0; --i) {
    out[i] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
}

}  // namespace

HttpDateText format_http_date(base::WallTime time) noexcept {
  constexpr std::string_view kDays = "SunMonTueWedThuFriSat";
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  constexpr std::string_view kTemplate = "Sun, 00 Jan 0000 00:00:00 GMT";
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - day));
  const std::chrono::weekday weekday(day);

  HttpDateText text;
  std::copy(kTemplate.begin(), kTemplate.end(), text.begin());
  std::copy_n(kDays.begin() + 3 * weekday.c_encoding(), 3, text.begin());
  put_digits(&text[5], static_cast<unsigned>(date.day()), 2);
  std::copy_n(kMonths.begin() + 3 * (static_cast<unsigned>(date.month()) - 1), 3, &text[8]);
  put_digits(&text[12], static_cast<unsigned>(static_cast<int>(date.year())), 4);
  put_digits(&text[17], static_cast<unsigned>(clock.hours().count()), 2);
  put_digits(&text[20], static_cast<unsigned>(clock.minutes().count()), 2);
  put_digits(&text[23], static_cast<unsigned>(clock.seconds().count()), 2);
  return text;
}

std::string_view CachedHttpDate::text() noexcept {
  const base::MonotonicTime turn = clock_.now();
  if (turn == turn_) {
    return {text_.data(), text_.size()};
  }
  turn_ = turn;
  const base::WallTime now = clock_.wall_now();
  const std::int64_t second =
      std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  if (second != second_) {
    second_ = second;
    text_ = format_http_date(now);
  }
  return {text_.data(), text_.size()};
}

}  // namespace selvedge::wire
