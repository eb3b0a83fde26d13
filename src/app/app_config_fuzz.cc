// app.yaml comes with a deploy: what is understood holds what its type promises, and every mistake
// is reported with the file's name.

#include <cstdint>
#include <span>
#include <string_view>

#include "app/app_config.h"
#include "app/job_times.h"
#include "base/assert.h"
#include "base/bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using selvedge::app::is_app_name;
  using selvedge::app::kAppDomainsMax;
  using selvedge::app::parse_app_config;
  using selvedge::app::parse_domain_name;
  const std::string_view text = selvedge::base::as_text(std::as_bytes(std::span(data, size)));
  const auto config = parse_app_config(text, "app.yaml");
  if (!config) {
    SELVEDGE_ASSERT(config.error().message().starts_with("app.yaml:"));
    return 0;
  }
  SELVEDGE_ASSERT(!config->name || is_app_name(*config->name));
  SELVEDGE_ASSERT(!config->package.empty());
  SELVEDGE_ASSERT(config->domains.size() <= kAppDomainsMax);
  for (const std::string& domain : config->domains) {
    const auto again = parse_domain_name(domain);
    SELVEDGE_ASSERT(again.has_value() && *again == domain);
  }
  for (const auto& [name, value] : config->environment) {
    SELVEDGE_ASSERT(!name.empty() && name.find('=') == std::string::npos);
    SELVEDGE_ASSERT(value.find('\0') == std::string::npos);
  }
  for (const auto& job : config->jobs) {
    SELVEDGE_ASSERT(selvedge::app::is_job_name(job.name));
    const selvedge::app::JobTimes times("app", job);
    const selvedge::base::WallTime now(std::chrono::hours(500'000));
    if (const auto due = times.next(now)) {
      SELVEDGE_ASSERT(*due > now && times.start_of(*due) >= *due);
    }
  }
  SELVEDGE_ASSERT(config->scaling.idle_time_max >= selvedge::base::Duration::zero());
  SELVEDGE_ASSERT(config->scaling.stop_time_max >= selvedge::base::Duration::zero());
  return 0;
}
