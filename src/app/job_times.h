#pragma once

// When one job of one app runs. Pure, and the same on every node: what looks random (the phase of
// an interval, jitter) is a hash of names and times.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "app/job_config.h"
#include "base/clock.h"

namespace selvedge::app {

// However much jitter, a run begins at most so long after its time.
inline constexpr base::Duration kJitterMax = std::chrono::hours(24);

class JobTimes {
 public:
  JobTimes(std::string_view app, const JobConfig& job);

  // The first time of the schedule after `after`. nullopt: it has none (post-deployment; a time in
  // a zone whose clocks do not show it any more).
  std::optional<base::WallTime> next(base::WallTime after) const;
  // When the run of `due` begins: with its jitter, at the latest at the next one. `due`: a time of
  // the schedule.
  base::WallTime start_of(base::WallTime due) const;
  // The last time after `after` whose start is not after `now`. Looks at every time in between, but
  // not further back than the job's drift and jitter.
  std::optional<base::WallTime> last_to_start(base::WallTime after, base::WallTime now) const;

 private:
  std::string name_;  // "app/job"
  JobTrigger trigger_;
  base::Duration drift_max_;
  std::uint32_t jitter_percent_min_;
  std::uint32_t jitter_percent_max_;
  base::Duration phase_{};  // of an interval
};

}  // namespace selvedge::app
