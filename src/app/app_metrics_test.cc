#include "app/app_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "io/testing/simulation.h"

namespace selvedge::app {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using ::testing::HasSubstr;
using ::testing::Not;

class AppMetricsTest : public ::testing::Test {
 protected:
  io::testing::Simulation simulation_{1};
  AppMetrics metrics_{simulation_.clock(), {.apps_max = 3, .versions_max = 2}};
};

TEST_F(AppMetricsTest, WhatIsCounted_IsExposedByAppAndVersion) {
  const auto site = metrics_.of("site", 3);
  site->count_request(200, milliseconds(3), 100);
  site->count_request(204, milliseconds(700), 0);
  site->count_request(0, milliseconds(1), 7);
  site->count_limit(Limit::kQueue);
  site->observe_start(milliseconds(40));
  site->cpu_time.add(1234);
  const std::string text = metrics_.expose();
  for (const auto* line : {
           "# TYPE selvedge_app_requests_total counter\n",
           "\nselvedge_app_requests_total{app=\"site\",version=\"3\",class=\"2xx\"} 2\n",
           "\nselvedge_app_requests_total{app=\"site\",version=\"3\",class=\"5xx\"} 0\n",
           "\nselvedge_app_requests_total{app=\"site\",version=\"3\",class=\"none\"} 1\n",
           "\nselvedge_app_request_microseconds_bucket{app=\"site\",version=\"3\",le=\"1000\"} 1\n",
           "\nselvedge_app_request_microseconds_bucket{app=\"site\",version=\"3\",le=\"5000\"} 2\n",
           "\nselvedge_app_request_microseconds_count{app=\"site\",version=\"3\"} 3\n",
           "\nselvedge_app_response_bytes_total{app=\"site\",version=\"3\"} 107\n",
           "\nselvedge_app_start_microseconds_sum{app=\"site\",version=\"3\"} 40000\n",
           "\nselvedge_app_cpu_microseconds_total{app=\"site\",version=\"3\"} 1234\n",
           "\nselvedge_app_limits_total{app=\"site\",version=\"3\",limit=\"queue\"} 1\n",
           "\nselvedge_app_limits_total{app=\"site\",version=\"3\",limit=\"memory\"} 0\n",
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST_F(AppMetricsTest, ShardsShareAVersionsCounters) {
  EXPECT_EQ(metrics_.of("site", 1), metrics_.of("site", 1));
  EXPECT_NE(metrics_.of("site", 1), metrics_.of("site", 2));
}

TEST_F(AppMetricsTest, MemoryHasAPeak) {
  const auto site = metrics_.of("site", 1);
  site->add_memory(100);
  site->add_memory(50);
  site->add_memory(-120);
  EXPECT_EQ(site->memory.value(), 30);
  EXPECT_EQ(site->memory_peak.value(), 150);
}

TEST_F(AppMetricsTest, SeriesAreBounded) {
  std::vector<std::shared_ptr<VersionMetrics>> held;
  for (const auto* app : {"a", "b", "c", "d", "e"}) {
    held.push_back(metrics_.of(app, 1));
    held.back()->count_request(200, milliseconds(1), 0);
  }
  EXPECT_EQ(metrics_.of("d", 7), metrics_.of("e", 1));
  for (int version = 2; version < 20; ++version) {
    metrics_.of("a", static_cast<std::uint64_t>(version))->count_request(404, milliseconds(1), 0);
  }
  const std::string text = metrics_.expose();
  EXPECT_THAT(text, HasSubstr("requests_total{app=\"other\",version=\"other\",class=\"2xx\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("requests_total{app=\"a\",version=\"2\",class=\"4xx\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("requests_total{app=\"a\",version=\"other\",class=\"4xx\"} 17\n"));
  EXPECT_THAT(text, Not(HasSubstr("app=\"d\"")));
}

TEST_F(AppMetricsTest, WhatIsUnusedForLong_HasNoSeries) {
  const auto held = metrics_.of("held", 1);
  metrics_.of("gone", 1)->count_request(200, milliseconds(1), 0);
  simulation_.run_for(minutes(59));
  EXPECT_THAT(metrics_.expose(), HasSubstr("app=\"gone\""));
  simulation_.run_for(hours(2));
  const std::string text = metrics_.expose();
  EXPECT_THAT(text, Not(HasSubstr("app=\"gone\"")));
  EXPECT_THAT(text, HasSubstr("app=\"held\""));
}

TEST_F(AppMetricsTest, UnusedApps_MakeRoom) {
  for (const auto* app : {"a", "b", "c"}) {
    metrics_.of(app, 1);
  }
  simulation_.run_for(hours(2));
  const auto site = metrics_.of("site", 1);
  EXPECT_THAT(metrics_.expose(), HasSubstr("app=\"site\",version=\"1\""));
}

TEST_F(AppMetricsTest, ARemovedApp_BeginsAtZero) {
  metrics_.of("site", 1)->count_request(200, milliseconds(1), 0);
  metrics_.forget("site");
  EXPECT_THAT(metrics_.expose(), Not(HasSubstr("app=\"site\"")));
}

}  // namespace
}  // namespace selvedge::app
