#include "app/instance_scaler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <optional>
#include <thread>
#include <vector>

#include "base/random.h"

// Goal: the rules at the top of instance_scaler.h. Method: single cases, random sequences from a
// seed against a plain model of the rules, and threads that take and give back at once.

namespace selvedge::app {
namespace {

using State = InstanceScaler::State;
using std::chrono::seconds;
using ::testing::Optional;

class InstanceScalerTest : public ::testing::Test {
 protected:
  InstanceScaler make(ScalerOptions options) {
    near_.assign(options.instances_max, false);
    return InstanceScaler(options);
  }
  // Instances 0 to count - 1 run.
  void run(InstanceScaler& scaler, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_TRUE(scaler.claim(i, now_));
      scaler.listening(i, now_);
    }
  }

  base::MonotonicTime now_{seconds(1000)};
  std::vector<bool> near_;
};

TEST_F(InstanceScalerTest, TheLeastBusy_IsTaken) {
  InstanceScaler scaler = make({.instances_max = 3, .target = 9, .limit = 9});
  run(scaler, 3);
  EXPECT_THAT(scaler.take(near_, 9), Optional(0U));
  EXPECT_THAT(scaler.take(near_, 9), Optional(1U));
  EXPECT_THAT(scaler.take(near_, 9), Optional(2U));
  scaler.give_back(1, now_);
  EXPECT_THAT(scaler.take(near_, 9), Optional(1U));
}

TEST_F(InstanceScalerTest, OfEquallyBusy_TheNearOneIsTaken) {
  InstanceScaler scaler = make({.instances_max = 3, .target = 9, .limit = 9});
  run(scaler, 3);
  near_[2] = true;
  EXPECT_THAT(scaler.take(near_, 9), Optional(2U));
  EXPECT_THAT(scaler.take(near_, 9), Optional(0U)) << "busier is worse than far";
}

TEST_F(InstanceScalerTest, NoneWithRoom_IsNone) {
  InstanceScaler scaler = make({.instances_max = 2, .target = 1, .limit = 1});
  EXPECT_EQ(scaler.take(near_, 1), std::nullopt);
  run(scaler, 1);
  EXPECT_THAT(scaler.take(near_, 1), Optional(0U));
  EXPECT_EQ(scaler.take(near_, 1), std::nullopt);
}

TEST_F(InstanceScalerTest, ABurst_StartsWhatItNeedsAndNoMore) {
  InstanceScaler scaler = make({.instances_max = 9, .target = 10, .limit = 10});
  std::size_t started = 0;
  for (std::size_t waiting = 1; waiting <= 25; ++waiting) {
    while (const auto instance = scaler.claim_start(waiting, now_)) {
      EXPECT_EQ(*instance, started++) << "the lowest";
    }
  }
  EXPECT_EQ(started, 3U);
}

TEST_F(InstanceScalerTest, OneThatIsBeingStarted_CountsForTheNextRequest) {
  InstanceScaler scaler = make({.instances_max = 9, .target = 1, .limit = 1});
  run(scaler, 1);
  EXPECT_THAT(scaler.take(near_, 1), Optional(0U));
  EXPECT_THAT(scaler.claim_start(1, now_), Optional(1U));
  scaler.give_back(0, now_);
  EXPECT_THAT(scaler.take(near_, 1), Optional(0U)) << "it took the one that was free sooner";
  EXPECT_EQ(scaler.claim_start(1, now_), std::nullopt) << "the start under way will do";
  EXPECT_THAT(scaler.claim_start(2, now_), Optional(2U));
}

TEST_F(InstanceScalerTest, AtTheLimitOfMemory_NothingIsStarted) {
  InstanceScaler scaler = make({.instances_min = 1, .instances_max = 2, .target = 1, .limit = 1});
  scaler.allow_starts(false);
  EXPECT_EQ(scaler.claim_start(5, now_), std::nullopt);
  EXPECT_EQ(scaler.claim_kept(now_), std::nullopt);
  EXPECT_FALSE(scaler.serves());
  scaler.allow_starts(true);
  EXPECT_THAT(scaler.claim_start(5, now_), Optional(0U));
}

TEST_F(InstanceScalerTest, OneThatDoesNotServe_IsSkippedAndReplacedWhileOthersRun) {
  InstanceScaler scaler = make({.instances_max = 3, .target = 1, .limit = 1});
  run(scaler, 2);
  scaler.down(0);
  EXPECT_THAT(scaler.take(near_, 1), Optional(1U));
  EXPECT_THAT(scaler.claim_start(1, now_), Optional(2U));
  scaler.starting(0);
  scaler.listening(0, now_);
  EXPECT_THAT(scaler.take(near_, 1), Optional(0U));
}

TEST_F(InstanceScalerTest, WhenNoneServes_NoFurtherOneIsStarted) {
  InstanceScaler scaler = make({.instances_max = 3, .target = 1, .limit = 1});
  run(scaler, 1);
  scaler.down(0);
  EXPECT_EQ(scaler.claim_start(3, now_), std::nullopt);
  EXPECT_FALSE(scaler.serves());
  scaler.starting(0);
  scaler.ill(0);
  EXPECT_EQ(scaler.claim_start(3, now_), std::nullopt);
  EXPECT_TRUE(scaler.serves()) << "an unhealthy one is started again at once";
}

TEST_F(InstanceScalerTest, IdleOnesEnd_HighestFirstAndAfterTheirTime) {
  InstanceScaler scaler = make({.instances_max = 3, .target = 1, .limit = 1});
  run(scaler, 3);
  now_ += seconds(9);
  EXPECT_FALSE(scaler.end_if_idle(2, now_, seconds(10)));
  now_ += seconds(1);
  EXPECT_FALSE(scaler.end_if_idle(0, now_, seconds(10)));
  EXPECT_FALSE(scaler.end_if_idle(1, now_, seconds(10)));
  EXPECT_TRUE(scaler.end_if_idle(2, now_, seconds(10)));
  EXPECT_EQ(scaler.state(2), State::kEnding);
  EXPECT_TRUE(scaler.end_if_idle(1, now_, seconds(10)));
}

TEST_F(InstanceScalerTest, OneWithARequest_IsNotIdle) {
  InstanceScaler scaler = make({.instances_max = 2, .target = 1, .limit = 1});
  run(scaler, 1);
  ASSERT_THAT(scaler.take(near_, 1), Optional(0U));
  now_ += seconds(100);
  EXPECT_FALSE(scaler.end_if_idle(0, now_, seconds(10)));
  scaler.give_back(0, now_);
  EXPECT_FALSE(scaler.end_if_idle(0, now_, seconds(10))) << "its end counts";
  EXPECT_TRUE(scaler.end_if_idle(0, now_ + seconds(10), seconds(10)));
}

TEST_F(InstanceScalerTest, KeptOnes_AreStartedAndNotIdle) {
  InstanceScaler scaler = make({.instances_min = 2, .instances_max = 3, .target = 1, .limit = 1});
  EXPECT_THAT(scaler.claim_kept(now_), Optional(0U));
  EXPECT_THAT(scaler.claim_kept(now_), Optional(1U));
  EXPECT_EQ(scaler.claim_kept(now_), std::nullopt);
  scaler.listening(0, now_);
  scaler.listening(1, now_);
  for (int i = 0; i < 10; ++i) {
    now_ += seconds(6);
    EXPECT_EQ(scaler.claim_kept(now_), std::nullopt);
    EXPECT_FALSE(scaler.end_if_idle(1, now_ + seconds(6), seconds(10)));
  }
  EXPECT_TRUE(scaler.end_if_idle(1, now_ + seconds(10), seconds(10))) << "nobody keeps it any more";
}

TEST_F(InstanceScalerTest, OneThatIsEnding_TakesNothingAndIsOnlyStartedAfterwards) {
  InstanceScaler scaler = make({.instances_max = 1, .target = 5, .limit = 5});
  run(scaler, 1);
  ASSERT_THAT(scaler.take(near_, 5), Optional(0U));
  scaler.end(0);
  EXPECT_EQ(scaler.take(near_, 5), std::nullopt);
  scaler.ill(0);
  scaler.down(0);
  scaler.listening(0, now_);
  EXPECT_EQ(scaler.state(0), State::kEnding);
  EXPECT_EQ(scaler.claim_start(1, now_), std::nullopt);
  EXPECT_EQ(scaler.busy(0), 1U);
  scaler.give_back(0, now_);
  scaler.stopped(0);
  EXPECT_THAT(scaler.claim_start(1, now_), Optional(0U));
}

// What happens to a scaler in any order, and what must hold whatever it was.
class RandomRun {
 public:
  explicit RandomRun(std::uint64_t seed)
      : random_(seed),
        options_(choose_options()),
        scaler_(options_),
        near_(options_.instances_max) {
    for (std::size_t i = 0; i < near_.size(); ++i) {
      near_[i] = chance(2);
    }
    requests_.resize(options_.instances_max);
  }

