#pragma once

// Runs a command of a package to its end, as a job does.

#include <memory>
#include <string>

#include "app/guest_shard.h"
#include "app/job_scheduler.h"
#include "app/program.h"
#include "app/version_log.h"
#include "base/clock.h"
#include "io/task.h"

namespace selvedge::app {

// On `shard`'s thread; `shard` outlives the task, which ends the process when it is destroyed. Exit
// code 0 is success. What it writes goes to the log of its version, as if it belonged to the
// request `id`. At `timeout` it is ended.
io::Task<JobOutcome> run_job_process(GuestShard& shard, std::shared_ptr<const Program> program,
                                     VersionLog log, std::string id, base::Duration timeout);

}  // namespace selvedge::app
