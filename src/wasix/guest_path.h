#pragma once

// Absolute paths of a guest as text: what its working directory is.

#include <optional>
#include <string>
#include <string_view>

namespace selvedge::wasix {

// `path` as an absolute path, taken from the absolute path `base` when it is relative: without
// empty components, `.` and `..`, and without a slash at its end unless it is "/". `..` takes the
// last component away without looking at what that is, and stays at the root there.
std::string absolute_path(std::string_view base, std::string_view path);

// What follows `ancestor` in `path`, without a slash before it; empty when they are the same.
// nullopt: `path` is not beneath `ancestor`. Both are as absolute_path() makes them.
std::optional<std::string_view> path_beneath(std::string_view ancestor, std::string_view path
                                             [[clang::lifetimebound]]) noexcept;

}  // namespace selvedge::wasix
