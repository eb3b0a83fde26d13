#pragma once

#include <cstdint>
#include <string>

namespace selvedge::cli {

// "2026-11-26 08:15:00Z", from seconds since 1970.
std::string time_text(std::int64_t seconds);

}  // namespace selvedge::cli
