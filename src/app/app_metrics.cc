#include "app/app_metrics.h"

#include <algorithm>
#include <iterator>

#include "base/metrics_text.h"

namespace selvedge::app {
namespace {

// An app of this name is counted with the rest.
constexpr const char* kOther = "other";
constexpr std::array<std::uint64_t, 16> kTimeBounds{
    500,     1000,    2500,      5000,      10'000,    25'000,     50'000,     100'000,
    250'000, 500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000, 30'000'000, 60'000'000};
constexpr std::array<const char*, 6> kClasses{"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
constexpr std::array<const char*, kLimitCount> kLimitNames{"memory", "cpu_time",  "request_time",
                                                           "queue",  "instances", "other"};

std::uint64_t microseconds(base::Duration duration) noexcept {
  const auto count = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
  return static_cast<std::uint64_t>(std::max<std::int64_t>(count, 0));
}

}  // namespace

VersionMetrics::VersionMetrics() : request_time(kTimeBounds), start_time(kTimeBounds) {}

void VersionMetrics::count_request(std::uint16_t status, base::Duration duration,
                                   std::uint64_t bytes) noexcept {
  requests[std::min<std::size_t>(status / 100, requests.size() - 1)].add();
  request_time.observe(microseconds(duration));
  response_bytes.add(bytes);
}

void VersionMetrics::observe_start(base::Duration duration) noexcept {
  start_time.observe(microseconds(duration));
}

void VersionMetrics::add_memory(std::int64_t bytes) noexcept {
  memory.add(bytes);
  // Of several shards the last one may win; it is a peak all the same.
  if (const std::int64_t now = memory.value(); now > memory_peak.value()) {
    memory_peak.set(now);
  }
}

std::shared_ptr<VersionMetrics> AppMetrics::of(const std::string& app, std::uint64_t version) {
  const std::lock_guard lock(mutex_);
  auto found = apps_.find(app);
  if (found == apps_.end()) {
    if (apps_.size() >= limits_.apps_max) {
      drop_unused();
    }
    found = apps_.try_emplace(apps_.size() < limits_.apps_max ? app : kOther).first;
  }
  Versions& versions = found->second;
  std::string label = found->first == app ? std::to_string(version) : kOther;
  if (!versions.contains(label) && versions.size() >= limits_.versions_max) {
    label = kOther;
  }
  Entry& entry = versions[std::move(label)];
  if (entry.metrics == nullptr) {
    entry.metrics = std::make_shared<VersionMetrics>();
  }
  entry.used = clock_.now();
  return entry.metrics;
}

void AppMetrics::forget(const std::string& app) {
  const std::lock_guard lock(mutex_);
  apps_.erase(app);
}

// Locked.
void AppMetrics::drop_unused() {
  const base::MonotonicTime now = clock_.now();
  for (auto& [name, versions] : apps_) {
    for (auto& [label, entry] : versions) {
      entry.used = entry.metrics.use_count() > 1 ? now : entry.used;
    }
  }
  for (auto app = apps_.begin(); app != apps_.end();) {
    std::erase_if(app->second, [this, now](const auto& version) {
      return now - version.second.used > limits_.unused_time_max;
    });
    app = app->second.empty() ? apps_.erase(app) : std::next(app);
  }
}

std::string AppMetrics::expose() {
  const std::lock_guard lock(mutex_);
  drop_unused();
  base::MetricsText text;
  const auto each = [this](auto write) {
    for (const auto& [app, versions] : apps_) {
      for (const auto& [version, entry] : versions) {
        write(base::MetricLabels{{"app", app}, {"version", version}}, *entry.metrics);
      }
    }
  };
  const auto counter = [&](const char* name, const char* help, base::Counter VersionMetrics::* of) {
    text.family(name, help, base::MetricType::kCounter);
    each([&](const auto& labels, const auto& metrics) {
      text.series(labels, (metrics.*of).value());
    });
  };
  const auto gauge = [&](const char* name, const char* help, base::Gauge VersionMetrics::* of) {
    text.family(name, help, base::MetricType::kGauge);
    each([&](const auto& labels, const auto& metrics) {
      text.series(labels, (metrics.*of).value());
    });
  };
  const auto histogram = [&](const char* name, const char* help,
                             base::Histogram VersionMetrics::* of) {
    text.family(name, help, base::MetricType::kHistogram);
    each([&](const auto& labels, const auto& metrics) { text.series(labels, metrics.*of); });
  };
  // A counter for each value of one more label.
  const auto counters = [&](const char* name, const char* help, const char* label,
                            const auto& values, auto VersionMetrics::* of) {
    text.family(name, help, base::MetricType::kCounter);
    each([&](auto labels, const auto& metrics) {
      labels.emplace_back(label, "");
      for (std::size_t i = 0; i < values.size(); ++i) {
        labels.back().second = values[i];
        text.series(labels, (metrics.*of)[i].value());
      }
    });
  };
  counters("selvedge_app_requests_total", "Requests that have ended, by class of status", "class",
           kClasses, &VersionMetrics::requests);
  histogram("selvedge_app_request_microseconds", "Time from a request's head to its answer's end",
            &VersionMetrics::request_time);
  counter("selvedge_app_response_bytes_total", "Content of answers",
          &VersionMetrics::response_bytes);
  gauge("selvedge_app_requests_active", "Requests that are being answered or wait",
        &VersionMetrics::requests_active);
  gauge("selvedge_app_instances", "Instances that run", &VersionMetrics::instances);
  counter("selvedge_app_instances_started_total", "Instances that were started",
          &VersionMetrics::instances_started);
  histogram("selvedge_app_start_microseconds",
            "Cold starts: time until a version could take requests", &VersionMetrics::start_time);
  counter("selvedge_app_cpu_microseconds_total", "Processor time of instances",
          &VersionMetrics::cpu_time);
  gauge("selvedge_app_memory_bytes", "Linear memory of all instances", &VersionMetrics::memory);
  gauge("selvedge_app_memory_peak_bytes", "The most that there was of it",
        &VersionMetrics::memory_peak);
  counters("selvedge_app_limits_total", "Limits that were met", "limit", kLimitNames,
           &VersionMetrics::limits);
  return std::move(text).take();
}

}  // namespace selvedge::app
