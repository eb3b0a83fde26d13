#pragma once

// What the store holds about one job of one app: up to which time its runs are dealt with, who is
// at one now, and how the last ones went. One document, changed by compare-and-swap only: of all
// nodes that want to do the same run, one succeeds in writing its claim.
//
// A claim lasts for its lease, which others measure on their own monotonic clock from when they saw
// it: neither a clock that steps nor one that is wrong ends a claim early. A run's time is never
// handed out again, since `handled_until` only grows.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/app_records.h"
#include "app/job_config.h"
#include "app/job_times.h"
#include "base/clock.h"
#include "base/result.h"

namespace selvedge::app {

inline constexpr std::size_t kJobRunsMax = 50;
inline constexpr std::size_t kJobMessageBytesMax = 512;
// Times that a run is taken over from a node that is gone, before it counts as lost.
inline constexpr std::uint32_t kJobTakeoversMax = 3;
// Beyond an attempt's time, before others may take it over.
inline constexpr base::Duration kJobLeaseMargin = std::chrono::seconds(30);

enum class JobCause : std::uint8_t { kSchedule, kDeployment, kRequest };
enum class JobResult : std::uint8_t { kSucceeded, kFailed, kTimedOut, kLost, kSkipped };
std::string_view to_string(JobCause cause) noexcept;
std::string_view to_string(JobResult result) noexcept;

// A run that somebody is at.
struct JobClaim {
  std::string id;  // of this run on this node
  std::string node;
  JobCause cause = JobCause::kSchedule;
  VersionNumber version = 0;
  std::int64_t due_ms = 0;  // since 1970, as all times here
  std::int64_t started_ms = 0;
  std::uint32_t attempt = 1;
  std::uint32_t takeovers = 0;
  std::uint64_t lease_ms = 0;  // 0: given up by its node; anybody may take it over
  friend bool operator==(const JobClaim&, const JobClaim&) = default;
};

// A run that has ended.
struct JobRun {
  JobCause cause = JobCause::kSchedule;
  VersionNumber version = 0;
  std::int64_t due_ms = 0;
  std::int64_t started_ms = 0;
  std::uint64_t duration_ms = 0;
  std::uint32_t attempts = 0;
  JobResult result = JobResult::kSucceeded;
  std::string message;  // at most kJobMessageBytesMax
  std::string node;
  friend bool operator==(const JobRun&, const JobRun&) = default;
};

struct JobState {
  std::string trigger;  // the identity of the one for which handled_until holds
  std::int64_t handled_until_ms = 0;
  VersionNumber handled_version = 0;  // of post-deployment
  std::optional<JobClaim> claim;
  std::vector<JobRun> runs;  // oldest first

  void add(JobRun run);
  friend bool operator==(const JobState&, const JobState&) = default;
};
std::string to_json(const JobState& state);
Result<JobState> parse_job_state(std::string_view json);

std::int64_t to_milliseconds(base::WallTime time) noexcept;
base::WallTime from_milliseconds(std::int64_t milliseconds) noexcept;

// One job of an app's active version.
struct ScheduledJob {
  std::string app;
  VersionNumber version = 0;
  JobConfig config;
};

// What a node has to do about a job.
struct JobStep {
  // The state was changed: write it, and look again.
  bool write = false;
  // Once that is written, this node is to do what `claim` says.
  bool run = false;
  // Otherwise: when to look again.
  base::WallTime at = base::WallTime::max();
};
// Changes `state` to what comes next. `claim_ended`: its claim is nobody's any more. `node`, `id`:
// for a claim of this node.
JobStep next_step(JobState& state, const ScheduledJob& job, base::WallTime now, bool claim_ended,
                  std::string_view node, std::string_view id);
// The lease of an attempt that begins after `pause`.
std::uint64_t lease_of(const JobConfig& job, base::Duration pause = {}) noexcept;

}  // namespace selvedge::app
