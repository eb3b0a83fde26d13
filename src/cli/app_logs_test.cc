#include "cli/app_logs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "logs/log_time.h"

namespace selvedge::cli {
namespace {

using testing::HasSubstr;

const base::WallTime kNow(std::chrono::seconds(1'764'155'564));  // 2025-11-26T11:12:44Z

std::string path_of(const LogsOptions& options) {
  const auto path = logs_path("site", options, kNow);
  return path.has_value() ? *path : "error: " + std::string(path.error().message());
}

TEST(AppLogs, WithoutOptions_TheLastHundredLines) {
  EXPECT_EQ(path_of({}), "/v1/apps/site/logs?limit=100");
  EXPECT_EQ(path_of({.lines = 5}), "/v1/apps/site/logs?limit=5");
  EXPECT_EQ(path_of({.follow = true}), "/v1/apps/site/logs?limit=100&follow=1");
}

TEST(AppLogs, TimesAreMomentsOrSpans) {
  EXPECT_EQ(path_of({.from = "2025-11-26T10:00:00+01:00"}),
            "/v1/apps/site/logs?from=2025-11-26T09%3A00%3A00.000000000Z");
  EXPECT_EQ(path_of({.from = "2h", .until = "15m", .lines = 7}),
            "/v1/apps/site/logs?from=2025-11-26T09%3A12%3A44.000000000Z"
            "&until=2025-11-26T10%3A57%3A44.000000000Z&limit=7");
  EXPECT_THAT(path_of({.from = "yesterday"}), HasSubstr("--from: \"yesterday\" is neither"));
}

TEST(AppLogs, Filters) {
  EXPECT_EQ(path_of({.stream = "stderr", .request = "a b&c", .version = 3}),
            "/v1/apps/site/logs?stream=stderr&request=a%20b%26c&version=3");
  EXPECT_THAT(path_of({.stream = "err"}), HasSubstr("--stream: \"err\" is none of"));
  EXPECT_THAT(path_of({.follow = true, .until = "1m"}), HasSubstr("exclude each other"));
}

TEST(AppLogs, LinesForPeople) {
  EXPECT_EQ(describe_log_line(R"({"sequence":1,"time":"2025-11-26T11:12:44.123456789Z","version":3,
      "shard":0,"stream":"stderr","request":"ab","text":"one\u001b[31m"})"),
            "2025-11-26T11:12:44.123Z v3 stderr   ab one\\x1b[31m");
  const auto* const request = R"({"sequence":1,"time":"2025-11-26T11:12:44.123456789Z",
      "version":3,"shard":0,"stream":"request","request":"ab","path":"/x","method":"GET",
      "status":502,"bytes":12,"microseconds":1500,"cold_start":true,"complete":false})";
  EXPECT_EQ(
      describe_log_line(request),
      "2025-11-26T11:12:44.123Z v3 request  ab GET /x 502 12 bytes 1.500 ms, cold start, cut off");
  EXPECT_EQ(describe_log_line(R"({"missed":7})"),
            "-- 7 entries were overwritten before they were read");
}

}  // namespace
}  // namespace selvedge::cli
