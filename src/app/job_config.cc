#include "app/job_config.h"

#include <algorithm>
#include <utility>

#include "base/format.h"
#include "base/quantity.h"

namespace selvedge::app {

bool is_job_name(std::string_view text) noexcept {
  const auto ordinary = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  return !text.empty() && text.size() <= kJobNameBytesMax && text.front() != '-' &&
         text.back() != '-' && text.find("--") == std::string_view::npos &&
         std::ranges::all_of(text, ordinary);
}

const wire::TimeZone* JobTrigger::zone() const noexcept {
  const auto* const cron = std::get_if<CronSchedule>(&when);
  return cron != nullptr && cron->zone().has_value() ? &*cron->zone() : nullptr;
}

std::string JobTrigger::identity() const {
  const wire::TimeZone* const named = zone();
  if (named == nullptr || named->name() == "UTC" || text.starts_with("CRON_TZ=") ||
      text.starts_with("TZ=")) {
    return text;
  }
  return fmt::format("CRON_TZ={} {}", named->name(), text);
}

Result<JobTrigger> parse_job_trigger(std::string_view text, std::optional<wire::TimeZone> zone) {
  if (text == "post-deployment") {
    return JobTrigger{.when = AfterDeployment(), .text = std::string(text)};
  }
  if (text == "pre-deployment") {
    return fail(ErrorKind::kUnsupported,
                "pre-deployment is not there; use post-deployment, which runs once a version is "
                "active");
  }
  // A duration is one word that begins with a digit.
  const bool is_word = text.find_first_of(" \t") == std::string_view::npos;
  if (is_word && !text.empty() && text.front() >= '0' && text.front() <= '9') {
    SELVEDGE_TRY(const base::Duration length, base::parse_duration(text));
    if (length < kJobIntervalMin) {
      return fail_format(ErrorKind::kInvalid, "an interval must be at least 1s, not {}", text);
    }
    return JobTrigger{.when = JobInterval{.length = length}, .text = std::string(text)};
  }
  SELVEDGE_TRY(CronSchedule schedule, CronSchedule::parse(text, std::move(zone)));
  return JobTrigger{.when = std::move(schedule), .text = std::string(text)};
}

}  // namespace selvedge::app
