#pragma once

#include <string>
#include <utility>
#include <vector>

namespace selvedge::app {

// Environment variables: names without '=' and values.
using Environment = std::vector<std::pair<std::string, std::string>>;
// The same as a process takes them: "NAME=value".
using EnvironmentBlock = std::vector<std::string>;

// `first`, then `second`; of several entries of one name only the last value stays, in the place of
// the first.
Environment merge_environments(const Environment& first, const Environment& second);

EnvironmentBlock environment_block(const Environment& environment);

}  // namespace selvedge::app
