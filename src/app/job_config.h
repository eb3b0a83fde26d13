#pragma once

// `jobs` of app.yaml: what is done for an app without a request: at times, in intervals, or once
// after a version became active. Source of the schema: Wasmer's documentation of app.yaml.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "app/cron_schedule.h"
#include "app/environment.h"
#include "app/http_check.h"
#include "base/clock.h"
#include "base/result.h"
#include "wire/time_zone.h"

namespace selvedge::app {

inline constexpr std::size_t kJobsMax = 32;
inline constexpr std::size_t kJobNameBytesMax = 48;
inline constexpr std::uint32_t kJobRetriesMax = 20;
inline constexpr base::Duration kJobIntervalMin = std::chrono::seconds(1);
inline constexpr base::Duration kJobTimeMax = std::chrono::hours(24);
inline constexpr base::Duration kJobDriftMax = std::chrono::hours(24 * 30);

// Small letters, digits and single hyphens between them.
bool is_job_name(std::string_view text) noexcept;

// From one multiple of `length` since 1970, moved by the job's phase, to the next.
struct JobInterval {
  base::Duration length;
  friend bool operator==(const JobInterval&, const JobInterval&) = default;
};
// Once for each version that becomes active and is newer than those before.
struct AfterDeployment {
  friend bool operator==(const AfterDeployment&, const AfterDeployment&) = default;
};

struct JobTrigger {
  std::variant<CronSchedule, JobInterval, AfterDeployment> when;
  std::string text;  // as it was written

  // The zone of a schedule that names one.
  const wire::TimeZone* zone() const noexcept [[clang::lifetimebound]];
  // Tells triggers with other times apart: the text with the zone, wherever that was written.
  std::string identity() const;
  friend bool operator==(const JobTrigger&, const JobTrigger&) = default;
};
// Invalid, in one sentence; Unsupported: pre-deployment. `zone`: of a schedule that names none
// itself; without effect on other triggers.
Result<JobTrigger> parse_job_trigger(std::string_view text,
                                     std::optional<wire::TimeZone> zone = std::nullopt);

// Runs a command of the app's package.
struct JobExecute {
  std::optional<std::string> command;  // nullopt: the main one
  std::vector<std::string> arguments;  // behind those of the package
  Environment environment;             // wins over that of the app
  std::optional<std::uint64_t> memory_bytes_max;
  friend bool operator==(const JobExecute&, const JobExecute&) = default;
};

struct JobConfig {
  std::string name;
  JobTrigger trigger;
  // Of one attempt.
  base::Duration timeout = std::chrono::minutes(10);
  // A run that is later than this is left out.
  base::Duration drift_max = std::chrono::minutes(10);
  // Attempts after the first one that failed.
  std::uint32_t retries = 0;
  // A run is put off by a share of the time until the next one, between these.
  std::uint32_t jitter_percent_min = 0;
  std::uint32_t jitter_percent_max = 0;
  std::variant<HttpCheck, JobExecute> action;
  friend bool operator==(const JobConfig&, const JobConfig&) = default;
};

}  // namespace selvedge::app
