#include "engine/outcome.h"

namespace selvedge::engine {

std::string_view to_string(EndReason reason) noexcept {
  switch (reason) {
    case EndReason::kFinished:
      return "finished";
    case EndReason::kExited:
      return "exited";
    case EndReason::kTrapped:
      return "trapped";
    case EndReason::kStackLimit:
      return "stack limit";
    case EndReason::kMemoryLimit:
      return "memory limit";
    case EndReason::kTableLimit:
      return "table limit";
    case EndReason::kCpuTimeLimit:
      return "CPU time limit";
    case EndReason::kWallTimeLimit:
      return "wall time limit";
    case EndReason::kKilled:
      return "killed";
    case EndReason::kNotStarted:
      return "not started";
  }
  return "unknown";
}

}  // namespace selvedge::engine
