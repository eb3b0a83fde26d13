#pragma once

#include "app/program.h"
#include "base/result.h"
#include "cli/options.h"
#include "cli/runtime.h"

namespace selvedge::cli {

// Runs the program on our own standard descriptors and terminal and returns the process's exit
// code. kEndingSignals, which are blocked as SIGWINCH is, end the guest, a second one ends us at
// once; either way the terminal's modes are put back. What ended it, if not itself, is said on
// standard error in one sentence. Main thread.
Result<int> run_command(Runtime& runtime, std::shared_ptr<const app::Program> program,
                        const RunOptions& options);

}  // namespace selvedge::cli
