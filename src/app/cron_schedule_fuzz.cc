// The schedule of a job comes with a deploy: whatever is understood names times that grow, from any
// moment, and a zone whose name the database has.

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "app/job_config.h"
#include "base/assert.h"
#include "base/bytes.h"

namespace selvedge::app {
namespace fuzz {

void check(base::WallTime from, std::string_view text) {
  const auto trigger = parse_job_trigger(text);
  if (!trigger) {
    SELVEDGE_ASSERT(!trigger.error().message().empty());
    return;
  }
  const auto* const schedule = std::get_if<CronSchedule>(&trigger->when);
  SELVEDGE_ASSERT((trigger->zone() != nullptr) <= (schedule != nullptr));
  const auto again = parse_job_trigger(trigger->identity());
  SELVEDGE_ASSERT(again.has_value() && again->when == trigger->when);
  if (schedule == nullptr) {
    return;
  }
  if (const auto& zone = schedule->zone(); zone.has_value()) {
    const auto found = wire::TimeZone::find(zone->name());
    SELVEDGE_ASSERT(found.has_value() && found->name() == zone->name());
  }
  constexpr int kTimes = 8;
  for (int i = 0; i < kTimes; ++i) {
    const auto next = schedule->next(from);
    if (!next.has_value()) {
      return;
    }
    SELVEDGE_ASSERT(*next > from);
    // Nothing in between was left out.
    SELVEDGE_ASSERT(schedule->next(*next - base::Duration(1)) == next);
    from = *next;
  }
}

}  // namespace fuzz
}  // namespace selvedge::app

// Eight bytes of a time, then the schedule.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::int64_t nanoseconds = 0;
  if (size < sizeof nanoseconds) {
    return 0;
  }
  std::memcpy(&nanoseconds, data, sizeof nanoseconds);
  const auto rest = std::as_bytes(std::span(data, size)).subspan(sizeof nanoseconds);
  selvedge::app::fuzz::check(selvedge::base::WallTime(selvedge::base::Duration(nanoseconds)),
                             selvedge::base::as_text(rest));
  return 0;
}
