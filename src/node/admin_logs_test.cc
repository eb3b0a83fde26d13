#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>
#include <vector>

#include "app/testing/app_world.h"
#include "base/format.h"
#include "logs/shard_log.h"
#include "node/admin_api.h"
#include "node/node_logs.h"
#include "node/testing/admin_world.h"

// Goal: what a client gets of an app's log, while it grows and when it reads too slowly. Method: a
// real store and real files in simulated time; requests without a network.

namespace selvedge::node {
namespace {

using app::testing::RecordingExchange;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Texts = std::vector<std::string>;

class AdminLogsTest : public testing::AdminWorld {
 protected:
  AdminLogsTest() { world_.deploy("site", app::testing::cgi_program("x"), ""); }

  void write(const Texts& texts, logs::Stream stream = logs::Stream::kStderr) {
    std::vector<logs::AppRecords> batches(1);
    batches[0].app = "site";
    for (const std::string& text : texts) {
      batches[0].records.add({.time = base::WallTime(std::chrono::seconds(++seconds_)),
                              .version = 1,
                              .stream = stream,
                              .text = text});
    }
    EXPECT_TRUE(
        host_.reactor().run(logs_.logs().write(host_.reactor(), std::move(batches))).has_value());
  }
  static Texts texts_of(const RecordingExchange& exchange) {
    Texts texts;
    std::string_view rest = exchange.received;
    for (std::size_t end = rest.find('\n'); end != rest.npos; end = rest.find('\n')) {
      const auto value = json::parse(rest.substr(0, end), nullptr, false);
      texts.push_back(value.contains("missed") ? "missed" : value.value("text", "?"));
      rest.remove_prefix(end + 1);
    }
    EXPECT_TRUE(rest.empty());
    return texts;
  }
  std::unique_ptr<RecordingExchange> get(const std::string& query) {
    auto exchange =
        std::make_unique<RecordingExchange>("GET", "node", "/v1/apps/site/logs" + query);
    EXPECT_TRUE(host_.reactor().run(api_.handle(*exchange)).has_value());
    EXPECT_TRUE(exchange->finished);
    return exchange;
  }
  Texts texts_of(const std::string& query) { return texts_of(*get(query)); }
  std::string fault(const std::string& query) {
    const auto exchange = get(query);
    return fmt::format("{} {}", exchange->status,
                       json::parse(exchange->received).value("error", ""));
  }

  NodeLogs logs_{host_.reactor(),
                 folder_.path() / "logs",
                 {.app_bytes_max = logs::kAppBytesMin},
                 helpers_,
                 helpers_};
  AdminApi api_{[this] {
    AdminApi::Options made = options();
    made.logs = &logs_;
    return made;
  }()};
  int seconds_ = 0;
};

TEST_F(AdminLogsTest, TheLog_IsReadInOrder) {
  EXPECT_THAT(texts_of(""), IsEmpty());
  write(Texts{"one", "two", "three"});
  EXPECT_THAT(texts_of(""), ElementsAre("one", "two", "three"));
  EXPECT_THAT(texts_of("?limit=2"), ElementsAre("two", "three"));
  EXPECT_THAT(texts_of("?from=1970-01-01T00:00:02Z&until=1970-01-01T00%3A00%3A03Z"),
              ElementsAre("two"));
  EXPECT_THAT(texts_of("?version=2"), IsEmpty());
  write(Texts{"four"}, logs::Stream::kPlatform);
  EXPECT_THAT(texts_of("?stream=platform"), ElementsAre("four"));
}

TEST_F(AdminLogsTest, Mistakes_HaveOneSentence) {
  EXPECT_THAT(fault("?from=now"), HasSubstr("400 \"now\" is not a moment"));
  EXPECT_THAT(fault("?limit=x"), HasSubstr("400 limit must be a number of at most 100000"));
  EXPECT_THAT(fault("?limit=-1"), HasSubstr("400 limit must be"));
  EXPECT_THAT(fault("?stream=x"), HasSubstr("400 \"x\" is no stream"));
  EXPECT_THAT(fault("?follow=yes"), HasSubstr("400 follow must be 1 or 0"));
  EXPECT_THAT(fault("?colour=red"), HasSubstr("400 colour is no parameter"));
  EXPECT_THAT(fault("?limit"), HasSubstr("400 \"limit\" is not NAME=VALUE"));
  EXPECT_THAT(fault("?follow=1&until=2026-01-01T00:00:00Z"), HasSubstr("not both"));
  RecordingExchange unknown("GET", "node", "/v1/apps/other/logs");
  EXPECT_TRUE(host_.reactor().run(api_.handle(unknown)).has_value());
  EXPECT_EQ(unknown.status, 404);
}

TEST_F(AdminLogsTest, AFollower_GetsWhatComes_UntilTheNodeDrains) {
  write(Texts{"one", "two"});
  RecordingExchange exchange("GET", "node", "/v1/apps/site/logs?follow=1&limit=1");
  io::TaskScope scope(host_.reactor());
  scope.spawn(api_.handle(exchange));
  simulation_.run_for(std::chrono::seconds(1));
  EXPECT_THAT(texts_of(exchange), ElementsAre("two"));
  write(Texts{"three"});
  simulation_.run_for(std::chrono::seconds(1));
  EXPECT_THAT(texts_of(exchange), ElementsAre("two", "three"));
  EXPECT_FALSE(exchange.finished);
  logs_.stop();
  EXPECT_TRUE(host_.reactor().run(scope.close()).has_value());
  EXPECT_TRUE(exchange.finished);
}

TEST_F(AdminLogsTest, AFollowerThatWasOvertaken_IsToldSo) {
  write(Texts{"one"});
  RecordingExchange exchange("GET", "node", "/v1/apps/site/logs?follow=1");
  io::TaskScope scope(host_.reactor());
  scope.spawn(api_.handle(exchange));
  simulation_.run_for(std::chrono::seconds(1));
  write(Texts(200, std::string(1000, 'x')));
  simulation_.run_for(std::chrono::seconds(1));
  const Texts texts = texts_of(exchange);
  ASSERT_GT(texts.size(), 30U);
  EXPECT_LT(texts.size(), 70U);
  EXPECT_EQ(texts[1], "missed");
  logs_.stop();
  EXPECT_TRUE(host_.reactor().run(scope.close()).has_value());
}

TEST_F(AdminLogsTest, FollowersAreBounded) {
  std::vector<std::unique_ptr<RecordingExchange>> exchanges;
  io::TaskScope scope(host_.reactor());
  for (std::size_t i = 0; i <= NodeLogs::kFollowersMax; ++i) {
    exchanges.push_back(
        std::make_unique<RecordingExchange>("GET", "node", "/v1/apps/site/logs?follow=1"));
    scope.spawn(api_.handle(*exchanges.back()));
    simulation_.run_for(std::chrono::milliseconds(100));
  }
  EXPECT_EQ(exchanges.back()->status, 503);
  EXPECT_EQ(exchanges.front()->status, 200);
  logs_.stop();
  EXPECT_TRUE(host_.reactor().run(scope.close()).has_value());
}

TEST_F(AdminLogsTest, ARemovedApp_HasNoLog) {
  write(Texts{"old"});
  RecordingExchange exchange("DELETE", "node", "/v1/apps/site");
  EXPECT_TRUE(host_.reactor().run(api_.handle(exchange)).has_value());
  EXPECT_EQ(exchange.status, 204);
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "logs/site"));
  EXPECT_THAT(fault(""), HasSubstr("404 there is no app site"));
}

}  // namespace
}  // namespace selvedge::node
