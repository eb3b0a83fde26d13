#pragma once

#include <cstddef>
#include <string_view>

namespace selvedge::base {

// How many bytes must be added, removed or replaced to make one of the other (Levenshtein). Takes
// time for the product of their lengths: callers bound both.
std::size_t edit_distance(std::string_view left, std::string_view right);

}  // namespace selvedge::base
