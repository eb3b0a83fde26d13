// `jobs` of app.yaml.

#include <algorithm>
#include <utility>

#include "app/app_config.h"
#include "app/internal/check_reader.h"

namespace selvedge::app::internal {
namespace {

// As the documentation has it, when only the greatest one is given.
constexpr std::uint32_t kJitterMinDefault = 10;
constexpr std::uint64_t kPercentMax = 100;

Result<std::optional<base::Duration>> read_time(const YamlFile& file, YamlMap& map, const char* key,
                                                base::Duration max) {
  SELVEDGE_TRY(const auto time, map.duration(key));
  if (time.has_value() && *time > max) {
    return fail_at(file, *map.find(key), ErrorKind::kInvalid, "{} must be at most {}h",
                   map.path_of(key), std::chrono::duration_cast<std::chrono::hours>(max).count());
  }
  return time;
}

Result<std::string> read_name(const YamlFile& file, YamlMap& map,
                              const std::vector<JobConfig>& before) {
  SELVEDGE_TRY(auto name, map.text("name"));
  if (!name.has_value()) {
    return fail_at(file, map.node(), ErrorKind::kInvalid, "{} is missing", map.path_of("name"));
  }
  if (!is_job_name(*name)) {
    return fail_at(file, *map.find("name"), ErrorKind::kInvalid,
                   "{} must be small letters, digits and single hyphens between them, at most {} "
                   "characters",
                   map.path_of("name"), kJobNameBytesMax);
  }
  if (std::ranges::find(before, *name, &JobConfig::name) != before.end()) {
    return fail_at(file, *map.find("name"), ErrorKind::kInvalid, "there are two jobs {}", *name);
  }
  return *std::move(name);
}

Result<std::optional<wire::TimeZone>> read_zone(const YamlFile& file, YamlMap& map) {
  SELVEDGE_TRY(const auto name, map.text("timezone"));
  if (!name.has_value()) {
    return std::nullopt;
  }
  auto zone = wire::TimeZone::find(*name);
  if (!zone.has_value()) {
    return fail_at(file, *map.find("timezone"), zone.error().kind(), "{}: {}",
                   map.path_of("timezone"), zone.error().message());
  }
  return std::optional(*std::move(zone));
}

Result<JobTrigger> read_trigger(const YamlFile& file, YamlMap& map) {
  SELVEDGE_TRY(auto zone, read_zone(file, map));
  SELVEDGE_TRY(const auto text, map.text("trigger"));
  if (!text.has_value()) {
    return fail_at(file, map.node(), ErrorKind::kInvalid,
                   "{} is missing: write for example \"0 3 * * *\", 15m or post-deployment",
                   map.path_of("trigger"));
  }
  auto trigger = parse_job_trigger(*text, std::move(zone));
  if (!trigger.has_value()) {
    return fail_at(file, *map.find("trigger"), trigger.error().kind(), "{}: {}",
                   map.path_of("trigger"), trigger.error().message());
  }
  if (!std::holds_alternative<CronSchedule>(trigger->when)) {
    map.without_effect("timezone", "only a schedule of cron is in a time zone");
  }
  return trigger;
}

Result<> read_jitter(const YamlFile& file, YamlMap& map, JobConfig& job) {
  SELVEDGE_TRY(const auto max, map.integer("jitter_percent_max", 0, kPercentMax));
  SELVEDGE_TRY(const auto min, map.integer("jitter_percent_min", 0, kPercentMax));
  if (min.has_value() && *min > max.value_or(0)) {
    return fail_at(file, *map.find("jitter_percent_min"), ErrorKind::kInvalid,
                   "{} must be at most jitter_percent_max", map.path_of("jitter_percent_min"));
  }
  job.jitter_percent_max = static_cast<std::uint32_t>(max.value_or(0));
  job.jitter_percent_min = static_cast<std::uint32_t>(
      min.value_or(std::min<std::uint64_t>(kJitterMinDefault, job.jitter_percent_max)));
  return {};
}

Result<JobExecute> read_execute(const YamlFile& file, YamlMap& map, std::string_view own_package) {
  JobExecute made;
  SELVEDGE_TRY(const auto package, map.text("package"));
  if (package.has_value() && *package != own_package) {
    return fail_at(file, *map.find("package"), ErrorKind::kUnsupported,
                   "{} can only be the app's own package (\"{}\") yet: leave it out",
                   map.path_of("package"), own_package);
  }
  SELVEDGE_TRY(made.command, map.text("command"));
  SELVEDGE_TRY(made.arguments, map.texts("cli_args"));
  SELVEDGE_TRY(made.environment, map.environment("env"));
  SELVEDGE_TRY(auto capabilities, map.map("capabilities"));
  if (capabilities.has_value()) {
    SELVEDGE_TRY(auto memory, capabilities->map("memory"));
    if (memory.has_value()) {
      SELVEDGE_TRY(made.memory_bytes_max, memory->bytes("limit"));
      if (made.memory_bytes_max.has_value() && (*made.memory_bytes_max < kAppMemoryBytesMin ||
                                                *made.memory_bytes_max > kAppMemoryBytesMax)) {
        return fail_at(file, *memory->find("limit"), ErrorKind::kInvalid,
                       "{} must be from 64KiB to 4GiB", memory->path_of("limit"));
      }
      memory->finish();
    }
    capabilities->finish();
  }
  map.without_effect("volumes", "there are no lasting volumes yet; what is written is lost");
  map.finish();
  return made;
}

Result<> read_action(const YamlFile& file, YamlMap& map, std::string_view own_package,
                     JobConfig& job) {
  SELVEDGE_TRY(auto action, map.map("action"));
  std::optional<YamlMap> fetch;
  std::optional<YamlMap> execute;
  if (action.has_value()) {
    SELVEDGE_TRY(fetch, action->map("fetch"));
    SELVEDGE_TRY(execute, action->map("execute"));
    action->finish();
  }
  if (fetch.has_value() == execute.has_value()) {
    return fail_at(file, action.has_value() ? action->node() : map.node(), ErrorKind::kInvalid,
                   "{} must have either fetch or execute", map.path_of("action"));
  }
  if (fetch.has_value()) {
    SELVEDGE_TRY(job.action, read_http_check(file, *fetch));
    fetch->finish();
  } else {
    SELVEDGE_TRY(job.action, read_execute(file, *execute, own_package));
  }
  return {};
}

Result<JobConfig> read_job(const YamlFile& file, YamlMap& map, std::string_view own_package,
                           const std::vector<JobConfig>& before) {
  SELVEDGE_TRY(auto name, read_name(file, map, before));
  SELVEDGE_TRY(auto trigger, read_trigger(file, map));
  JobConfig job{.name = std::move(name), .trigger = std::move(trigger), .action = HttpCheck()};
  SELVEDGE_TRY(const auto timeout, read_time(file, map, "timeout", kJobTimeMax));
  SELVEDGE_TRY(const auto drift, read_time(file, map, "max_schedule_drift", kJobDriftMax));
  SELVEDGE_TRY(const auto retries, map.integer("retries", 0, kJobRetriesMax));
  job.timeout = timeout.value_or(job.timeout);
  job.drift_max = drift.value_or(job.drift_max);
  job.retries = static_cast<std::uint32_t>(retries.value_or(0));
  SELVEDGE_TRY_VOID(read_jitter(file, map, job));
  SELVEDGE_TRY_VOID(read_action(file, map, own_package, job));
  map.finish();
  return job;
}

}  // namespace

Result<std::vector<JobConfig>> read_jobs(const YamlFile& file, YamlMap& root,
                                         std::string_view own_package) {
  SELVEDGE_TRY(auto entries, root.maps("jobs"));
  if (entries.size() > kJobsMax) {
    return fail_at(file, *root.find("jobs"), ErrorKind::kInvalid, "jobs has more than {} entries",
                   kJobsMax);
  }
  std::vector<JobConfig> jobs;
  for (YamlMap& entry : entries) {
    SELVEDGE_TRY(auto job, read_job(file, entry, own_package, jobs));
    jobs.push_back(std::move(job));
  }
  return jobs;
}

}  // namespace selvedge::app::internal
