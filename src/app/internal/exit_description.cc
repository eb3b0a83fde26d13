#include "app/internal/exit_description.h"

#include <cstdint>

#include "base/format.h"

namespace selvedge::app::internal {

std::string describe_exit(const wasix::ExitStatus& status) {
  using Kind = wasix::ExitStatus::Kind;
  switch (status.kind) {
    case Kind::kExited:
      // As programs write it: exit(-1).
      return fmt::format("exited with code {}", static_cast<std::int32_t>(status.code));
    case Kind::kSignaled:
      return fmt::format("was ended by signal {}", static_cast<int>(status.signal));
    case Kind::kTrapped:
    case Kind::kLimit:
    case Kind::kFailed:
      break;
  }
  return fmt::format("ended: {}", status.message);
}

}  // namespace selvedge::app::internal
