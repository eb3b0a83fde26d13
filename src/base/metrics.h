#pragma once

// Counters, gauges and histograms, exposed in the Prometheus text format, version 0.0.4.
//
// A Registry is constructed by the composition root and handed down; there is no global one.
// Metrics are registered at start and live as long as their registry. Updates are single relaxed
// atomic operations from any thread; exposition may run beside them.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics_text.h"

namespace selvedge::base {

class Counter {
 public:
  void add(std::uint64_t count = 1) noexcept { value_.fetch_add(count, std::memory_order_relaxed); }
  std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class Gauge {
 public:
  void set(std::int64_t value) noexcept { value_.store(value, std::memory_order_relaxed); }
  void add(std::int64_t count) noexcept { value_.fetch_add(count, std::memory_order_relaxed); }
  std::int64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

// Cumulative buckets with fixed upper bounds. Observations are unsigned integers in the unit that
// the metric's name ends with (microseconds, bytes): exposition prints them as they are.
class Histogram {
 public:
  static constexpr std::size_t kBucketsMax = 24;

  // `upper_bounds`: strictly ascending, 1 to kBucketsMax of them; outlive this, as constants do.
  explicit Histogram(std::span<const std::uint64_t> upper_bounds [[clang::lifetimebound]]);

  void observe(std::uint64_t value) noexcept;
  std::uint64_t count() const noexcept;
  std::uint64_t sum() const noexcept { return sum_.load(std::memory_order_relaxed); }
  std::span<const std::uint64_t> upper_bounds() const noexcept [[clang::lifetimebound]] {
    return bounds_;
  }
  // Observations in bucket `index` alone (not cumulative); behind the last bound is the overflow
  // bucket.
  std::uint64_t bucket(std::size_t index) const noexcept;

 private:
  // What is written at each observation first: most of them are in the lower buckets.
  std::span<const std::uint64_t> bounds_;
  std::atomic<std::uint64_t> sum_{0};
  std::array<std::atomic<std::uint64_t>, kBucketsMax + 1> buckets_{};
};

class Registry {
 public:
  using Labels = MetricLabels;

  Registry() = default;
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // Names follow Prometheus ([a-zA-Z_:][a-zA-Z0-9_:]*) and label names ([a-zA-Z_][a-zA-Z0-9_]*); a
  // wrong one, a second registration of the same name and labels, or one name with two types, is a
  // bug. `upper_bounds` outlive the registry. Any thread; takes a lock.
  Counter& counter(std::string_view name, std::string_view help, Labels labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, Labels labels = {});
  Histogram& histogram(std::string_view name, std::string_view help,
                       std::span<const std::uint64_t> upper_bounds, Labels labels = {});

  // The whole registry as Prometheus text. Any thread.
  std::string expose() const;

 private:
  struct Series {
    Labels labels;
    const Counter* counter = nullptr;
    const Gauge* gauge = nullptr;
    const Histogram* histogram = nullptr;
  };
  struct Family {
    std::string name;
    std::string help;
    MetricType type;
    std::vector<Series> series;
  };

  Series& add_series(std::string_view name, std::string_view help, MetricType type, Labels labels);

  mutable std::mutex mutex_;
  std::vector<Family> families_;
  std::deque<Counter> counters_;
  std::deque<Gauge> gauges_;
  std::deque<Histogram> histograms_;
};

}  // namespace selvedge::base
