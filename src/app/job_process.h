#pragma once

// Runs a command of a package to its end, as a job does.

#include <memory>
#include <string>

#include "app/guest_shard.h"
#include "app/job_scheduler.h"
#include "app/program.h"
#include "base/clock.h"
#include "io/task.h"

namespace selvedge::app {

// On `shard`'s thread; `shard` outlives the task, which ends the process when it is destroyed. Exit
// code 0 is success. What it writes goes to the log, line by line, behind `label`. At `timeout` it
// is ended.
io::Task<JobOutcome> run_job_process(GuestShard& shard, std::shared_ptr<const Program> program,
                                     std::string label, base::Duration timeout);

}  // namespace selvedge::app
