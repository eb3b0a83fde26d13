#pragma once

#include "cli/options.h"

namespace selvedge::cli {

// `selvedge run`: opens the target, compiles it, and runs or serves it. Prints its own errors.
// Returns the process's exit code. Called once, on the main thread, before any other thread exists.
int run(const RunOptions& options);

// Everything after argv has become a vector: parses, does, returns the exit code.
int run_command_line(std::span<const std::string> arguments);

}  // namespace selvedge::cli
