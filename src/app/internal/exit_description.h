#pragma once

#include <string>

#include "wasix/process.h"

namespace selvedge::app::internal {

// How a process ended, as the rest of a sentence for the log: "exited with code 3".
std::string describe_exit(const wasix::ExitStatus& status);

}  // namespace selvedge::app::internal
