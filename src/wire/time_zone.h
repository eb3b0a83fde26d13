#pragma once

// Time zones: what a clock on the wall of a place shows, by the IANA database that is built into
// the program (native/src/time_zone.rs). Every node of a version computes the same, whatever its
// machine has in /usr/share/zoneinfo; new rules come with a new version.
//
// A zone's clock jumps: forward (a gap, whose local times never come), back (local times that come
// twice), by an hour, by half an hour (Australia/Lord_Howe), by a day (Pacific/Apia).

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace selvedge::native {
struct TimeZone;
}

namespace selvedge::wire {

inline constexpr std::size_t kTimeZoneNameBytesMax = 64;

// A zone that exists. Immutable and cheap to copy: any thread.
class TimeZone {
 public:
  // By its name in the database ("Europe/Berlin"), in whatever case. Invalid, in one sentence that
  // names the zone that was probably meant.
  static Result<TimeZone> find(std::string_view name);

  // As the database writes it.
  const std::string& name() const noexcept [[clang::lifetimebound]] { return name_; }

  // A span of time in which local time is UTC plus `offset`.
  struct Period {
    std::chrono::seconds offset{};  // less than 26 hours either way
    // Where the next one begins, whose offset may be the same.
    std::chrono::sys_seconds end = std::chrono::sys_seconds::max();
  };
  // The one in which `time` is. `time`: of the years -9999 to 9999. Its end is later than that.
  Period period_at(std::chrono::sys_seconds time) const;
  std::chrono::local_seconds to_local(std::chrono::sys_seconds time) const;

  // The first moment at which the clock shows `local`, or something later because it never shows
  // that: the end of the gap. Never decreases from one local time to a later one.
  std::chrono::sys_seconds first_moment(std::chrono::local_seconds local) const;
  // The other way round: the earliest local time whose first moment is after `time`. While the
  // clock shows again what it has shown before, this stays where it was.
  std::chrono::local_seconds not_yet_shown(std::chrono::sys_seconds time) const;

  // What the clock shows and how far it is from UTC, as in RFC 3339: "2026-11-27T03:00:00+01:00".
  // Seconds of the offset, which zones have not had since 1972, are left out.
  std::string local_text(std::chrono::sys_seconds time) const;

  // Zones are the same if their names are.
  friend bool operator==(const TimeZone& left, const TimeZone& right) noexcept {
    return left.name_ == right.name_;
  }

 private:
  TimeZone(std::shared_ptr<const native::TimeZone> rules, std::string name)
      : rules_(std::move(rules)), name_(std::move(name)) {}

  std::shared_ptr<const native::TimeZone> rules_;
  std::string name_;
};

}  // namespace selvedge::wire
