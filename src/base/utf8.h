#pragma once

#include <string_view>

namespace selvedge::base {

// Well-formed UTF-8 (Unicode 15, table 3-7): no surrogates, overlong forms or values above
// U+10FFFF.
bool is_utf8(std::string_view text) noexcept;

}  // namespace selvedge::base
