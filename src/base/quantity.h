#pragma once

// Sizes and durations as people write them, in options and configuration files: a number and a unit
// in upper or lower case, with or without a space between.

#include <chrono>
#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace selvedge::base {

// A number of bytes with an optional unit: B, K, KB, KiB, M, MB, MiB, G, GB, GiB (K is 1024, KB
// 1000). Invalid: a sentence that
// quotes the text.
Result<std::uint64_t> parse_bytes(std::string_view text);

inline constexpr Duration kDurationMax = std::chrono::hours(24 * 365);
// A number with a unit: ms, s, m, h, d; greater than 0, at most kDurationMax. Invalid likewise.
Result<Duration> parse_duration(std::string_view text);

}  // namespace selvedge::base
