#include "logs/shard_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "io/task_scope.h"
#include "io/testing/simulation.h"
#include "store/testing/store_world.h"

namespace selvedge::logs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Texts = std::vector<std::string>;

class ShardLogTest : public testing::Test {
 protected:
  ~ShardLogTest() override { finish(); }

  static Entry line(std::string text) {
    return {.time = {}, .version = 1, .stream = Stream::kStderr, .text = std::move(text)};
  }
  io::Reactor& reactor() { return host_.reactor(); }
  void finish() {
    shard_.stop();
    EXPECT_TRUE(reactor().run(scope_.close()).has_value());
  }
  Texts texts_of(const std::string& app) {
    const auto reader = reactor().run(logs_.open(reactor(), app, {}, std::nullopt));
    EXPECT_TRUE(reader.has_value());
    Texts texts;
    for (bool at_end = false; !at_end;) {
      const auto batch = reactor().run(logs_.read(reactor(), *reader));
      EXPECT_TRUE(batch.has_value());
      for (const Entry& entry : batch->entries) {
        texts.push_back(entry.text);
      }
      at_end = batch->at_end;
    }
    return texts;
  }

  io::testing::Simulation simulation_{1};
  io::testing::SimulatedHost& host_ =
      simulation_.add_host("node", {io::IpAddress::v4({10, 0, 0, 1})});
  io::testing::SimulatedHelperPool helpers_{simulation_};
  store::testing::TemporaryFolder folder_;
  AppLogs logs_{folder_.path() / "logs", {}, helpers_, helpers_};
  ShardLog shard_{host_.reactor(),
                  logs_,
                  simulation_.clock(),
                  5,
                  {.bytes_max = 20'000, .app_bytes_max = 10'000}};
  io::TaskScope scope_{host_.reactor()};
};

TEST_F(ShardLogTest, WhatIsAdded_IsWritten) {
  scope_.spawn(shard_.run());
  const auto site = shard_.channel("site");
  shard_.add(site, line("one"));
  shard_.add(shard_.channel("other"), line("else"));
  shard_.add(site, line("two"));
  finish();
  EXPECT_THAT(texts_of("site"), ElementsAre("one", "two"));
  EXPECT_THAT(texts_of("other"), ElementsAre("else"));
}

TEST_F(ShardLogTest, WhatIsAdded_WaitsForMore_UnlessItIsMuch) {
  scope_.spawn(shard_.run());
  shard_.add(shard_.channel("site"), line("one"));
  simulation_.run_for(std::chrono::milliseconds(90));
  EXPECT_THAT(texts_of("site"), IsEmpty());
  shard_.add(shard_.channel("site"), line("two"));
  simulation_.run_for(std::chrono::milliseconds(20));
  EXPECT_THAT(texts_of("site"), ElementsAre("one", "two"));
  shard_.add(shard_.channel("flood"), line(std::string(3000, 'x')));
  simulation_.run_for(std::chrono::milliseconds(10));
  EXPECT_EQ(texts_of("flood").size(), 1U);
}

TEST_F(ShardLogTest, AfterAFlush_AllThatWasAddedIsThere) {
  scope_.spawn(shard_.run());
  EXPECT_TRUE(reactor().run(shard_.flush("site")).has_value());
  for (const char* const text : {"one", "two"}) {
    shard_.add(shard_.channel("site"), line(text));
    const auto before = reactor().now();
    EXPECT_TRUE(reactor().run(shard_.flush("site")).has_value());
    EXPECT_LT(reactor().now() - before, std::chrono::milliseconds(50));
    EXPECT_EQ(texts_of("site").back(), text);
  }
}

TEST_F(ShardLogTest, EntriesHaveTheShardAndTheTimeOfTheirEvent) {
  const auto before = simulation_.clock().wall_now();
  shard_.add(shard_.channel("site"), line("one"));
  simulation_.run_for(std::chrono::seconds(5));
  scope_.spawn(shard_.run());
  finish();
  const auto reader = reactor().run(logs_.open(reactor(), "site", {}, std::nullopt));
  const auto batch = reactor().run(logs_.read(reactor(), *reader));
  ASSERT_EQ(batch->entries.size(), 1U);
  EXPECT_EQ(batch->entries[0].time, before);
  EXPECT_EQ(batch->entries[0].shard, 5);
  EXPECT_EQ(batch->entries[0].sequence, 1U);
}

TEST_F(ShardLogTest, WhatComesTooFast_IsDroppedAndCounted_OfThatAppAlone) {
  const auto flood = shard_.channel("flood");
  for (int i = 0; i < 100; ++i) {
    shard_.add(flood, line(std::string(1000, 'x')));
  }
  shard_.add(shard_.channel("quiet"), line("heard"));
  scope_.spawn(shard_.run());
  finish();
  EXPECT_THAT(texts_of("quiet"), ElementsAre("heard"));
  const Texts kept = texts_of("flood");
  ASSERT_GT(kept.size(), 2U);
  EXPECT_LT(kept.size(), 12U);
  EXPECT_EQ(kept.size() - 1 + shard_.dropped(), 100U);
  EXPECT_THAT(kept.back(), HasSubstr(std::to_string(shard_.dropped()) + " entries are missing"));
}

TEST_F(ShardLogTest, ARemovedApp_IsSilent_AndItsSuccessorIsNot) {
  scope_.spawn(shard_.run());
  const auto old = shard_.channel("site");
  shard_.add(old, line("waits"));
  shard_.remove("site");
  shard_.add(old, line("late"));
  const auto successor = shard_.channel("site");
  shard_.add(successor, line("new"));
  finish();
  EXPECT_THAT(texts_of("site"), ElementsAre("new"));
}

TEST_F(ShardLogTest, ChannelsOfOneApp_AreTheSame) {
  const auto one = shard_.channel("site");
  EXPECT_EQ(one, shard_.channel("site"));
  EXPECT_EQ(ShardLog::next_instance(*one), 1U);
  EXPECT_EQ(ShardLog::next_instance(*shard_.channel("site")), 2U);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(shard_.channel(std::to_string(i))->app(), std::to_string(i));
  }
  EXPECT_EQ(one, shard_.channel("site"));
}

TEST_F(ShardLogTest, ItEnds_WithNothingToSay) {
  scope_.spawn(shard_.run());
  finish();
  EXPECT_THAT(texts_of("site"), IsEmpty());
}

}  // namespace
}  // namespace selvedge::logs
