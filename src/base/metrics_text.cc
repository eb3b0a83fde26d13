#include "base/metrics_text.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "base/format.h"
#include "base/metrics.h"

namespace selvedge::base {
namespace {

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
std::string label_text(const MetricLabels& labels, std::string_view le = {}) {
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

}  // namespace

bool is_metric_name(std::string_view name, bool colon_allowed) noexcept {
  const auto letter = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (colon_allowed && c == ':');
  };
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  return !name.empty() && letter(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return letter(c) || digit(c); });
}

void MetricsText::family(std::string_view name, std::string_view help, MetricType type) {
  constexpr std::array<std::string_view, 3> kTypes{"counter", "gauge", "histogram"};
  name_ = name;
  text_.append("# HELP ").append(name).append(" ");
  append_escaped(text_, help, false);
  fmt::format_to(std::back_inserter(text_), "\n# TYPE {} {}\n", name,
                 kTypes.at(static_cast<std::size_t>(type)));
}

void MetricsText::series(const MetricLabels& labels, std::uint64_t value) {
  fmt::format_to(std::back_inserter(text_), "{}{} {}\n", name_, label_text(labels), value);
}

void MetricsText::series(const MetricLabels& labels, std::int64_t value) {
  fmt::format_to(std::back_inserter(text_), "{}{} {}\n", name_, label_text(labels), value);
}

void MetricsText::series(const MetricLabels& labels, const Histogram& histogram) {
  // Bucket by bucket, so that the printed count is the sum of what was printed even while others
  // observe.
  std::uint64_t cumulative = 0;
  const auto bounds = histogram.upper_bounds();
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    cumulative += histogram.bucket(i);
    fmt::format_to(std::back_inserter(text_), "{}_bucket{} {}\n", name_,
                   label_text(labels, fmt::to_string(bounds[i])), cumulative);
  }
  cumulative += histogram.bucket(bounds.size());
  fmt::format_to(std::back_inserter(text_), "{0}_bucket{1} {2}\n{0}_sum{3} {4}\n{0}_count{3} {2}\n",
                 name_, label_text(labels, "+Inf"), cumulative, label_text(labels),
                 histogram.sum());
}

}  // namespace selvedge::base
