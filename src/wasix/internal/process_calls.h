#pragma once

// What ends processes: calls that several files need, and what signals do without handlers.

#include <cstdint>

#include "wasix/abi.h"
#include "wasix/thread.h"

namespace selvedge::wasix::internal {

enum class SignalAction : unsigned char { kTerminate, kIgnore, kStop };
// What a signal does to a process without a handler for it (POSIX, signal.h). kNone is ignored.
SignalAction default_action(Signal signal) noexcept;

// host_calls_child.cc
void proc_exit2(Thread& thread, std::uint32_t code);

}  // namespace selvedge::wasix::internal
