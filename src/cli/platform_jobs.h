#pragma once

// What `app jobs` prints.

#include <nlohmann/json.hpp>

namespace selvedge::cli {

// The answer of the admin API about the jobs of an app, or about a run that was begun.
void print_jobs(const nlohmann::json& answer);

}  // namespace selvedge::cli
