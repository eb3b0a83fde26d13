#include "base/metrics.h"

#include <algorithm>
#include <iterator>

#include "base/assert.h"

namespace selvedge::base {

Histogram::Histogram(std::span<const std::uint64_t> upper_bounds) : bounds_(upper_bounds) {
  SELVEDGE_ASSERT(!upper_bounds.empty() && upper_bounds.size() <= kBucketsMax);
  SELVEDGE_ASSERT(std::ranges::is_sorted(upper_bounds, std::less_equal<>{}));
}

void Histogram::observe(std::uint64_t value) noexcept {
  const auto bounds = upper_bounds();
  const auto index =
      static_cast<std::size_t>(std::ranges::lower_bound(bounds, value) - bounds.begin());
  buckets_[index].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

std::uint64_t Histogram::count() const noexcept {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i <= bounds_.size(); ++i) {
    total += bucket(i);
  }
  return total;
}

std::uint64_t Histogram::bucket(std::size_t index) const noexcept {
  SELVEDGE_ASSERT(index <= bounds_.size());
  return buckets_[index].load(std::memory_order_relaxed);
}

Registry::Series& Registry::add_series(std::string_view name, std::string_view help,
                                       MetricType type, Labels labels) {
  SELVEDGE_ASSERT(is_metric_name(name, true));
  SELVEDGE_ASSERT(std::ranges::all_of(
      labels, [](const auto& label) { return is_metric_name(label.first, false); }));
  auto family = std::ranges::find(families_, name, &Family::name);
  if (family == families_.end()) {
    families_.push_back(Family{std::string(name), std::string(help), type, {}});
    family = std::prev(families_.end());
  }
  SELVEDGE_ASSERT(family->type == type);
  SELVEDGE_ASSERT(std::ranges::find(family->series, labels, &Series::labels) ==
                  family->series.end());
  family->series.push_back(Series{.labels = std::move(labels)});
  return family->series.back();
}

Counter& Registry::counter(std::string_view name, std::string_view help, Labels labels) {
  const std::lock_guard lock(mutex_);
  Series& series = add_series(name, help, MetricType::kCounter, std::move(labels));
  Counter& made = counters_.emplace_back();
  series.counter = &made;
  return made;
}

Gauge& Registry::gauge(std::string_view name, std::string_view help, Labels labels) {
  const std::lock_guard lock(mutex_);
  Series& series = add_series(name, help, MetricType::kGauge, std::move(labels));
  Gauge& made = gauges_.emplace_back();
  series.gauge = &made;
  return made;
}

Histogram& Registry::histogram(std::string_view name, std::string_view help,
                               std::span<const std::uint64_t> upper_bounds, Labels labels) {
  const std::lock_guard lock(mutex_);
  Series& series = add_series(name, help, MetricType::kHistogram, std::move(labels));
  Histogram& made = histograms_.emplace_back(upper_bounds);
  series.histogram = &made;
  return made;
}

std::string Registry::expose() const {
  const std::lock_guard lock(mutex_);
  MetricsText text;
  for (const Family& family : families_) {
    text.family(family.name, family.help, family.type);
    for (const Series& series : family.series) {
      if (series.histogram != nullptr) {
        text.series(series.labels, *series.histogram);
      } else if (series.counter != nullptr) {
        text.series(series.labels, series.counter->value());
      } else {
        text.series(series.labels, series.gauge->value());
      }
    }
  }
  return std::move(text).take();
}

}  // namespace selvedge::base
