#include "node/node_service.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <semaphore>

#include "base/system.h"
#include "io/task_scope.h"
#include "store/testing/store_world.h"

namespace selvedge::node {
namespace {

using namespace std::chrono_literals;

// Two shards and the watchdog's side of a service manager.
class WatchdogTest : public ::testing::Test {
 protected:
  WatchdogTest() {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    const std::string path = (folder_.path() / "notify").string();
    std::ranges::copy(path, static_cast<char*>(address.sun_path));
    const void* const pointer = &address;
    EXPECT_EQ(::bind(socket_.get(), static_cast<const sockaddr*>(pointer), sizeof(address)), 0);
    manager_ = ServiceManager::connect(path, "30000").value();
    group_->start([](io::Shard& shard) -> io::Task<> {
      co_await shard.stop_requested().wait();
      co_return {};
    });
    service_.emplace(NodeService::Options{.reactor = *reactor_,
                                          .group = *group_,
                                          .options = options_,
                                          .hooks = hooks_,
                                          .manager = manager_,
                                          .sockets = sockets_,
                                          .lock = -1,
                                          .drain = drain_,
                                          .apply = [] {},
                                          .drain_jobs = [] {}});
  }
  ~WatchdogTest() override {
    group_->request_stop();
    EXPECT_TRUE(group_->join().has_value());
  }

  // Runs the watch until it has said something, or for that long; how often it has.
  int pings(base::Duration time_max) {
    int count = 0;
    io::TaskScope scope(*reactor_);
    scope.spawn(service_->watch());
    const auto wait = [](this auto, io::KernelReactor& reactor, int fd, base::Duration most,
                         int& seen) -> io::Task<> {
      const base::MonotonicTime end = reactor.now() + most;
      while (seen == 0 && reactor.now() < end) {
        std::array<char, 64> buffer{};
        while (::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT) > 0) {
          ++seen;
        }
        co_await reactor.sleep(1ms);
      }
      co_return {};
    };
    EXPECT_TRUE(reactor_->run(wait(*reactor_, socket_.get(), time_max, count)).has_value());
    scope.cancel();
    EXPECT_TRUE(reactor_->run(scope.close()).has_value());
    return count;
  }

  store::testing::TemporaryFolder folder_;
  base::UniqueFd socket_{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  base::SystemClock clock_;
  std::unique_ptr<io::KernelReactor> reactor_ = io::KernelReactor::create(clock_).value();
  std::unique_ptr<io::ShardGroup> group_ = io::ShardGroup::create(clock_, {.shards = 2}).value();
  ServiceManager manager_;
  NodeOptions options_;
  NodeHooks hooks_{.listening = [](const PublicAddress&) {}};
  ListenSockets sockets_;
  DrainSettings drain_;
  std::optional<NodeService> service_;
};

TEST_F(WatchdogTest, WhileAllShardsTakeTurns_IsTold) { EXPECT_GE(pings(20s), 1); }

TEST_F(WatchdogTest, WhileOneShardIsStuck_HearsNothing) {
  std::binary_semaphore stuck(0);
  group_->shard(1).reactor().post([&stuck] { stuck.acquire(); });
  EXPECT_EQ(pings(300ms), 0);
  stuck.release();
  EXPECT_GE(pings(20s), 1);
}

}  // namespace
}  // namespace selvedge::node
