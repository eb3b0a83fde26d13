#include "base/metrics.h"

#include <algorithm>
#include <iterator>

#include "base/assert.h"
#include "base/format.h"

namespace selvedge::base {
namespace {

bool valid_name(std::string_view name, bool colon_allowed) noexcept {
  const auto letter = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (colon_allowed && c == ':');
  };
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  return !name.empty() && letter(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return letter(c) || digit(c); });
}

void append_escaped(std::string& out, std::string_view text, bool quotes) {
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

// {a="1",le="5"} or nothing at all when there are no labels.
std::string label_text(const Registry::Labels& labels, std::string_view le = {}) {
  if (labels.empty() && le.empty()) {
    return {};
  }
  std::string out = "{";
  const auto add = [&](std::string_view name, std::string_view value) {
    if (out.size() > 1) {
      out += ',';
    }
    out.append(name).append("=\"");
    append_escaped(out, value, true);
    out += '"';
  };
  for (const auto& [name, value] : labels) {
    add(name, value);
  }
  if (!le.empty()) {
    add("le", le);
  }
  out += '}';
  return out;
}

void append_histogram(std::string& out, std::string_view name, const Registry::Labels& labels,
                      const Histogram& histogram) {
  // Bucket by bucket, so that the printed count is the sum of what was printed even while others
  // observe.
  std::uint64_t cumulative = 0;
  const auto bounds = histogram.upper_bounds();
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    cumulative += histogram.bucket(i);
    fmt::format_to(std::back_inserter(out), "{}_bucket{} {}\n", name,
                   label_text(labels, fmt::to_string(bounds[i])), cumulative);
  }
  cumulative += histogram.bucket(bounds.size());
  fmt::format_to(std::back_inserter(out), "{0}_bucket{1} {2}\n{0}_sum{3} {4}\n{0}_count{3} {2}\n",
                 name, label_text(labels, "+Inf"), cumulative, label_text(labels), histogram.sum());
}

}  // namespace

Histogram::Histogram(std::span<const std::uint64_t> upper_bounds)
    : bounds_count_(upper_bounds.size()) {
  SELVEDGE_ASSERT(!upper_bounds.empty() && upper_bounds.size() <= kBucketsMax);
  SELVEDGE_ASSERT(std::ranges::is_sorted(upper_bounds, std::less_equal<>{}));
  std::ranges::copy(upper_bounds, bounds_.begin());
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
  for (std::size_t i = 0; i <= bounds_count_; ++i) {
    total += bucket(i);
  }
  return total;
}

std::uint64_t Histogram::bucket(std::size_t index) const noexcept {
  SELVEDGE_ASSERT(index <= bounds_count_);
  return buckets_[index].load(std::memory_order_relaxed);
}

Registry::Series& Registry::add_series(std::string_view name, std::string_view help, Type type,
                                       Labels labels) {
  SELVEDGE_ASSERT(valid_name(name, true));
  SELVEDGE_ASSERT(std::ranges::all_of(
      labels, [](const auto& label) { return valid_name(label.first, false); }));
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
  Series& series = add_series(name, help, Type::kCounter, std::move(labels));
  Counter& made = counters_.emplace_back();
  series.counter = &made;
  return made;
}

Gauge& Registry::gauge(std::string_view name, std::string_view help, Labels labels) {
  const std::lock_guard lock(mutex_);
  Series& series = add_series(name, help, Type::kGauge, std::move(labels));
  Gauge& made = gauges_.emplace_back();
  series.gauge = &made;
  return made;
}

Histogram& Registry::histogram(std::string_view name, std::string_view help,
                               std::span<const std::uint64_t> upper_bounds, Labels labels) {
  const std::lock_guard lock(mutex_);
  Series& series = add_series(name, help, Type::kHistogram, std::move(labels));
  Histogram& made = histograms_.emplace_back(upper_bounds);
  series.histogram = &made;
  return made;
}

std::string Registry::expose() const {
  const std::lock_guard lock(mutex_);
  std::string out;
  for (const Family& family : families_) {
    out.append("# HELP ").append(family.name).append(" ");
    append_escaped(out, family.help, false);
    constexpr std::array<std::string_view, 3> kTypes{"counter", "gauge", "histogram"};
    fmt::format_to(std::back_inserter(out), "\n# TYPE {} {}\n", family.name,
                   kTypes.at(static_cast<std::size_t>(family.type)));
    for (const Series& series : family.series) {
      if (series.histogram != nullptr) {
        append_histogram(out, family.name, series.labels, *series.histogram);
      } else {
        const std::string value = series.counter != nullptr
                                      ? fmt::to_string(series.counter->value())
                                      : fmt::to_string(series.gauge->value());
        fmt::format_to(std::back_inserter(out), "{}{} {}\n", family.name, label_text(series.labels),
                       value);
      }
    }
  }
  return out;
}

}  // namespace selvedge::base
