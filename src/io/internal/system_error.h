#pragma once

#include <string_view>

#include "base/result.h"

namespace selvedge::io::internal {

// The error for `error_number` of a failed system call: "cannot WHAT: text of errno". `what` is an
// infinitive clause: "listen on 127.0.0.1:80".
[[gnu::cold]] Error error_from_errno(int error_number, std::string_view what);

}  // namespace selvedge::io::internal