  void play(int steps) {
    for (int i = 0; i < steps; ++i) {
      now_ += std::chrono::milliseconds(random_.below(3000));
      step();
      for (std::size_t j = 0; j < options_.instances_max; ++j) {
        ASSERT_EQ(scaler_.busy(j), requests_[j]);
        ASSERT_LE(requests_[j], options_.limit);
      }
    }
    for (std::size_t i = 0; i < options_.instances_max; ++i) {
      while (requests_[i] > 0) {
        leave(i);
      }
    }
    EXPECT_EQ(scaler_.busy(), 0U);
  }

 private:
  static constexpr base::Duration kIdleTime = seconds(10);

  bool chance(std::uint64_t one_in) { return random_.below(one_in) == 0; }
  ScalerOptions choose_options() {
    ScalerOptions made;
    made.instances_max = 1 + random_.below(6);
    made.instances_min = random_.below(made.instances_max + 1);
    made.target = 1 + random_.below(4);
    made.limit = made.target + random_.below(4);
    return made;
  }
  std::size_t any() { return random_.below(options_.instances_max); }
  std::size_t count(State state) const {
    std::size_t sum = 0;
    for (std::size_t i = 0; i < options_.instances_max; ++i) {
      sum += scaler_.state(i) == state ? 1 : 0;
    }
    return sum;
  }

