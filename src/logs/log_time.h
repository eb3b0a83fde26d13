#pragma once

// Moments as people and programs exchange them: RFC 3339.

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace selvedge::logs {

// "2026-11-26T11:12:44.123456789Z", with so many digits behind the point (0 to 9; cut, not
// rounded).
std::string format_time(base::WallTime time, int digits = 9);
// "2026-11-26T11:12:44Z", "2026-11-26 12:12:44.5+01:00"; from 1970 to 2200. Invalid: a sentence
// that quotes the text.
Result<base::WallTime> parse_time(std::string_view text);

}  // namespace selvedge::logs
