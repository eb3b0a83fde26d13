// One run of a job on this node: its claim, its attempts, and what is told to the store.

#include <algorithm>
#include <utility>

#include "app/job_scheduler.h"
#include "base/format.h"
#include "base/log.h"
#include "io/deadline.h"

namespace selvedge::app {
namespace {

// Beyond the job's own time, for an action that does not end by itself.
constexpr base::Duration kActionMargin = std::chrono::seconds(10);
constexpr int kReportsMax = 5;

}  // namespace

io::Task<std::optional<JobStore::Stored>> JobScheduler::claim_now(std::string app,
                                                                  VersionNumber version,
                                                                  const JobConfig& job) {
  SELVEDGE_CO_TRY(auto stored, co_await read(app, job.name));
  if (stored.state.claim.has_value() && stored.state.claim->lease_ms > 0) {
    co_return fail_format(ErrorKind::kConflict, "the job {} of {} is running", job.name, app);
  }
  const std::int64_t now = to_milliseconds(reactor_.clock().wall_now());
  stored.state.claim = JobClaim{.id = new_id(),
                                .node = options_.node,
                                .cause = JobCause::kRequest,
                                .version = version,
                                .due_ms = now,
                                .started_ms = now,
                                .attempt = 1,
                                .takeovers = 0,
                                .lease_ms = lease_of(job)};
  auto written = co_await write(app, job.name, stored.state, stored.revision);
  if (written.has_value()) {
    stored.revision = *std::move(written);
    co_return std::optional(std::move(stored));
  }
  if (written.error().kind() == ErrorKind::kConflict) {
    co_return std::optional<JobStore::Stored>();
  }
  co_return fail(std::move(written).error());
}

io::Task<> JobScheduler::run_now(std::string app, std::string job) {
  if (stopping_) {
    co_return fail(ErrorKind::kDisconnected, "the node is shutting down");
  }
  SELVEDGE_CO_TRY(auto jobs,
                  co_await options_.store_helpers.run(
                      reactor_, [store = store_, app]() mutable { return store.jobs(app); }));
  const auto config = std::ranges::find(jobs.jobs, job, &JobConfig::name);
  if (config == jobs.jobs.end()) {
    co_return fail_format(ErrorKind::kNotFound, "the active version of {} has no job {}", app, job);
  }
  std::optional<JobStore::Stored> stored;
  for (int attempt = 0; attempt < kReportsMax && !stored.has_value(); ++attempt) {
    SELVEDGE_CO_TRY(stored, co_await claim_now(app, jobs.version, *config));
  }
  if (!stored.has_value()) {
    co_return fail_format(ErrorKind::kConflict, "the job {} of {} is begun by others", job, app);
  }
  wake(app);
  if (!scope_.spawn(carry_out({.app = app, .version = jobs.version, .config = *config},
                              *std::move(stored)))) {
    co_return fail(ErrorKind::kDisconnected, "the node is shutting down");
  }
  co_return {};
}

io::Task<JobOutcome> JobScheduler::attempt(const ScheduledJob& job) {
  const io::Deadline deadline = reactor_.deadline_after(job.config.timeout + kActionMargin);
  auto outcome = co_await io::with_deadline(options_.actions.perform(job), deadline);
  if (outcome.has_value() || outcome.error().kind() == ErrorKind::kDisconnected) {
    co_return outcome;
  }
  co_return JobOutcome{.result = outcome.error().kind() == ErrorKind::kTimeout
                                     ? JobResult::kTimedOut
                                     : JobResult::kFailed,
                       .message = outcome.error().message()};
}

io::Task<> JobScheduler::carry_out(ScheduledJob job, JobStore::Stored stored) {
  const base::MonotonicTime began = reactor_.now();
  JobOutcome outcome;
  for (;;) {
    auto attempted = co_await attempt(job);
    if (!attempted.has_value()) {
      co_return co_await give_up(job, std::move(stored));
    }
    outcome = *std::move(attempted);
    JobClaim& claim = *stored.state.claim;
    if (outcome.result == JobResult::kSucceeded || claim.attempt > job.config.retries) {
      break;
    }
    log::info("app={} job={} attempt={} {}: {}", job.app, job.config.name, claim.attempt,
              to_string(outcome.result), outcome.message);
    const base::Duration pause_time = backoff(claim.attempt);
    ++claim.attempt;
    claim.lease_ms = lease_of(job.config, pause_time);
    auto written = co_await write(job.app, job.config.name, stored.state, stored.revision);
    if (!written.has_value()) {
      // Without the store's word that this is still our run, it is not.
      log::warning("app={} job={} is left to others: {}", job.app, job.config.name,
                   written.error().message());
      co_return {};
    }
    stored.revision = *std::move(written);
    co_await reactor_.sleep(pause_time);
  }
  co_return co_await record(job, std::move(stored), std::move(outcome), began);
}

io::Task<> JobScheduler::record(const ScheduledJob& job, JobStore::Stored stored,
                                JobOutcome outcome, base::MonotonicTime began) {
  const JobClaim claim = *stored.state.claim;
  const auto duration =
      std::chrono::duration_cast<std::chrono::milliseconds>(reactor_.now() - began);
  log::info("app={} job={} version={} attempts={} milliseconds={} {}{}{}", job.app, job.config.name,
            job.version, claim.attempt, duration.count(), to_string(outcome.result),
            outcome.message.empty() ? "" : ": ", outcome.message);
  for (int report = 0; report < kReportsMax; ++report) {
    stored.state.claim.reset();
    stored.state.add({.cause = claim.cause,
                      .version = job.version,
                      .due_ms = claim.due_ms,
                      .started_ms = claim.started_ms,
                      .duration_ms = static_cast<std::uint64_t>(duration.count()),
                      .attempts = claim.attempt,
                      .result = outcome.result,
                      .message = outcome.message,
                      .node = options_.node});
    const auto written = co_await write(job.app, job.config.name, stored.state, stored.revision);
    if (written.has_value()) {
      break;
    }
    if (written.error().kind() != ErrorKind::kConflict) {
      co_await reactor_.sleep(options_.retry_pause);
    }
    auto again = co_await read(job.app, job.config.name);
    if (!again.has_value()) {
      continue;
    }
    if (!again->state.claim.has_value() || again->state.claim->id != claim.id) {
      break;  // it was written, or others have taken it over
    }
    stored = *std::move(again);
  }
  wake(job.app);
  co_return {};
}

// Another node may do it at once.
io::Task<> JobScheduler::give_up(const ScheduledJob& job, JobStore::Stored stored) {
  log::info("app={} job={} is given up: this node is being stopped", job.app, job.config.name);
  stored.state.claim->lease_ms = 0;
  const auto written = co_await write(job.app, job.config.name, stored.state, stored.revision);
  if (!written.has_value()) {
    co_return fail(written.error().clone());
  }
  co_return stopping_ ? Result<>() : fail(ErrorKind::kDisconnected, "the run was cut off");
}

base::Duration JobScheduler::backoff(std::uint32_t attempt) {
  base::Duration delay = options_.backoff_min;
  for (std::uint32_t i = 1; i < attempt && delay < options_.backoff_max; ++i) {
    delay *= 2;
  }
  delay = std::min(delay, options_.backoff_max);
  const auto half = static_cast<std::uint64_t>(delay.count() / 2);
  return delay - base::Duration(static_cast<std::int64_t>(options_.random.below(half + 1)));
}

}  // namespace selvedge::app
