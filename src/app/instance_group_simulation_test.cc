#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "app/testing/instance_world.h"
#include "base/format.h"
#include "base/random.h"

// Goal: whatever happens, no bound of app.yaml is exceeded, every request is answered, and nothing
// is left behind. Method: random loads on shards in simulated time, from a seed.

namespace selvedge::app {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Loads of all kinds, with crashes, pauses, and times without memory.
void play(std::uint64_t seed) {
  base::SeededRandom random(seed);
  AppScaling scaling;
  scaling.single_concurrency = random.below(2) == 0;
  scaling.instances_max = 2 + random.below(5);
  scaling.instances_min = random.below(3);
  if (!scaling.single_concurrency) {
    scaling.concurrency_max = 1 + random.below(4);
  }
  scaling.idle_time_max = seconds(20);
  testing::InstanceWorld world(seed, 1 + random.below(3), scaling);
  world.kept = random.below(2) == 0;
  world.programs.start_time = milliseconds(random.below(2000));
  const std::size_t limit = world.scaler().options().limit;
  bool crashes = false;
  for (int round = 0; round < 12; ++round) {
    world.scaler().allow_starts(random.below(4) != 0);
    for (std::uint64_t i = random.below(20); i > 0; --i) {
      const bool crash = random.below(25) == 0;
      crashes = crashes || crash;
      world.ask(random.below(world.shard_count),
                crash ? std::string("/exit") : fmt::format("/{}", random.below(800)));
      world.run_for(milliseconds(random.below(100)));
    }
    world.run_for(milliseconds(random.below(random.below(4) == 0 ? 60'000 : 4000)));
  }
  world.scaler().allow_starts(true);
  world.run_for(seconds(60));
  for (const auto& asked : world.asked) {
    EXPECT_TRUE(asked->ended) << asked->exchange.request().target().path();
    if (!crashes && asked->exchange.status != 200) {
      EXPECT_EQ(asked->exchange.status, 503) << "and only for want of memory";
    }
  }
  EXPECT_LE(world.programs.most_alive, *scaling.instances_max);
  EXPECT_LE(world.programs.most_at_once, limit);
  EXPECT_EQ(world.scaler().busy(), 0U);
  EXPECT_EQ(world.version->places->waiting(), 0U);
  EXPECT_EQ(world.programs.alive.size(), world.kept ? scaling.instances_min : 0U);
  world.ask(0, "/1");
  world.run_for(seconds(10));
  EXPECT_EQ(world.asked.back()->exchange.status, 200) << "it serves on";
}

TEST(InstanceGroupSimulation, WhateverHappens_TheBoundsHoldAndNothingIsLost) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(seed);
    play(seed);
    if (::testing::Test::HasFailure()) {
      return;
    }
  }
}

}  // namespace
}  // namespace selvedge::app
