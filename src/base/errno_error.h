#pragma once

// Failures of files, from errno to a sentence.

#include <string_view>

#include "base/result.h"

namespace selvedge::base {

// "what: no such file" and the like: NotFound, Denied, Overloaded (no room, no descriptors), else
// Internal. `number`: an errno; `what`: the path.
Error errno_error(int number, std::string_view what);

}  // namespace selvedge::base
