#include "base/metrics.h"

#include <gtest/gtest.h>

#include <array>

namespace selvedge::base {
namespace {

TEST(Registry, Expose_PrintsThePrometheusTextFormat) {
  Registry registry;
  registry.counter("http_requests_total", "Requests\nby code", {{"code", "200"}}).add(3);
  registry.counter("http_requests_total", "", {{"code", "a\"b\\c\n"}}).add();
  registry.gauge("connections", "Open connections").set(-2);
  constexpr std::array<std::uint64_t, 2> kBounds{10, 100};
  Histogram& histogram = registry.histogram("latency_us", "Latency", kBounds);
  for (const std::uint64_t value : {1U, 10U, 11U, 1000U}) {
    histogram.observe(value);
  }
  EXPECT_EQ(registry.expose(),
            "# HELP http_requests_total Requests\\nby code\n"
            "# TYPE http_requests_total counter\n"
            "http_requests_total{code=\"200\"} 3\n"
            "http_requests_total{code=\"a\\\"b\\\\c\\n\"} 1\n"
            "# HELP connections Open connections\n"
            "# TYPE connections gauge\n"
            "connections -2\n"
            "# HELP latency_us Latency\n"
            "# TYPE latency_us histogram\n"
            "latency_us_bucket{le=\"10\"} 2\n"
            "latency_us_bucket{le=\"100\"} 3\n"
            "latency_us_bucket{le=\"+Inf\"} 4\n"
            "latency_us_sum 1022\n"
            "latency_us_count 4\n");
}

TEST(RegistryDeathTest, SameSeriesTwice_IsABug) {
  Registry registry;
  registry.counter("a_total", "", {{"x", "1"}});
  EXPECT_DEATH(registry.counter("a_total", "", {{"x", "1"}}), "assertion failed");
  EXPECT_DEATH(registry.gauge("a_total", ""), "assertion failed");
  EXPECT_DEATH(registry.counter("9a", ""), "assertion failed");
}

}  // namespace
}  // namespace selvedge::base
