#include "app/version_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "app/internal/recorded_exchange.h"
#include "app/testing/app_world.h"
#include "base/bytes.h"
#include "io/task_scope.h"
#include "io/testing/simulation.h"
#include "store/testing/store_world.h"

namespace selvedge::app {
namespace {

using ::testing::IsEmpty;

class VersionLogTest : public ::testing::Test {
 protected:
  // What is in the app's log once everything is written.
  std::vector<logs::Entry> entries_of(const std::string& app) {
    io::Reactor& reactor = host_.reactor();
    shard_.stop();
    EXPECT_TRUE(reactor.run(shard_.run()).has_value());
    const auto reader = reactor.run(logs_.open(reactor, app, {}, std::nullopt));
    const auto batch = reactor.run(logs_.read(reactor, *reader));
    EXPECT_TRUE(batch.has_value());
    return batch->entries;
  }

  io::testing::Simulation simulation_{1};
  io::testing::SimulatedHost& host_ =
      simulation_.add_host("node", {io::IpAddress::v4({10, 0, 0, 1})});
  io::testing::SimulatedHelperPool helpers_{simulation_};
  store::testing::TemporaryFolder folder_;
  logs::AppLogs logs_{folder_.path(), {}, helpers_, helpers_};
  logs::ShardLog shard_{host_.reactor(), logs_, simulation_.clock(), 0};
};

TEST_F(VersionLogTest, EverythingGoesToTheAppsLog) {
  const VersionLog log(shard_, "site", 3, std::make_shared<VersionMetrics>());
  EXPECT_EQ(log.next_instance(), 1U);
  EXPECT_EQ(VersionLog(shard_, "site", 4, log.metrics()).next_instance(), 2U);
  log.output(logs::Stream::kStdout, "a line", "", 1);
  log.platform("it ended", "r1", 1);
  log.remark("busy", "r2");
  log.request("/path", {.method = "GET", .status = 200}, "r3");
  const auto entries = entries_of("site");
  ASSERT_EQ(entries.size(), 4U);
  EXPECT_EQ(entries[0].stream, logs::Stream::kStdout);
  EXPECT_EQ(entries[0].text, "a line");
  EXPECT_EQ(entries[0].version, 3U);
  EXPECT_EQ(entries[0].instance, 1U);
  EXPECT_EQ(entries[1].stream, logs::Stream::kPlatform);
  EXPECT_EQ(entries[1].request_id, "r1");
  EXPECT_EQ(entries[2].stream, logs::Stream::kPlatform);
  EXPECT_EQ(entries[3].text, "/path");
  EXPECT_EQ(entries[3].request->status, 200);
  EXPECT_EQ(log.metrics()->requests[2].value(), 1U);
}

TEST_F(VersionLogTest, WithoutAnApp_NothingIsKept) {
  const VersionLog log("program");
  EXPECT_EQ(log.next_instance(), 0U);
  log.output(logs::Stream::kStdout, "a line", "", 0);
  log.platform("it ended");
  log.request("/path", {}, "r1");
  EXPECT_THAT(entries_of("program"), IsEmpty());
}

TEST_F(VersionLogTest, AnExchange_IsRecorded) {
  testing::RecordingExchange inner("GET", "host", "/path");
  internal::RecordedExchange exchange(inner);
  EXPECT_EQ(exchange.status(), 0);
  EXPECT_FALSE(exchange.head_sent());
  io::Reactor& reactor = host_.reactor();
  EXPECT_TRUE(reactor.run(exchange.send_head({.status = wire::StatusCode(404), .headers = {}}))
                  .has_value());
  EXPECT_TRUE(exchange.head_sent());
  EXPECT_TRUE(reactor.run(exchange.write_body(base::as_bytes("12345"))).has_value());
  EXPECT_FALSE(exchange.complete());
  EXPECT_TRUE(reactor.run(exchange.finish()).has_value());
  EXPECT_EQ(exchange.status(), 404);
  EXPECT_EQ(exchange.bytes(), 5U);
  EXPECT_TRUE(exchange.complete());
  EXPECT_EQ(inner.status, 404);
}

}  // namespace
}  // namespace selvedge::app
