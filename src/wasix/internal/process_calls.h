#pragma once

// What signals do to processes without handlers.

#include "wasix/abi.h"

namespace selvedge::wasix::internal {

enum class SignalAction : unsigned char { kTerminate, kIgnore, kStop };
// What a signal does to a process without a handler for it (POSIX, signal.h). kNone is ignored.
SignalAction default_action(Signal signal) noexcept;

}  // namespace selvedge::wasix::internal
