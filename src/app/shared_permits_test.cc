#include "app/shared_permits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "io/task_scope.h"
#include "io/testing/simulation.h"

// Goal: never more permits than there are, each passed on in the order of arrival, none lost with
// those who leave the queue. Method: two reactors in simulated time.

namespace selvedge::app {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;

class SharedPermitsTest : public ::testing::Test {
 protected:
  // Enters, stays for `time`, notes when it was let in or not.
  io::Task<> visit(io::Reactor& reactor, std::string name, base::Duration time,
                   base::Duration patience) {
    const auto permit = co_await permits_->enter(reactor, reactor.deadline_after(patience));
    if (!permit.has_value()) {
      events_.push_back(name + " left");
      co_return {};
    }
    events_.push_back(name);
    ++inside_;
    most_ = std::max(most_, inside_);
    co_await reactor.sleep(time);
    --inside_;
    co_return {};
  }

  io::testing::Simulation simulation_{1};
  io::Reactor& a_ = simulation_.add_host("a", {io::IpAddress::v4({10, 0, 0, 1})}).reactor();
  io::Reactor& b_ = simulation_.add_host("b", {io::IpAddress::v4({10, 0, 0, 2})}).reactor();
  std::shared_ptr<SharedPermits> permits_ = SharedPermits::create(2);
  std::vector<std::string> events_;
  int inside_ = 0;
  int most_ = 0;
};

TEST_F(SharedPermitsTest, WhoComesBeyondWaits_InTheOrderOfArrival) {
  io::TaskScope on_a(a_);
  io::TaskScope on_b(b_);
  for (const char* name : {"1", "3", "5"}) {
    on_a.spawn(visit(a_, name, seconds(10), seconds(100)));
    simulation_.run_for(seconds(1));
    on_b.spawn(visit(b_, std::string(name) + "b", seconds(10), seconds(100)));
    simulation_.run_for(seconds(1));
  }
  simulation_.run_for(seconds(100));
  EXPECT_THAT(events_, ElementsAre("1", "1b", "3", "3b", "5", "5b"));
  EXPECT_EQ(most_, 2);
}

TEST_F(SharedPermitsTest, WhoHasNoPatience_Leaves) {
  io::TaskScope on_a(a_);
  on_a.spawn(visit(a_, "1", seconds(10), seconds(100)));
  on_a.spawn(visit(a_, "2", seconds(10), seconds(100)));
  on_a.spawn(visit(a_, "3", seconds(10), seconds(5)));
  on_a.spawn(visit(a_, "4", seconds(10), seconds(100)));
  simulation_.run_for(seconds(100));
  EXPECT_THAT(events_, ElementsAre("1", "2", "3 left", "4"));
}

TEST_F(SharedPermitsTest, APermitOfOneWhoIsCancelled_IsPassedOn) {
  io::TaskScope on_a(a_);
  std::optional<io::TaskScope> gone(b_);
  on_a.spawn(visit(a_, "1", seconds(10), seconds(100)));
  simulation_.run_for(seconds(1));
  gone->spawn(visit(b_, "2", seconds(1000), seconds(100)));
  simulation_.run_for(seconds(1));
  gone->spawn(visit(b_, "waits", seconds(1000), seconds(100)));
  simulation_.run_for(seconds(1));
  on_a.spawn(visit(a_, "3", seconds(10), seconds(100)));
  simulation_.run_for(seconds(1));
  gone.reset();
  simulation_.run_for(seconds(1));
  EXPECT_THAT(events_, ElementsAre("1", "2", "3"));
}

TEST_F(SharedPermitsTest, OneThatIsCancelledAfterItWasGranted_PassesItOn) {
  io::TaskScope on_a(a_);
  auto first = a_.run(permits_->enter(a_, a_.deadline_after(seconds(1))));
  auto second = a_.run(permits_->enter(a_, a_.deadline_after(seconds(1))));
  ASSERT_TRUE(first.has_value() && second.has_value());
  std::optional<SharedPermits::Permit> held(*std::move(first));
  std::optional<io::TaskScope> gone(b_);
  gone->spawn(visit(b_, "granted", seconds(1), seconds(100)));
  simulation_.run_for(seconds(1));
  held.reset();  // granted, and not yet told
  gone.reset();
  on_a.spawn(visit(a_, "next", seconds(1), seconds(100)));
  simulation_.run_for(seconds(10));
  EXPECT_THAT(events_, ElementsAre("next"));
}

}  // namespace
}  // namespace selvedge::app
