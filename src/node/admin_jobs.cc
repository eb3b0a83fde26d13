// The admin API's view of the jobs of apps.

#include <optional>

#include "app/job_state.h"
#include "app/job_store.h"
#include "app/job_times.h"
#include "app/json_reader.h"
#include "base/format.h"
#include "base/log.h"
#include "node/admin_api.h"
#include "node/admin_exchange.h"

namespace selvedge::node {
namespace {

struct JobDetails {
  app::ScheduledJob job;
  app::JobState state;
};

Result<std::vector<JobDetails>> details_of(app::AppStore& apps, const std::string& app) {
  SELVEDGE_TRY(const auto numbers, apps.versions(app));
  if (numbers.empty()) {
    return fail_format(ErrorKind::kNotFound, "there is no app {}", app);
  }
  app::JobStore store(apps);
  SELVEDGE_TRY(auto jobs, store.jobs(app));
  std::vector<JobDetails> details;
  for (app::JobConfig& config : jobs.jobs) {
    SELVEDGE_TRY(auto stored, store.state(app, config.name));
    details.push_back({.job = {.app = app, .version = jobs.version, .config = std::move(config)},
                       .state = std::move(stored.state)});
  }
  return details;
}

std::string describe(const app::JobConfig& job) {
  if (const auto* const check = std::get_if<app::HttpCheck>(&job.action)) {
    return fmt::format("fetch {} {}", check->method, check->path);
  }
  return fmt::format("execute {}",
                     std::get<app::JobExecute>(job.action).command.value_or("the main command"));
}

// Absent for jobs that have no times.
std::optional<std::int64_t> next_run(const JobDetails& details, base::WallTime now) {
  const app::JobTimes times(details.job.app, details.job.config);
  const bool known = details.state.trigger == details.job.config.trigger.identity();
  const auto due = times.next(known ? app::from_milliseconds(details.state.handled_until_ms) : now);
  return due.has_value() ? std::optional(app::to_milliseconds(times.start_of(*due))) : std::nullopt;
}

nlohmann::json json_of(const app::JobRun& run) {
  return {{"cause", to_string(run.cause)},
          {"version", run.version},
          {"due_ms", run.due_ms},
          {"started_ms", run.started_ms},
          {"duration_ms", run.duration_ms},
          {"attempts", run.attempts},
          {"result", to_string(run.result)},
          {"message", run.message},
          {"node", run.node}};
}

nlohmann::json json_of(const JobDetails& details, base::WallTime now) {
  nlohmann::json runs = nlohmann::json::array();
  for (auto run = details.state.runs.rbegin(); run != details.state.runs.rend(); ++run) {
    runs.push_back(json_of(*run));
  }
  nlohmann::json made{{"name", details.job.config.name},
                      {"trigger", details.job.config.trigger.text},
                      {"action", describe(details.job.config)},
                      {"runs", std::move(runs)}};
  const app::JobTrigger& trigger = details.job.config.trigger;
  const wire::TimeZone* const zone = trigger.zone();
  if (std::holds_alternative<app::CronSchedule>(trigger.when)) {
    made["timezone"] = zone != nullptr ? zone->name() : "UTC";
  }
  if (const auto next = next_run(details, now); next.has_value()) {
    made["next_ms"] = *next;
    if (zone != nullptr) {
      made["next_local"] =
          zone->local_text(std::chrono::floor<std::chrono::seconds>(app::from_milliseconds(*next)));
    }
  }
  if (const auto& claim = details.state.claim; claim.has_value()) {
    made["running"] = {{"cause", to_string(claim->cause)}, {"version", claim->version},
                       {"due_ms", claim->due_ms},          {"started_ms", claim->started_ms},
                       {"attempt", claim->attempt},        {"node", claim->node}};
  }
  return made;
}

}  // namespace

io::Task<> AdminApi::list_jobs(app::HttpExchange& exchange, std::string app) {
  SELVEDGE_CO_TRY(const auto all, co_await in_store([&store = options_.store, app] {
                    return details_of(store, app);
                  }));
  nlohmann::json jobs = nlohmann::json::array();
  for (const JobDetails& details : all) {
    jobs.push_back(json_of(details, options_.reactor.clock().wall_now()));
  }
  co_return co_await answer_json(exchange, wire::StatusCode(200),
                                 {{"name", app}, {"jobs", std::move(jobs)}});
}

io::Task<> AdminApi::run_job(app::HttpExchange& exchange, std::string app, std::string job) {
  if (options_.jobs == nullptr) {
    co_return fail(ErrorKind::kUnsupported, "this node runs no jobs");
  }
  SELVEDGE_CO_TRY_VOID(co_await options_.jobs->run_now(app, job));
  log::info("app={} job={} begun on request", app, job);
  co_return co_await answer_json(exchange, wire::StatusCode(202),
                                 {{"name", app}, {"job", job}, {"started", true}});
}

}  // namespace selvedge::node
