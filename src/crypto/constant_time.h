#pragma once

#include "base/bytes.h"

namespace selvedge::crypto {

// Whether `left` and `right` hold the same bytes, in a time that depends on their lengths only: for
// tags and tokens, where the position of the first difference must not leak.
bool constant_time_equal(base::ByteSpan left, base::ByteSpan right) noexcept;

}  // namespace selvedge::crypto
