#pragma once

#include "app/program.h"
#include "base/result.h"
#include "cli/options.h"
#include "cli/runtime.h"

namespace selvedge::cli {

// Runs the program on our own standard descriptors and returns the process's exit code. SIGINT and
// SIGTERM end the guest, a second one ends us at once. What ended it, if not itself, is said on
// standard error in one sentence. Main thread.
Result<int> run_command(Runtime& runtime, std::shared_ptr<const app::Program> program,
                        const RunOptions& options);

}  // namespace selvedge::cli
