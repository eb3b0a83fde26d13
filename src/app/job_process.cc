#include "app/job_process.h"

#include <string_view>
#include <utility>

#include "app/environment.h"
#include "app/internal/exit_description.h"
#include "base/format.h"
#include "base/log.h"
#include "io/deadline.h"
#include "wasix/stdio.h"

namespace selvedge::app {
namespace {

// For a killed process to be gone.
constexpr base::Duration kKillTimeMax = std::chrono::seconds(5);

std::shared_ptr<wasix::Handle> log_lines(const std::string& label, std::string_view stream) {
  return std::make_shared<wasix::LineHandle>(
      [label, stream](std::string_view line) { log::info("{} {}: {}", label, stream, line); });
}

}  // namespace

io::Task<JobOutcome> run_job_process(GuestShard& shard, std::shared_ptr<const Program> program,
                                     std::string label, base::Duration timeout) {
  SELVEDGE_CO_TRY(const auto opened, ShardProgram::create(shard, program));
  SELVEDGE_CO_TRY(
      const auto process,
      opened->start({.output = log_lines(label, "stdout"), .error = log_lines(label, "stderr")},
                    environment_block(program->options().environment)));
  auto status =
      co_await io::with_deadline(process->wait(), shard.reactor().deadline_after(timeout));
  if (!status.has_value()) {
    process->kill(wasix::Signal::kKill);
    [[maybe_unused]] const auto gone =
        co_await io::with_deadline(process->wait(), shard.reactor().deadline_after(kKillTimeMax));
    co_return JobOutcome{
        .result = JobResult::kTimedOut,
        .message =
            fmt::format("it did not end within {} ms and was killed",
                        std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count())};
  }
  co_return JobOutcome{
      .result = status->success() ? JobResult::kSucceeded : JobResult::kFailed,
      .message = status->success() ? std::string() : internal::describe_exit(*status)};
}

}  // namespace selvedge::app
