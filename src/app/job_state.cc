#include "app/job_state.h"

#include <algorithm>
#include <array>
#include <utility>

#include "app/json_reader.h"
#include "base/format.h"

namespace selvedge::app {
namespace {

constexpr std::uint64_t kMillisecondsMax = std::uint64_t{1} << 53;
constexpr std::uint64_t kCountMax = UINT32_MAX;

constexpr std::array<std::string_view, 3> kCauses{"schedule", "deployment", "request"};
constexpr std::array<std::string_view, 5> kResults{"succeeded", "failed", "timed-out", "lost",
                                                   "skipped"};

template <class Enum, std::size_t N>
Result<Enum> read_name(const JsonObject& object, std::string_view key,
                       const std::array<std::string_view, N>& names) {
  SELVEDGE_TRY(const auto text, object.text(key));
  const auto* const found = std::ranges::find(names, text);
  if (found == names.end()) {
    return fail_format(ErrorKind::kInvalid, "{} is not one that is known", object.path_of(key));
  }
  return static_cast<Enum>(found - names.begin());
}

Result<std::int64_t> read_time(const JsonObject& object, std::string_view key) {
  SELVEDGE_TRY(const std::uint64_t number, object.integer(key, kMillisecondsMax));
  return static_cast<std::int64_t>(number);
}

Result<std::uint32_t> read_count(const JsonObject& object, std::string_view key) {
  SELVEDGE_TRY(const std::uint64_t number, object.integer(key, kCountMax));
  return static_cast<std::uint32_t>(number);
}

Result<JobClaim> read_claim(const JsonObject& object) {
  JobClaim claim;
  SELVEDGE_TRY(claim.id, object.text("id"));
  SELVEDGE_TRY(claim.node, object.text("node"));
  SELVEDGE_TRY(claim.cause, read_name<JobCause>(object, "cause", kCauses));
  SELVEDGE_TRY(claim.version, object.integer("version", kVersionMax));
  SELVEDGE_TRY(claim.due_ms, read_time(object, "due_ms"));
  SELVEDGE_TRY(claim.started_ms, read_time(object, "started_ms"));
  SELVEDGE_TRY(claim.attempt, read_count(object, "attempt"));
  SELVEDGE_TRY(claim.takeovers, read_count(object, "takeovers"));
  SELVEDGE_TRY(claim.lease_ms, object.integer("lease_ms", kMillisecondsMax));
  return claim;
}

Result<JobRun> read_run(const JsonObject& object) {
  JobRun run;
  SELVEDGE_TRY(run.cause, read_name<JobCause>(object, "cause", kCauses));
  SELVEDGE_TRY(run.version, object.integer("version", kVersionMax));
  SELVEDGE_TRY(run.due_ms, read_time(object, "due_ms"));
  SELVEDGE_TRY(run.started_ms, read_time(object, "started_ms"));
  SELVEDGE_TRY(run.duration_ms, object.integer("duration_ms", kMillisecondsMax));
  SELVEDGE_TRY(run.attempts, read_count(object, "attempts"));
  SELVEDGE_TRY(run.result, read_name<JobResult>(object, "result", kResults));
  SELVEDGE_TRY(run.message, object.text("message"));
  SELVEDGE_TRY(run.node, object.text("node"));
  return run;
}

nlohmann::json json_of(const JobClaim& claim) {
  return {
      {"id", claim.id},           {"node", claim.node},           {"cause", to_string(claim.cause)},
      {"version", claim.version}, {"due_ms", claim.due_ms},       {"started_ms", claim.started_ms},
      {"attempt", claim.attempt}, {"takeovers", claim.takeovers}, {"lease_ms", claim.lease_ms}};
}

nlohmann::json json_of(const JobRun& run) {
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

void begin(JobState& state, const ScheduledJob& job, JobCause cause, base::WallTime due,
           base::WallTime now, std::string_view node, std::string_view id) {
  state.claim = JobClaim{.id = std::string(id),
                         .node = std::string(node),
                         .cause = cause,
                         .version = job.version,
                         .due_ms = to_milliseconds(due),
                         .started_ms = to_milliseconds(now),
                         .attempt = 1,
                         .takeovers = 0,
                         .lease_ms = lease_of(job.config)};
}

// The node that was at it is gone.
JobStep take_over(JobState& state, const ScheduledJob& job, base::WallTime now,
                  std::string_view node, std::string_view id) {
  JobClaim& claim = *state.claim;
  if (claim.takeovers >= kJobTakeoversMax) {
    state.add({.cause = claim.cause,
               .version = claim.version,
               .due_ms = claim.due_ms,
               .started_ms = claim.started_ms,
               .duration_ms = 0,
               .attempts = claim.attempt,
               .result = JobResult::kLost,
               .message = fmt::format("{} nodes ended, or did not report back, while they ran it",
                                      claim.takeovers + 1),
               .node = claim.node});
    state.claim.reset();
    return {.write = true};
  }
  // One that was given up in order does not count.
  claim.takeovers += claim.lease_ms == 0 ? 0 : 1;
  claim.id = id;
  claim.node = node;
  claim.version = job.version;
  claim.started_ms = to_milliseconds(now);
  claim.lease_ms = lease_of(job.config);
  return {.write = true, .run = true};
}

JobStep scheduled_step(JobState& state, const ScheduledJob& job, base::WallTime now,
                       std::string_view node, std::string_view id) {
  const JobTimes times(job.app, job.config);
  const base::WallTime handled = from_milliseconds(state.handled_until_ms);
  const base::WallTime first = times.next(handled).value_or(base::WallTime::max());
  if (times.start_of(first) > now) {
    return {.at = times.start_of(first)};
  }
  const auto last = times.last_to_start(handled, now);
  const bool runs = last.has_value() && now - times.start_of(*last) <= job.config.drift_max;
  if (now - times.start_of(first) > job.config.drift_max) {
    state.add({.cause = JobCause::kSchedule,
               .version = job.version,
               .due_ms = to_milliseconds(first),
               .started_ms = to_milliseconds(now),
               .duration_ms = 0,
               .attempts = 0,
               .result = JobResult::kSkipped,
               .message = "no node could run it within max_schedule_drift of its time",
               .node = std::string(node)});
  }
  // Without one to run, all that began too long ago is dealt with.
  const base::WallTime until = last.value_or(std::max(first, now - job.config.drift_max));
  state.handled_until_ms = std::max(state.handled_until_ms, to_milliseconds(until));
  if (runs) {
    begin(state, job, JobCause::kSchedule, *last, now, node, id);
  }
  return {.write = true, .run = runs};
}

}  // namespace

std::string_view to_string(JobCause cause) noexcept {
  return kCauses[static_cast<std::size_t>(cause)];
}
std::string_view to_string(JobResult result) noexcept {
  return kResults[static_cast<std::size_t>(result)];
}

std::int64_t to_milliseconds(base::WallTime time) noexcept {
  return std::max<std::int64_t>(
      0, std::chrono::floor<std::chrono::milliseconds>(time).time_since_epoch().count());
}
base::WallTime from_milliseconds(std::int64_t milliseconds) noexcept {
  constexpr std::int64_t kMax = std::chrono::duration_cast<std::chrono::milliseconds>(
                                    base::WallTime::max().time_since_epoch())
                                    .count();
  return base::WallTime(std::chrono::milliseconds(std::min(milliseconds, kMax)));
}

void JobState::add(JobRun run) {
  if (run.message.size() > kJobMessageBytesMax) {
    run.message.resize(kJobMessageBytesMax);
  }
  if (runs.size() >= kJobRunsMax) {
    runs.erase(runs.begin(), runs.end() - static_cast<std::ptrdiff_t>(kJobRunsMax - 1));
  }
  runs.push_back(std::move(run));
}

std::string to_json(const JobState& state) {
  nlohmann::json runs = nlohmann::json::array();
  for (const JobRun& run : state.runs) {
    runs.push_back(json_of(run));
  }
  nlohmann::json value{{"trigger", state.trigger},
                       {"handled_until_ms", state.handled_until_ms},
                       {"handled_version", state.handled_version},
                       {"runs", std::move(runs)}};
  if (state.claim.has_value()) {
    value["claim"] = json_of(*state.claim);
  }
  return json_text(value);
}

Result<JobState> parse_job_state(std::string_view json) {
  SELVEDGE_TRY(const auto document, parse_json(json, "the job"));
  SELVEDGE_TRY(const auto root, JsonObject::open(document, "job"));
  JobState state;
  SELVEDGE_TRY(state.trigger, root.text("trigger"));
  SELVEDGE_TRY(state.handled_until_ms, read_time(root, "handled_until_ms"));
  SELVEDGE_TRY(state.handled_version, root.integer("handled_version", kVersionMax));
  if (const auto* const claim = root.find("claim")) {
    SELVEDGE_TRY(const auto object, JsonObject::open(*claim, "job.claim"));
    SELVEDGE_TRY(state.claim, read_claim(object));
  }
  SELVEDGE_TRY(const auto runs, root.objects("runs"));
  if (runs.size() > kJobRunsMax) {
    return fail_format(ErrorKind::kInvalid, "job.runs has more than {} entries", kJobRunsMax);
  }
  for (const JsonObject& object : runs) {
    SELVEDGE_TRY(auto run, read_run(object));
    state.runs.push_back(std::move(run));
  }
  return state;
}

std::uint64_t lease_of(const JobConfig& job, base::Duration pause) noexcept {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(pause + job.timeout + kJobLeaseMargin)
          .count());
}

JobStep next_step(JobState& state, const ScheduledJob& job, base::WallTime now, bool claim_ended,
                  std::string_view node, std::string_view id) {
  if (state.claim.has_value()) {
    return claim_ended ? take_over(state, job, now, node, id) : JobStep();
  }
  if (const std::string trigger = job.config.trigger.identity(); state.trigger != trigger) {
    // What was due before there was this schedule is not made up for. Also ends a time in the far
    // future that a wrong clock has left.
    state.trigger = trigger;
    state.handled_until_ms = to_milliseconds(now);
    return {.write = true};
  }
  if (!std::holds_alternative<AfterDeployment>(job.config.trigger.when)) {
    return scheduled_step(state, job, now, node, id);
  }
  if (state.handled_version >= job.version) {
    return {};
  }
  state.handled_version = job.version;
  begin(state, job, JobCause::kDeployment, now, now, node, id);
  return {.write = true, .run = true};
}

}  // namespace selvedge::app
