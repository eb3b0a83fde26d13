#include "base/quantity.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

#include "base/format.h"

namespace selvedge::base {
namespace {

// Leading digits of `text`; nullopt without any, or when they do not fit. Shortens `text`.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) {
    return std::nullopt;
  }
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

std::optional<std::uint64_t> multiply(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? std::nullopt : std::optional(product);
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

template <std::size_t N>
std::optional<std::uint64_t> parse_with_unit(std::string_view text,
                                             const std::array<Unit, N>& units) {
  const auto number = take_number(text);
  if (text.starts_with(' ')) {
    text.remove_prefix(1);
  }
  const auto unit = std::ranges::find_if(
      units, [text](const Unit& candidate) { return equal_ignoring_case(candidate.name, text); });
  if (!number.has_value() || unit == units.end()) {
    return std::nullopt;
  }
  return multiply(*number, unit->factor);
}

}  // namespace

Result<std::uint64_t> parse_bytes(std::string_view text) {
  constexpr std::uint64_t kKibi = 1024;
  static constexpr std::array<Unit, 11> kUnits{
      Unit{"", 1},
      Unit{"B", 1},
      Unit{"K", kKibi},
      Unit{"KiB", kKibi},
      Unit{"KB", 1000},
      Unit{"M", kKibi * kKibi},
      Unit{"MiB", kKibi * kKibi},
      Unit{"MB", 1'000'000},
      Unit{"G", kKibi * kKibi * kKibi},
      Unit{"GiB", kKibi * kKibi * kKibi},
      Unit{"GB", 1'000'000'000},
  };
  const auto value = parse_with_unit(text, kUnits);
  if (!value.has_value()) {
    return fail_format(ErrorKind::kInvalid, "\"{}\" is not a size: write for example 64MiB", text);
  }
  return *value;
}

Result<Duration> parse_duration(std::string_view text) {
  static constexpr std::array<Unit, 5> kUnits{
      Unit{"ms", 1},        Unit{"s", 1000},       Unit{"m", 60'000},
      Unit{"h", 3'600'000}, Unit{"d", 86'400'000},
  };
  const auto milliseconds = parse_with_unit(text, kUnits);
  if (!milliseconds.has_value() || *milliseconds == 0) {
    return fail_format(ErrorKind::kInvalid,
                       "\"{}\" is not a duration: write for example 500ms, 30s or 5m", text);
  }
  constexpr auto kMillisecondsMax = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(kDurationMax).count());
  if (*milliseconds > kMillisecondsMax) {
    return fail_format(ErrorKind::kInvalid, "the duration \"{}\" is longer than a year", text);
  }
  return std::chrono::milliseconds(*milliseconds);
}

}  // namespace selvedge::base
