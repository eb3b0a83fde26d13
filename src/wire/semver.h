#pragma once

// Semantic versions (semver.org 2.0.0) and ranges of them, with the rules that Cargo and Wasmer
// have for ranges: "1.2" and "^1.2" are 1.2.0 and later below 2.0.0 ("^0.2" below 0.3.0), "~1.2"
// below 1.3.0, "=1.2.3" that one, "*" all, and what is joined by commas must all hold. A version
// with a pre-release ("2.0.0-rc.1") is only in a range that names a pre-release of the same number.
//
// The rules are those of the Rust crate `semver`, which Wasmer uses too and the engine brings along
// anyway: Debian has no C++ library for them, and a second reading of the same ranges would not
// agree with Wasmer's in every corner.

#include <cstddef>
#include <string_view>

namespace selvedge::wire {

// Longer texts are neither a version nor a range.
inline constexpr std::size_t kSemverBytesMax = 256;

bool is_semver(std::string_view text) noexcept;
bool is_semver_range(std::string_view text) noexcept;

// Whether the version lies in the range. False when one of them is malformed.
bool semver_matches(std::string_view range, std::string_view version) noexcept;

// The order of section 11: negative when `left` comes before `right`, 0 when neither does. Build
// metadata counts for nothing. What is malformed comes before what is not.
int compare_semver(std::string_view left, std::string_view right) noexcept;

}  // namespace selvedge::wire
