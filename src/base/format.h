#pragma once

// The one way to text formatting: fmt, with formats checked at compile time. Debian 12's libstdc++
// has no <format>.

#include <fmt/format.h>

#include "base/result.h"

namespace selvedge {

// fail_format(ErrorKind::kInvalid, "port {} is out of range", port). The location is the caller's
// only to the file.
template <class... Args>
std::unexpected<Error> fail_format(ErrorKind kind, fmt::format_string<Args...> format,
                                   Args&&... args) {
  return fail(Error(kind, fmt::format(format, std::forward<Args>(args)...)));
}

}  // namespace selvedge
