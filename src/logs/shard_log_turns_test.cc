// Very many apps that speak at once: whose entries wait, and for how long.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "io/task_scope.h"
#include "io/testing/simulation.h"
#include "logs/shard_log.h"
#include "store/testing/store_world.h"

namespace selvedge::logs {
namespace {

using std::chrono::milliseconds;

class ShardLogTurnsTest : public testing::Test {
 protected:
  static constexpr std::size_t kFilesMax = 10;
  static constexpr int kApps = 300;

  ShardLogTurnsTest() {
    logs_.set_listener([this](std::span<const AppRecords> batches) {
      most_files_ = std::max(most_files_, batches.size());
      for (const AppRecords& batch : batches) {
        ++writes_;
        written_[batch.app] += batch.records.count();
        last_write_[batch.app] = simulation_.clock().now();
      }
    });
  }
  ~ShardLogTurnsTest() override { finish(); }

  io::Reactor& reactor() { return host_.reactor(); }
  ShardLog& log() { return *shard_; }
  void begin(ShardLogLimits limits) {
    limits.files_max = kFilesMax;
    shard_.emplace(reactor(), logs_, simulation_.clock(), std::uint16_t{0}, limits);
    scope_.spawn(shard_->run());
  }
  void finish() {
    if (shard_.has_value()) {
      shard_->stop();
      EXPECT_TRUE(reactor().run(scope_.close()).has_value());
    }
  }
  void say(const std::string& app, std::string text) {
    auto& channel = channels_[app];
    if (channel == nullptr) {
      channel = log().channel(app);
    }
    log().add(channel, {.time = {}, .stream = Stream::kStderr, .text = std::move(text)});
    ++said_[app];
  }
  void all_say(const std::string& text) {
    for (int i = 0; i < kApps; ++i) {
      say("busy-" + std::to_string(i), text);
    }
  }
  std::vector<std::string> texts_of(const std::string& app) {
    const auto reader = reactor().run(logs_.open(reactor(), app, {}, std::nullopt));
    const auto batch = reactor().run(logs_.read(reactor(), *reader));
    EXPECT_TRUE(batch.has_value() && batch->at_end);
    std::vector<std::string> texts;
    for (const Entry& entry : batch->entries) {
      texts.push_back(entry.text);
    }
    return texts;
  }

