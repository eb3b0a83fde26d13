#include "app/instance_places.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/system.h"
#include "io/kernel_reactor.h"
#include "io/task_scope.h"
#include "io/testing/simulation.h"

// Goal: places are handed on in the order of arrival, none is lost with those who leave the queue,
// and no one waits while there is one, also between threads. Method: reactors in simulated time;
// real ones on threads.

namespace selvedge::app {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;

// Starts at once.
class PromptStarter final : public InstanceStarter {
 public:
  PromptStarter(InstancePlaces& places, io::Reactor& reactor) noexcept
      : places_(places), reactor_(reactor) {}
  void start(std::size_t instance) override {
    ++started;
    places_.listening(instance, reactor_.now());
  }
  std::atomic<int> started = 0;

 private:
  InstancePlaces& places_;
  io::Reactor& reactor_;
};

class InstancePlacesTest : public ::testing::Test {
 protected:
  // Enters, stays for `time`, notes when it was let in or not.
  io::Task<> visit(io::Reactor& reactor, std::string name, base::Duration time,
                   base::Duration patience) {
    const auto place =
        co_await places_->enter(reactor, near_, reactor.deadline_after(patience), starter_);
    events_.push_back(place.has_value() ? name : name + " left");
    if (place.has_value()) {
      co_await reactor.sleep(time);
    }
    co_return {};
  }

  io::testing::Simulation simulation_{1};
  io::Reactor& a_ = simulation_.add_host("a", {io::IpAddress::v4({10, 0, 0, 1})}).reactor();
  io::Reactor& b_ = simulation_.add_host("b", {io::IpAddress::v4({10, 0, 0, 2})}).reactor();
  std::shared_ptr<InstancePlaces> places_ =
      InstancePlaces::create({.instances_max = 2, .target = 1, .limit = 1});
  std::vector<bool> near_{true, false};
  PromptStarter starter_{*places_, a_};
  std::vector<std::string> events_;
};

TEST_F(InstancePlacesTest, WhoComesBeyondWaits_InTheOrderOfArrival) {
  io::TaskScope on_a(a_);
  io::TaskScope on_b(b_);
  for (const char* name : {"1", "2", "3"}) {
    on_a.spawn(visit(a_, name, seconds(10), seconds(100)));
    simulation_.run_for(seconds(1));
    on_b.spawn(visit(b_, std::string(name) + "b", seconds(10), seconds(100)));
    simulation_.run_for(seconds(1));
  }
  simulation_.run_for(seconds(100));
  EXPECT_THAT(events_, ElementsAre("1", "1b", "2", "2b", "3", "3b"));
  EXPECT_EQ(starter_.started, 2);
}

TEST_F(InstancePlacesTest, WhoLeavesTheQueue_LosesNobodyAPlace) {
  io::TaskScope on_a(a_);
  std::optional<io::TaskScope> gone(b_);
  on_a.spawn(visit(a_, "1", seconds(10), seconds(100)));
  on_a.spawn(visit(a_, "2", seconds(20), seconds(100)));
  on_a.spawn(visit(a_, "impatient", seconds(10), seconds(5)));
  simulation_.run_for(seconds(1));
  gone->spawn(visit(b_, "cancelled", seconds(1000), seconds(100)));
  simulation_.run_for(seconds(1));
  on_a.spawn(visit(a_, "3", seconds(1), seconds(100)));
  simulation_.run_for(seconds(5));
  gone.reset();
  simulation_.run_for(seconds(100));
  EXPECT_THAT(events_, ElementsAre("1", "2", "impatient left", "3"));
  EXPECT_EQ(places_->waiting(), 0U);
  EXPECT_EQ(places_->scaler().busy(), 0U);
}

TEST_F(InstancePlacesTest, TooManyWaiting_AreRefusedAtOnce) {
  io::TaskScope on_a(a_);
  for (std::size_t i = 0; i < InstancePlaces::kWaitingMax + 2; ++i) {
    on_a.spawn(visit(a_, "in", seconds(50), seconds(10)));
  }
  simulation_.run_for(seconds(1));
  EXPECT_EQ(places_->waiting(), InstancePlaces::kWaitingMax);
  const auto refused = a_.run(places_->enter(a_, near_, a_.deadline_after(seconds(10)), starter_));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind(), ErrorKind::kOverloaded);
  simulation_.run_for(seconds(100));
  EXPECT_EQ(places_->waiting(), 0U);
}