  void arrive() {
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < options_.instances_max; ++i) {
      if (scaler_.state(i) == State::kRunning && requests_[i] < options_.limit &&
          (!best.has_value() || requests_[i] < requests_[*best] ||
           (requests_[i] == requests_[*best] && near_[i] && !near_[*best]))) {
        best = i;
      }
    }
    EXPECT_EQ(scaler_.take(near_, options_.limit), best);
    if (best.has_value()) {
      ++requests_[*best];
    }
  }
  void leave(std::size_t instance) {
    if (requests_[instance] > 0) {
      --requests_[instance];
      scaler_.give_back(instance, now_);
      used_[instance] = now_;
    }
  }
  void start(std::size_t waiting) {
    std::size_t busy = 0;
    for (std::size_t i = 0; i < options_.instances_max; ++i) {
      const State state = scaler_.state(i);
      busy += state == State::kRunning || state == State::kStarting ? requests_[i] : 0;
    }
    const std::size_t before = count(State::kRunning) + count(State::kStarting);
    const auto claimed = scaler_.claim_start(waiting, now_);
    if (claimed.has_value()) {
      EXPECT_GT(busy + waiting, before * options_.target) << "nobody needs it";
      EXPECT_TRUE(allowed_);
      for (std::size_t i = 0; i < *claimed; ++i) {
        EXPECT_NE(scaler_.state(i), State::kStopped);
      }
      EXPECT_EQ(scaler_.state(*claimed), State::kStarting);
      used_[*claimed] = now_;
    } else if (allowed_ && count(State::kStopped) > 0 && before > 0) {
      EXPECT_LE(busy + waiting, before * options_.target) << "somebody needs it";
    }
  }
  void end_idle(std::size_t instance) {
    const State before = scaler_.state(instance);
    if (!scaler_.end_if_idle(instance, now_, kIdleTime)) {
      return;
    }
    EXPECT_TRUE(before == State::kRunning || before == State::kIll || before == State::kDown);
    EXPECT_EQ(requests_[instance], 0U);
    EXPECT_GE(now_ - used_[instance], kIdleTime);
    EXPECT_TRUE(instance >= options_.instances_min || now_ - kept_ >= kIdleTime);
    for (std::size_t i = instance + 1; i < options_.instances_max; ++i) {
      EXPECT_TRUE(scaler_.state(i) == State::kStopped || scaler_.state(i) == State::kEnding);
    }
  }

