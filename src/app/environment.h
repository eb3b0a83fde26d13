#pragma once

#include <string>
#include <utility>
#include <vector>

namespace selvedge::app {

// Environment variables: names without '=' and values.
using Environment = std::vector<std::pair<std::string, std::string>>;

// `first`, then `second`; of several entries of one name only the last value stays, in the place of
// the first.
Environment merge_environments(const Environment& first, const Environment& second);

}  // namespace selvedge::app
