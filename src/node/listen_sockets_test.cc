#include "node/listen_sockets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <filesystem>
#include <set>

#include "io/kernel_network.h"
#include "store/testing/store_world.h"

namespace selvedge::node {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(SocketsOfShard, EverySocketHasSomebodyAndEveryShardHasSockets) {
  for (const std::size_t shards : {1U, 2U, 3U, 8U}) {
    for (const std::size_t sockets : {1U, 2U, 3U, 7U, 8U, 20U}) {
      std::multiset<std::size_t> served;
      for (std::size_t shard = 0; shard < shards; ++shard) {
        const auto mine = sockets_of_shard(shard, shards, sockets);
        EXPECT_FALSE(mine.empty());
        served.insert(mine.begin(), mine.end());
      }
      for (std::size_t socket = 0; socket < sockets; ++socket) {
        EXPECT_GE(served.count(socket), 1U) << shards << " shards, " << sockets << " sockets";
      }
      if (sockets >= shards) {
        EXPECT_EQ(served.size(), sockets) << "shared without need";
      }
    }
  }
  EXPECT_THAT(sockets_of_shard(1, 2, 5), ElementsAre(1, 3));
  EXPECT_THAT(sockets_of_shard(3, 4, 2), ElementsAre(1));
}

class ListenSocketsTest : public ::testing::Test {
 protected:
  Result<> complete(ListenSockets& sockets, std::size_t shards, bool beside_another = false) const {
    return sockets.complete(plan_, beside_another, shards);
  }
  std::filesystem::path admin_path() const { return folder_.path() / "admin.sock"; }

  store::testing::TemporaryFolder folder_;
  ListenPlan plan_{.http = parse_listen_address("127.0.0.1:0").value(),
                   .admin = parse_listen_address("127.0.0.1:0").value(),
                   .admin_path = admin_path()};
};

TEST_F(ListenSocketsTest, Complete_MakesOneForEachShardOnOnePort) {
  ListenSockets sockets;
  ASSERT_TRUE(complete(sockets, 3).has_value());
  ASSERT_EQ(sockets.http.size(), 3U);
  for (const base::UniqueFd& socket : sockets.http) {
    EXPECT_EQ(io::KernelNetwork::address_of(socket), sockets.http_address());
  }
  EXPECT_TRUE(std::filesystem::is_socket(admin_path()));
  EXPECT_TRUE(sockets.admin_network);
  // Another process' port is refused, but not that of the process that is taken over from.
  plan_.http.address = sockets.http_address();
  ASSERT_EQ(::listen(sockets.http.front().get(), 1), 0);
  ListenSockets others;
  const auto refused = complete(others, 1);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message(), HasSubstr("in use by another program"));
  EXPECT_TRUE(complete(others, 1, true).has_value());
}

TEST_F(ListenSocketsTest, Complete_KeepsWhatThereIsAndAddsForMoreShards) {
  ListenSockets sockets;
  ASSERT_TRUE(complete(sockets, 1).has_value());
  const int first = sockets.http.front().get();
  const int admin = sockets.admin.get();
  ASSERT_TRUE(complete(sockets, 2).has_value());
  ASSERT_EQ(sockets.http.size(), 2U);
  EXPECT_EQ(sockets.http.front().get(), first);
  EXPECT_EQ(sockets.admin.get(), admin);
  // The service manager's cannot be added to: shards share them.
  sockets.http_passed = true;
  ASSERT_TRUE(complete(sockets, 5).has_value());
  EXPECT_EQ(sockets.http.size(), 2U);
}

TEST_F(ListenSocketsTest, WhatTheConfigurationNoLongerSays_IsDroppedUnlessPassed) {
  ListenSockets sockets;
  ASSERT_TRUE(complete(sockets, 1).has_value());
  const std::string earlier = to_string(plan_);
  sockets.keep_configured(plan_, earlier);
  EXPECT_EQ(sockets.http.size(), 1U);
  EXPECT_TRUE(sockets.admin);
  EXPECT_TRUE(sockets.admin_network);
  plan_.admin.reset();
  sockets.keep_configured(plan_, earlier);
  EXPECT_EQ(sockets.http.size(), 1U);
  EXPECT_FALSE(sockets.admin_network);
  plan_ = {.http = parse_listen_address(":1").value(), .admin_path = "/elsewhere"};
  sockets.http_passed = true;
  sockets.admin_passed = true;
  sockets.keep_configured(plan_, earlier);
  EXPECT_EQ(sockets.http.size(), 1U);
  EXPECT_TRUE(sockets.admin);
  sockets.http_passed = false;
  sockets.admin_passed = false;
  sockets.keep_configured(plan_, earlier);
  EXPECT_TRUE(sockets.http.empty());
  EXPECT_FALSE(sockets.admin);
}

TEST(PassedDescriptorsTest, NamesThatAreUnknown_AreRefused) {
  EXPECT_FALSE(PassedDescriptors::from_predecessor("").value().channel);
  EXPECT_TRUE(PassedDescriptors::from_service_manager(0).value().sockets.http.empty());
}

}  // namespace
}  // namespace selvedge::node
