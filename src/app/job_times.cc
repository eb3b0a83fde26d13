#include "app/job_times.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/bytes.h"
#include "base/format.h"
#include "crypto/blake3.h"

namespace selvedge::app {
namespace {

std::uint64_t hash_of(std::string_view text) {
  const crypto::Blake3Hash hash = crypto::blake3(base::as_bytes(text));
  std::uint64_t number = 0;
  std::memcpy(&number, hash.bytes().data(), sizeof number);
  return number;
}

}  // namespace

JobTimes::JobTimes(std::string_view app, const JobConfig& job)
    : name_(fmt::format("{}/{}", app, job.name)),
      trigger_(job.trigger),
      drift_max_(job.drift_max),
      jitter_percent_min_(job.jitter_percent_min),
      jitter_percent_max_(job.jitter_percent_max) {
  if (const auto* const interval = std::get_if<JobInterval>(&trigger_.when)) {
    const auto milliseconds =
        std::chrono::duration_cast<std::chrono::milliseconds>(interval->length);
    phase_ = std::chrono::milliseconds(static_cast<std::int64_t>(
        hash_of(name_) % static_cast<std::uint64_t>(milliseconds.count())));
  }
}

std::optional<base::WallTime> JobTimes::next(base::WallTime after) const {
  if (const auto* const cron = std::get_if<CronSchedule>(&trigger_.when)) {
    return cron->next(after);
  }
  if (const auto* const interval = std::get_if<JobInterval>(&trigger_.when)) {
    const base::Duration since = after.time_since_epoch() - phase_;
    const auto periods =
        since / interval->length - (since % interval->length < since.zero() ? 1 : 0);
    return base::WallTime(phase_ + (periods + 1) * interval->length);
  }
  return std::nullopt;
}

base::WallTime JobTimes::start_of(base::WallTime due) const {
  const auto following = next(due);
  if (jitter_percent_max_ == 0 || !following.has_value()) {
    return due;
  }
  constexpr std::int64_t kParts = 1'000'000;
  constexpr std::int64_t kPartsPerPercent = kParts / 100;
  const std::int64_t least = jitter_percent_min_ * kPartsPerPercent;
  const std::int64_t range = jitter_percent_max_ * kPartsPerPercent - least;
  const std::uint64_t point = hash_of(fmt::format("{}/{}", name_, due.time_since_epoch().count())) %
                              static_cast<std::uint64_t>(range + 1);
  const std::int64_t parts = least + static_cast<std::int64_t>(point);
  // In milliseconds, so that years of nanoseconds do not overflow.
  const auto gap = std::chrono::duration_cast<std::chrono::milliseconds>(*following - due);
  return due + std::min<base::Duration>(gap * parts / kParts, kJitterMax);
}

std::optional<base::WallTime> JobTimes::last_to_start(base::WallTime after,
                                                      base::WallTime now) const {
  const base::Duration jitter = jitter_percent_max_ == 0 ? base::Duration::zero() : kJitterMax;
  // One that is late by exactly the drift is looked at.
  base::WallTime from = std::max(after, now - drift_max_ - jitter - base::Duration(1));
  if (const auto* const interval = std::get_if<JobInterval>(&trigger_.when)) {
    // The last two are enough: each starts before the next one is due.
    from = std::max(from, now - 2 * interval->length);
  }
  std::optional<base::WallTime> last;
  for (auto due = next(from); due.has_value() && *due <= now; due = next(*due)) {
    if (start_of(*due) <= now) {
      last = due;
    }
  }
  return last;
}

}  // namespace selvedge::app
