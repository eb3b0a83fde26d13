#pragma once

// Writes the Prometheus text format, version 0.0.4.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace selvedge::base {

class Histogram;

using MetricLabels = std::vector<std::pair<std::string, std::string>>;

enum class MetricType : unsigned char { kCounter, kGauge, kHistogram };

class MetricsText {
 public:
  // Begins a family; its series follow.
  void family(std::string_view name, std::string_view help, MetricType type);
  void series(const MetricLabels& labels, std::uint64_t value);
  void series(const MetricLabels& labels, std::int64_t value);
  void series(const MetricLabels& labels, const Histogram& histogram);

  std::string take() && { return std::move(text_); }

 private:
  std::string name_;
  std::string text_;
};

// A name of a metric (with colons), or of a label.
bool is_metric_name(std::string_view name, bool colon_allowed) noexcept;

}  // namespace selvedge::base
