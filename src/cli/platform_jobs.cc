#include "cli/platform_jobs.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/format.h"
#include "cli/time_text.h"

namespace selvedge::cli {
namespace {

// Of each job; all with --json.
constexpr std::size_t kRunsShown = 5;
constexpr std::int64_t kMillisecondsPerSecond = 1000;

std::string time_of(const nlohmann::json& object, const char* key) {
  return time_text(object.value(key, std::int64_t{0}) / kMillisecondsPerSecond);
}

// ", 2026-11-27T03:00:00+01:00 Europe/Berlin" where app.yaml names a time zone.
std::string local_time_of(const nlohmann::json& job) {
  return job.contains("next_local")
             ? fmt::format(", {} {}", job.value("next_local", ""), job.value("timezone", ""))
             : "";
}

void print_run(const nlohmann::json& run) {
  const std::string message = run.value("message", "");
  fmt::print("  {}  {:<9}  {:>6} ms  attempts {}{}{}\n", time_of(run, "started_ms"),
             run.value("result", ""), run.value("duration_ms", std::uint64_t{0}),
             run.value("attempts", std::uint64_t{0}), message.empty() ? "" : "  ", message);
}

void print_job(const nlohmann::json& job) {
  fmt::print("{:<24} {:<20} {}\n", job.value("name", ""), job.value("trigger", ""),
             job.value("action", ""));
  if (job.contains("next_ms")) {
    fmt::print("  next {}{}\n", time_of(job, "next_ms"), local_time_of(job));
  }
  if (job.contains("running")) {
    fmt::print("  running since {}\n", time_of(job.at("running"), "started_ms"));
  }
  std::size_t shown = 0;
  for (const nlohmann::json& run : job.at("runs")) {
    if (shown++ == kRunsShown) {
      break;
    }
    print_run(run);
  }
}

}  // namespace

void print_jobs(const nlohmann::json& answer) {
  if (answer.contains("job")) {
    fmt::print("The job {} of {} has begun; see: selvedge app jobs {}\n", answer.value("job", ""),
               answer.value("name", ""), answer.value("name", ""));
    return;
  }
  if (answer.at("jobs").empty()) {
    fmt::print("{} has no jobs\n", answer.value("name", ""));
  }
  for (const nlohmann::json& job : answer.at("jobs")) {
    print_job(job);
  }
}

}  // namespace selvedge::cli
