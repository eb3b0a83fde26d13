#pragma once

// What `app jobs` prints.

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>

namespace selvedge::cli {

// Seconds since 1970 as "2026-11-26 08:15:00Z".
std::string format_time(std::int64_t seconds);

// The answer of the admin API about the jobs of an app, or about a run that was begun.
void print_jobs(const nlohmann::json& answer);

}  // namespace selvedge::cli
