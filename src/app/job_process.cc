#include "app/job_process.h"

#include <string_view>
#include <utility>

#include "app/environment.h"
#include "app/instance_meter.h"
#include "app/internal/exit_description.h"
#include "base/format.h"
#include "io/deadline.h"
#include "wasix/stdio.h"

namespace selvedge::app {
namespace {

// For a killed process to be gone.
constexpr base::Duration kKillTimeMax = std::chrono::seconds(5);

std::shared_ptr<wasix::Handle> log_lines(const VersionLog& log, logs::Stream stream,
                                         const std::string& id, std::uint64_t instance) {
  return std::make_shared<wasix::LineHandle>([log, stream, id, instance](std::string_view line) {
    log.output(stream, line, id, instance);
  });
}

}  // namespace

io::Task<JobOutcome> run_job_process(GuestShard& shard, std::shared_ptr<const Program> program,
                                     VersionLog log, std::string id, base::Duration timeout) {
  SELVEDGE_CO_TRY(const auto opened, ShardProgram::create(shard, program));
  const std::uint64_t instance = log.next_instance();
  MemoryMeter memory(*log.metrics());
  SELVEDGE_CO_TRY(const auto process,
                  opened->start({.output = log_lines(log, logs::Stream::kStdout, id, instance),
                                 .error = log_lines(log, logs::Stream::kStderr, id, instance),
                                 .memory = &memory},
                                environment_block(program->options().environment)));
  const InstanceMeter meter(*log.metrics(), *process);
  auto status =
      co_await io::with_deadline(process->wait(), shard.reactor().deadline_after(timeout));
  if (!status.has_value()) {
    process->kill(wasix::Signal::kKill);
    [[maybe_unused]] const auto gone =
        co_await io::with_deadline(process->wait(), shard.reactor().deadline_after(kKillTimeMax));
    std::string message =
        fmt::format("it did not end within {} ms and was killed",
                    std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count());
    log.platform("the job failed: " + message, id, instance);
    co_return JobOutcome{.result = JobResult::kTimedOut, .message = std::move(message)};
  }
  count_end(*log.metrics(), *status);
  if (!status->success()) {
    std::string message = internal::describe_exit(*status);
    log.platform("the job failed: it " + message, id, instance);
    co_return JobOutcome{.result = JobResult::kFailed, .message = std::move(message)};
  }
  co_return JobOutcome();
}

}  // namespace selvedge::app