  io::testing::Simulation simulation_{1};
  io::testing::SimulatedHost& host_ =
      simulation_.add_host("node", {io::IpAddress::v4({10, 0, 0, 1})});
  io::testing::SimulatedHelperPool helpers_{simulation_};
  store::testing::TemporaryFolder folder_;
  AppLogs logs_{folder_.path() / "logs", {}, helpers_, helpers_};
  std::map<std::string, std::shared_ptr<ShardLog::Channel>> channels_;
  std::map<std::string, std::size_t> said_;
  // What the listener has seen.
  std::map<std::string, std::size_t> written_;
  std::map<std::string, base::MonotonicTime> last_write_;
  std::size_t writes_ = 0;
  std::size_t most_files_ = 0;
  std::optional<ShardLog> shard_;
  io::TaskScope scope_{host_.reactor()};
};

TEST_F(ShardLogTurnsTest, EntriesOfManyApps_ShareTheirWrites) {
  begin({});
  for (int round = 0; round < 60; ++round) {
    all_say("line");
    simulation_.run_for(milliseconds(100));
  }
  finish();
  EXPECT_EQ(written_, said_);
  // Each app has said 60 entries, and had its turn every two seconds.
  EXPECT_LE(writes_, kApps * 5U);
}

TEST_F(ShardLogTurnsTest, NoEntryWaitsForLongerThanTheLimit) {
  begin({});
  all_say("line");
  simulation_.run_for(kEntryWaitTimeMax + milliseconds(150));
  EXPECT_EQ(written_, said_);
}

TEST_F(ShardLogTurnsTest, ItsTurnComes_WhileOthersGoOn) {
  begin({});
  for (int round = 0; round < 30; ++round) {
    all_say("line");
    if (round == 5) {
      say("quiet", "once");
    }
    simulation_.run_for(milliseconds(100));
  }
  EXPECT_EQ(written_["quiet"], 1U);
}

TEST_F(ShardLogTurnsTest, FewApps_DoNotWaitForTurns) {
  begin({});
  for (std::size_t i = 0; i < kFilesMax; ++i) {
    say(std::to_string(i), "line");
  }
  simulation_.run_for(milliseconds(110));
  EXPECT_EQ(written_, said_);
}

TEST_F(ShardLogTurnsTest, WhoHasWaitedLongest_IsFirst_AndNoMoreFilesThanTheLimit) {
  begin({});
  for (int i = 0; i < 100; ++i) {
    say(std::to_string(1000 + i), "line");
    simulation_.run_for(milliseconds(1));
  }
  simulation_.run_for(milliseconds(450));
  EXPECT_EQ(most_files_, kFilesMax);
  EXPECT_EQ(writes_, 5 * kFilesMax);
  EXPECT_TRUE(written_.contains("1049"));
  EXPECT_FALSE(written_.contains("1050"));
}

TEST_F(ShardLogTurnsTest, AnAppThatHasMuchToSay_DoesNotWaitForItsTurn) {
  begin({});
  all_say("line");
  simulation_.run_for(milliseconds(110));
  say("much", std::string(kTextBytesMax, 'x'));
  EXPECT_EQ(written_["much"], 0U);
  for (int i = 0; i < 8; ++i) {
    say("much", std::string(kTextBytesMax, 'x'));
  }
  simulation_.run_for(milliseconds(110));
  EXPECT_EQ(written_["much"], 9U);
  EXPECT_LT(written_.size(), kApps / 2U);
}

TEST_F(ShardLogTurnsTest, WhatWaits_IsBounded_AndNothingIsLostForIt) {
  constexpr std::size_t kBytesMax = 90'000;
  begin({.bytes_max = kBytesMax});
  // Twice the room.
  for (int part = 0; part < 6; ++part) {
    all_say(std::string(50, 'x'));
    simulation_.run_for(milliseconds(20));
  }
  std::size_t waiting = 0;
  for (const auto& [app, count] : said_) {
    waiting += (count - written_[app]) * record_bytes({.time = {}, .text = std::string(50, 'x')});
  }
  EXPECT_LE(waiting, kBytesMax);
  EXPECT_GT(waiting, kBytesMax / 2);
  finish();
  EXPECT_EQ(log().dropped(), 0U);
  EXPECT_EQ(written_, said_);
}

TEST_F(ShardLogTurnsTest, AtTheEnd_NothingIsMissing_AndEachAppsEntriesAreInOrder) {
  begin({});
  std::vector<std::string> texts;
  for (int round = 0; round < 25; ++round) {
    texts.push_back("line " + std::to_string(round));
    all_say(texts.back());
    simulation_.run_for(milliseconds(70));
  }
  finish();
  for (int i = 0; i < kApps; i += 37) {
    EXPECT_EQ(texts_of("busy-" + std::to_string(i)), texts);
  }
  EXPECT_EQ(written_, said_);
}

TEST_F(ShardLogTurnsTest, WhoReadsAnApp_WaitsForNoOther) {
  begin({});
  all_say("line");
  simulation_.run_for(milliseconds(110));
  say("site", "one");
  const auto before = reactor().now();
  EXPECT_TRUE(reactor().run(log().flush("site")).has_value());
  EXPECT_LT(reactor().now() - before, milliseconds(50));
  EXPECT_EQ(texts_of("site"), std::vector<std::string>{"one"});
  EXPECT_LT(writes_, 3 * kFilesMax);
}

TEST_F(ShardLogTurnsTest, AFollowedApp_NeedsNoTurn_UntilNobodyFollowsIt) {
  begin({});
  log().follow("site");
  log().follow("site");
  log().unfollow("site");
  const auto says_it = [this](const std::string& text) {
    all_say("line");
    say("site", text);
    simulation_.run_for(milliseconds(110));
    return written_["site"] == said_["site"];
  };
  EXPECT_TRUE(says_it("one"));
  EXPECT_TRUE(says_it("two"));
  log().unfollow("site");
  EXPECT_FALSE(says_it("three"));
}

TEST_F(ShardLogTurnsTest, ARemovedApp_LosesItsTurn) {
  begin({});
  all_say("line");
  say("site", "line");
  log().remove("site");
  finish();
  EXPECT_FALSE(written_.contains("site"));
  EXPECT_EQ(written_.size(), std::size_t{kApps});
}

TEST_F(ShardLogTurnsTest, AnAppThatHasEnded_IsHeardAllTheSame) {
  begin({});
  all_say("line");
  say("site", "last words");
  channels_.clear();
  simulation_.run_for(kEntryWaitTimeMax + milliseconds(150));
  EXPECT_EQ(texts_of("site"), std::vector<std::string>{"last words"});
}

}  // namespace
}  // namespace selvedge::logs
