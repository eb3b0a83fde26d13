#include "io/remote_task.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/system.h"
#include "io/shard.h"
#include "io/testing/simulation.h"

namespace selvedge::io {
namespace {

class RemoteTaskTest : public ::testing::Test {
 public:
  testing::Simulation simulation_{1};
  testing::SimulatedHost& here_ = simulation_.add_host("here", {});
  testing::SimulatedHost& there_ = simulation_.add_host("there", {});
  TaskScope scope_{there_.reactor()};
};

Task<int> add_later(Reactor& reactor, int a, int b) {
  co_await reactor.sleep(std::chrono::seconds(1));
  co_return a + b;
}

TEST_F(RemoteTaskTest, BringsTheResult) {
  const auto sum = here_.reactor().run(
      run_on(scope_, here_.reactor(), [this] { return add_later(there_.reactor(), 1, 2); }));
  ASSERT_TRUE(sum.has_value());
  EXPECT_EQ(*sum, 3);
}

TEST_F(RemoteTaskTest, BringsTheError) {
  const auto failed = here_.reactor().run(run_on(scope_, here_.reactor(), []() -> Task<int> {
    co_return fail(ErrorKind::kNotFound, "no such thing");
  }));
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().kind(), ErrorKind::kNotFound);
}

TEST_F(RemoteTaskTest, AClosedOrCancelledScopeDisconnects) {
  TaskScope beside(here_.reactor());
  const auto cancel_soon = [](RemoteTaskTest& test) -> Task<> {
    co_await test.here_.reactor().sleep(std::chrono::milliseconds(500));
    test.scope_.cancel();
    co_return {};
  };
  beside.spawn(cancel_soon(*this));
  for (int i = 0; i < 2; ++i) {  // cancelled while it runs; closed before
    const auto failed = here_.reactor().run(
        run_on(scope_, here_.reactor(), [this] { return add_later(there_.reactor(), 1, 2); }));
    ASSERT_FALSE(failed.has_value());
    EXPECT_EQ(failed.error().kind(), ErrorKind::kDisconnected);
  }
}

TEST_F(RemoteTaskTest, GoesOnWhenTheCallerIsDestroyed) {
  bool ended = false;
  const auto timed_out = here_.reactor().run([](RemoteTaskTest& test, bool& done) -> Task<int> {
    co_return co_await with_deadline(
        run_on(test.scope_, test.here_.reactor(),
               [&test, &done](this auto /*self*/) -> Task<int> {
                 SELVEDGE_CO_TRY(const int sum, co_await add_later(test.there_.reactor(), 1, 2));
                 done = true;
                 co_return sum;
               }),
        test.here_.reactor().deadline_after(std::chrono::milliseconds(1)));
  }(*this, ended));
  EXPECT_EQ(timed_out.error().kind(), ErrorKind::kTimeout);
  EXPECT_FALSE(ended);
  ASSERT_TRUE(there_.reactor().run(scope_.close()).has_value());
  EXPECT_TRUE(ended);
}

// For the thread sanitizer, and for the thread that each part runs on.
TEST(RemoteTaskThreads, TheTaskRunsOnTheOtherThread) {
  const base::SystemClock clock;
  const auto reactor = KernelReactor::create(clock);
  ASSERT_TRUE(reactor.has_value());
  TaskScope scope(**reactor);
  const auto group = ShardGroup::create(clock, {.shards = 1});
  ASSERT_TRUE(group.has_value());
  const std::thread::id here = std::this_thread::get_id();
  Event done(**reactor);
  std::thread::id remote;
  (*group)->start([&](this auto /*self*/, Shard& shard) -> Task<> {
    const auto id = co_await run_on(scope, shard.reactor(), []() -> Task<std::thread::id> {
      co_return std::this_thread::get_id();
    });
    remote = id.has_value() ? *id : std::thread::id();
    (*reactor)->post([&done] { done.set(); });
    co_return {};
  });
  const auto waited = (*reactor)->run([](Event& event) -> Task<> {
    co_await event.wait();
    co_return {};
  }(done));
  ASSERT_TRUE(waited.has_value());
  ASSERT_TRUE((*group)->join().has_value());
  EXPECT_EQ(remote, here);
}

}  // namespace
}  // namespace selvedge::io