  void step() {
    const std::size_t instance = any();
    switch (random_.below(11)) {
      case 0:
      case 1:
        return arrive();
      case 2:
        return leave(instance);
      case 3:
        return start(1 + random_.below(8));
      case 4:
      case 5:
        if (scaler_.state(instance) == State::kStarting) {
          scaler_.listening(instance, now_);
          used_[instance] = now_;
        }
        return;
      case 6:
        chance(2) ? scaler_.ill(instance) : scaler_.down(instance);
        return;
      case 7:
        if (scaler_.state(instance) == State::kIll || scaler_.state(instance) == State::kDown) {
          scaler_.starting(instance);
        }
        return;
      case 8:
        return end_idle(instance);
      case 9:
        if (requests_[instance] == 0) {
          scaler_.stopped(instance);
        }
        return;
      default:
        allowed_ = !chance(4);
        scaler_.allow_starts(allowed_);
        kept_ = now_;
        if (const auto claimed = scaler_.claim_kept(now_); claimed.has_value()) {
          EXPECT_LT(*claimed, options_.instances_min);
          EXPECT_TRUE(allowed_);
        }
        for (std::size_t i = 0; i < options_.instances_min; ++i) {
          used_[i] = now_;
        }
    }
  }

  base::SeededRandom random_;
  ScalerOptions options_;
  InstanceScaler scaler_;
  std::vector<bool> near_;
  std::vector<std::size_t> requests_;
  std::map<std::size_t, base::MonotonicTime> used_;
  base::MonotonicTime kept_;
  base::MonotonicTime now_{seconds(1000)};
  bool allowed_ = true;
};

TEST_F(InstanceScalerTest, InAnyOrder_TheRulesHold) {
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    SCOPED_TRACE(seed);
    RandomRun(seed).play(400);
    if (HasFailure()) {
      return;
    }
  }
}

TEST_F(InstanceScalerTest, ThreadsTogether_NeverGoBeyondTheLimitAndLeaveNothingBehind) {
  InstanceScaler scaler = make({.instances_max = 3, .target = 2, .limit = 2});
  run(scaler, 3);
  std::array<std::atomic<int>, 3> inside{};
  std::atomic<bool> exceeded = false;
  {
    constexpr std::size_t kThreads = 4;
    std::vector<std::jthread> threads;
    threads.reserve(kThreads);
    for (std::size_t i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        for (int turn = 0; turn < 20'000; ++turn) {
          if (const auto taken = scaler.take(near_, 2); taken.has_value()) {
            exceeded = exceeded || ++inside[*taken] > 2;
            --inside[*taken];
            scaler.give_back(*taken, now_);
          }
        }
      });
    }
  }
  EXPECT_FALSE(exceeded);
  EXPECT_EQ(scaler.busy(), 0U);
}

}  // namespace
}  // namespace selvedge::app
