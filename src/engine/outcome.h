#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace selvedge::engine {

// Why a fiber ended. Each limit has its own reason.
enum class EndReason : unsigned char {
  kFinished,     // the called function returned
  kExited,       // the guest asked to exit (HostContext::exit)
  kTrapped,      // a Wasm trap, an uncaught exception, or HostContext::trap
  kStackLimit,   // the guest's call stack is exhausted
  kMemoryLimit,  // the guest asked for more memory than it may have
  kTableLimit,   // likewise for table elements
  kCpuTimeLimit,
  kWallTimeLimit,
  kKilled,     // Fiber::kill
  kNotStarted  // the instance could not be made: the pool is full or an import failed
};

std::string_view to_string(EndReason reason) noexcept;

struct Outcome {
  EndReason reason = EndReason::kFinished;
  // With kExited: the code that the guest gave.
  std::uint32_t exit_code = 0;
  // With kFinished: what the function returned, as the bits of its Wasm value; 0 without a result.
  std::uint64_t result = 0;
  // For people: one sentence, with the innermost guest functions after a trap. May contain names
  // from the guest: escape before logging.
  std::string message = {};
};

}  // namespace selvedge::engine
