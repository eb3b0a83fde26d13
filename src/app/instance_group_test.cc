#include "app/instance_group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "app/testing/instance_world.h"

// Goal: requests of several shards share the instances of a version as instance_scaler.h says,
// whatever becomes of instances. Method: shards and programs in simulated time.

namespace selvedge::app {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::Each;
using ::testing::ElementsAre;
using testing::InstanceWorld;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class InstanceGroupTest : public ::testing::Test {
 protected:
  InstanceWorld& open(AppScaling scaling, std::vector<HealthCheckConfig> checks = {}) {
    world_.emplace(1, 2, scaling, std::move(checks));
    return *world_;
  }
  static AppScaling single(std::size_t max) {
    AppScaling made;
    made.single_concurrency = true;
    made.instances_max = max;
    made.idle_time_max = seconds(60);
    return made;
  }
  std::optional<InstanceWorld> world_;
};

TEST_F(InstanceGroupTest, RequestsOfASingleConcurrencyProgram_RunBesideEachOther) {
  InstanceWorld& world = open(single(4));
  for (std::size_t i = 0; i < 4; ++i) {
    world.ask(static_cast<std::size_t>(i % 2), "/1000");
  }
  world.run_for(milliseconds(1500));
  EXPECT_THAT(world.answers(), UnorderedElementsAre(0, 1, 2, 3));
  EXPECT_EQ(world.programs.most_at_once, 1U);
}

TEST_F(InstanceGroupTest, BeyondTheMost_RequestsWaitForWhicheverIsFreeFirst) {
  InstanceWorld& world = open(single(2));
  world.ask(0, "/5000");
  world.run_for(seconds(1));
  for (int i = 0; i < 4; ++i) {
    world.ask(1, "/500");
  }
  world.run_for(milliseconds(3500));
  EXPECT_THAT(world.answers(), ElementsAre(0, 1, 1, 1, 1)) << "0 is still at its first one";
  EXPECT_EQ(world.programs.started, 2);
}

TEST_F(InstanceGroupTest, ARequestThatCausedAStart_TakesWhatIsFreeSooner) {
  InstanceWorld& world = open(single(2));
  world.ask(0, "/1000");
  world.run_for(milliseconds(500));
  world.programs.start_time = seconds(10);
  world.ask(0, "/10");
  world.run_for(seconds(1));
  EXPECT_THAT(world.answers(), ElementsAre(0, 0));
  EXPECT_EQ(world.programs.started, 2);
}

TEST_F(InstanceGroupTest, AboveATargetThatIsNoLimit_NobodyWaitsForTheStart) {
  AppScaling scaling;
  scaling.instances_max = 2;
  InstanceWorld& world = open(scaling);
  world.ask(0, "/10");
  world.run_for(seconds(1));
  world.programs.start_time = seconds(20);
  for (int i = 0; i < 65; ++i) {
    world.ask(0, "/1000");
  }
  world.run_for(milliseconds(1500));
  EXPECT_THAT(world.answers(), Each(0));
  for (const auto& asked : world.asked) {
    EXPECT_TRUE(asked->ended);
  }
  EXPECT_EQ(world.programs.started, 2) << "and the next one is on its way";
}

TEST_F(InstanceGroupTest, OneThatEnds_IsSkippedWhileOthersServe) {
  InstanceWorld& world = open(single(3));
  for (int i = 0; i < 3; ++i) {
    world.ask(0, "/100");
  }
  world.run_for(seconds(1));
  world.programs.start_time = seconds(5);
  world.ask(0, "/exit");
  world.run_for(milliseconds(10));
  for (int i = 0; i < 6; ++i) {
    world.ask(static_cast<std::size_t>(i % 2), "/100");
  }
  world.run_for(seconds(2));
  const std::vector<int> answers = world.answers();
  EXPECT_EQ(answers[3], -502);
  EXPECT_THAT(std::vector(answers.begin() + 4, answers.end()), Each(::testing::AnyOf(1, 2)));
}

TEST_F(InstanceGroupTest, WhenTheOnlyOneEnds_RequestsAreUnavailableUntilItListensAgain) {
  InstanceWorld& world = open(single(3));
  world.ask(0, "/exit");
  world.run_for(milliseconds(130));
  world.ask(0, "/1");
  world.run_for(milliseconds(1));
  EXPECT_THAT(world.answers(), ElementsAre(-502, -503));
  EXPECT_TRUE(world.asked[1]->exchange.headers.find("retry-after").has_value());
  EXPECT_EQ(world.programs.started, 1);
  world.run_for(seconds(1));
  world.ask(0, "/1");
  world.run_for(seconds(1));
  EXPECT_EQ(world.answers()[2], 1);
}

TEST_F(InstanceGroupTest, AProgramThatCannotStart_IsUnavailableAndTriedOnce) {
  InstanceWorld& world = open(single(3));
  world.programs.starts_fail = true;
  for (int i = 0; i < 3; ++i) {
    world.ask(static_cast<std::size_t>(i % 2), "/1");
  }
  world.run_for(milliseconds(20));
  EXPECT_THAT(world.answers(), Each(-503));
}

TEST_F(InstanceGroupTest, AnUnhealthyOne_IsSkippedAndStartedAnew) {
  HealthCheckConfig check;
  check.http.path = "/health";
  check.http.timeout = seconds(1);
  check.interval = seconds(1);
  check.unhealthy_threshold = 1;
  check.healthy_threshold = 1;
  InstanceWorld& world = open(single(2), {check});
  world.ask(0, "/500");
  world.ask(0, "/500");
  world.run_for(seconds(3));
  world.programs.start_time = seconds(3);
  world.programs.ill.insert(0);
  world.run_for(seconds(2));
  EXPECT_THAT(world.programs.asked_to_stop, ElementsAre(0));
  world.ask(0, "/1");
  world.run_for(milliseconds(100));
  EXPECT_EQ(world.answers()[2], 1);
  world.run_for(seconds(5));
  EXPECT_EQ(world.programs.alive, (std::set<int>{1, 2}));
}

TEST_F(InstanceGroupTest, UnusedOnes_EndHighestFirst) {
  InstanceWorld& world = open(single(3));
  for (int i = 0; i < 3; ++i) {
    world.ask(0, "/1000");
  }
  world.run_for(seconds(30));
  for (int i = 0; i < 20; ++i) {  // one after the other: the near one of the lowest number
    world.ask(0, "/1");
    world.run_for(seconds(5));
  }
  EXPECT_EQ(world.programs.alive, (std::set<int>{0}));
  EXPECT_EQ(world.programs.asked_to_stop.size(), 2U);
  world.run_for(seconds(70));
  EXPECT_THAT(world.programs.alive, SizeIs(0));
  EXPECT_EQ(world.shards[0]->group->active() + world.shards[1]->group->active(), 0U);
  world.ask(1, "/1");
  world.run_for(seconds(1));
  EXPECT_EQ(world.asked.back()->answer(), 3) << "from zero again";
}

TEST_F(InstanceGroupTest, TheLeastNumber_IsStartedWithoutRequestsAndKept) {
  AppScaling scaling = single(4);
  scaling.instances_min = 3;
  InstanceWorld& world = open(scaling);
  world.kept = true;
  world.run_for(seconds(300));
  EXPECT_THAT(world.programs.alive, SizeIs(3));
  EXPECT_EQ(world.programs.started, 3);
  world.kept = false;
  world.run_for(seconds(70));
  EXPECT_THAT(world.programs.alive, SizeIs(0));
}

TEST_F(InstanceGroupTest, AtTheLimitOfMemory_RequestsWaitForWhatRuns) {
  InstanceWorld& world = open(single(4));
  world.ask(0, "/1");
  world.run_for(seconds(1));
  world.scaler().allow_starts(false);
  for (int i = 0; i < 3; ++i) {
    world.ask(static_cast<std::size_t>(i % 2), "/1000");
  }
  world.run_for(milliseconds(3500));
  EXPECT_THAT(world.answers(), ElementsAre(0, 0, 0, 0));
  // What waits is not forgotten when there is memory again.
  for (int i = 0; i < 3; ++i) {
    world.ask(static_cast<std::size_t>(i % 2), "/8000");
  }
  world.run_for(seconds(1));
  world.scaler().allow_starts(true);
  world.run_for(seconds(10));
  std::vector<int> later = world.answers();
  later.erase(later.begin(), later.begin() + 4);
  EXPECT_THAT(later, UnorderedElementsAre(0, 1, 2));
}

TEST_F(InstanceGroupTest, WithoutMemoryAndWithoutInstances_RequestsAreUnavailable) {
  InstanceWorld& world = open(single(4));
  world.scaler().allow_starts(false);
  world.ask(0, "/1");
  world.run_for(milliseconds(1));
  EXPECT_THAT(world.answers(), ElementsAre(-503));
  EXPECT_EQ(world.programs.started, 0);
}

TEST_F(InstanceGroupTest, AStop_LetsRequestsEndThatRunOrWait) {
  InstanceWorld& world = open(single(2));
  for (int i = 0; i < 6; ++i) {
    world.ask(static_cast<std::size_t>(i % 2), "/1000");
  }
  world.run_for(milliseconds(500));
  world.stop(seconds(10));
  EXPECT_THAT(world.answers(), Each(::testing::AnyOf(0, 1)));
  EXPECT_THAT(world.programs.alive, SizeIs(0));
}

TEST_F(InstanceGroupTest, AStop_CutsWhatRunsAtItsGrace) {
  InstanceWorld& world = open(single(2));
  world.ask(0, "/100000");
  world.ask(1, "/100000");
  world.run_for(milliseconds(500));
  world.stop(seconds(5));
  EXPECT_THAT(world.answers(), Each(-502));
  EXPECT_THAT(world.programs.alive, SizeIs(0));
}

}  // namespace
}  // namespace selvedge::app