TEST_F(InstancePlacesTest, AnInstanceThatEndedSinceTheGrant_IsNotUsed) {
  io::TaskScope on_a(a_);
  io::TaskScope on_b(b_);
  on_a.spawn(visit(a_, "1", seconds(10), seconds(100)));
  on_a.spawn(visit(a_, "2", seconds(10), seconds(100)));
  simulation_.run_for(seconds(1));
  on_b.spawn(visit(b_, "3", seconds(1), seconds(100)));
  simulation_.run_for(seconds(1));
  // Both are given back, and at the same moment one of the instances has ended.
  places_->down(0);
  simulation_.run_for(seconds(20));
  EXPECT_THAT(events_, ElementsAre("1", "2", "3"));
  EXPECT_EQ(places_->scaler().busy(), 0U);
}

TEST_F(InstancePlacesTest, WhenNothingIsUsedAnyMore_IsTold) {
  io::TaskScope on_a(a_);
  on_a.spawn(visit(a_, "1", seconds(10), seconds(100)));
  on_a.spawn(visit(a_, "2", seconds(10), seconds(100)));
  on_a.spawn(visit(a_, "3", seconds(10), seconds(100)));
  simulation_.run_for(seconds(1));
  const base::MonotonicTime began = simulation_.now();
  ASSERT_TRUE(b_.run(places_->wait_until_unused(b_, b_.deadline_after(seconds(100)))).has_value());
  EXPECT_GE(simulation_.now() - began, seconds(18));
  EXPECT_LE(simulation_.now() - began, seconds(20));
  ASSERT_TRUE(b_.run(places_->wait_until_unused(b_, b_.deadline_after(seconds(1)))).has_value());
  EXPECT_THAT(events_, ElementsAre("1", "2", "3"));
}

// A visitor of one thread; there are many on each.
io::Task<> come_and_go(InstancePlaces& places, io::Reactor& reactor, const std::vector<bool>& near,
                       InstanceStarter& starter, std::array<std::atomic<int>, 3>& inside,
                       std::atomic<int>& wrong) {
  constexpr int kVisits = 300;
  for (int i = 0; i < kVisits; ++i) {
    const auto place =
        co_await places.enter(reactor, near, reactor.deadline_after(seconds(60)), starter);
    if (!place.has_value()) {
      ++wrong;
      co_return {};
    }
    wrong += ++inside[place->instance()] > 1 ? 1 : 0;
    if (i % 2 == 0) {
      co_await reactor.yield();
    }
    --inside[place->instance()];
  }
  co_return {};
}

TEST(InstancePlacesThreads, NobodyIsForgotten_AndNobodyIsLetInTwice) {
  constexpr std::size_t kThreads = 3;
  constexpr int kVisitors = 20;
  const base::SystemClock clock;
  const auto places = InstancePlaces::create({.instances_max = 3, .target = 1, .limit = 1});
  std::array<std::atomic<int>, 3> inside{};
  std::atomic<int> wrong = 0;
  std::vector<std::unique_ptr<io::KernelReactor>> reactors;
  reactors.reserve(kThreads);
  for (std::size_t i = 0; i < kThreads; ++i) {
    reactors.push_back(io::KernelReactor::create(clock).value());
  }
  const std::vector<bool> near(3, false);
  {
    std::vector<std::jthread> threads;
    threads.reserve(kThreads);
    for (const auto& reactor : reactors) {
      threads.emplace_back([&, &here = *reactor] {
        PromptStarter starter(*places, here);
        io::TaskScope visitors(here);
        for (int i = 0; i < kVisitors; ++i) {
          visitors.spawn(come_and_go(*places, here, near, starter, inside, wrong));
        }
        wrong += here.run(visitors.close()).has_value() ? 0 : 1;
      });
    }
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(places->scaler().busy(), 0U);
  EXPECT_EQ(places->waiting(), 0U);
}

}  // namespace
}  // namespace selvedge::app
