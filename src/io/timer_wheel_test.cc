#include "io/timer_wheel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <vector>

#include "base/random.h"

namespace selvedge::io {
namespace {

using namespace std::chrono_literals;

constexpr base::MonotonicTime kStart{1h};

// Records when it fired.
class Probe final : public Timer {
 public:
  explicit Probe(const base::MonotonicTime& now) : Timer(&Probe::fired), now_(now) {}
  std::vector<base::MonotonicTime> fired_at;

 private:
  static void fired(Timer& timer) noexcept {
    auto& self = static_cast<Probe&>(timer);
    self.fired_at.push_back(self.now_);
  }
  const base::MonotonicTime& now_;
};

class TimerWheelTest : public ::testing::Test {
 protected:
  void advance_to(base::MonotonicTime when) {
    now_ = when;
    wheel_.advance(now_);
  }
  base::MonotonicTime now_ = kStart;
  TimerWheel wheel_{kStart};
};

TEST_F(TimerWheelTest, Arm_Future_FiresOnceAndNotEarly) {
  Probe probe(now_);
  wheel_.arm(probe, kStart + 10ms);
  EXPECT_TRUE(probe.armed());
  EXPECT_EQ(wheel_.next_advance(), kStart + 10ms);
  advance_to(kStart + 10ms - 1ns);
  EXPECT_TRUE(probe.fired_at.empty());
  advance_to(kStart + 10ms);
  EXPECT_EQ(probe.fired_at.size(), 1U);
  EXPECT_FALSE(probe.armed());
  advance_to(kStart + 1h);
  EXPECT_EQ(probe.fired_at.size(), 1U);
  EXPECT_EQ(wheel_.next_advance(), std::nullopt);
}

TEST_F(TimerWheelTest, Arm_PastOrNow_FiresInTheNextAdvance) {
  advance_to(kStart + 5s);
  Probe past(now_);
  Probe present(now_);
  wheel_.arm(past, kStart);
  wheel_.arm(present, now_);
  EXPECT_LE(*wheel_.next_advance(), now_);
  advance_to(now_);
  EXPECT_EQ(past.fired_at.size(), 1U);
  EXPECT_EQ(present.fired_at.size(), 1U);
}

TEST_F(TimerWheelTest, Arm_FractionOfATick_RoundsUp) {
  Probe probe(now_);
  wheel_.arm(probe, kStart + 1ns);
  advance_to(kStart + 999us);
  EXPECT_TRUE(probe.fired_at.empty());
  advance_to(kStart + 1ms);
  EXPECT_EQ(probe.fired_at.size(), 1U);
}

TEST_F(TimerWheelTest, Cancel_Armed_DoesNotFire) {
  Probe probe(now_);
  wheel_.arm(probe, kStart + 10ms);
  probe.cancel();
  EXPECT_EQ(wheel_.next_advance(), std::nullopt);
  advance_to(kStart + 1s);
  EXPECT_TRUE(probe.fired_at.empty());
}

TEST_F(TimerWheelTest, Destroy_Armed_LeavesTheWheel) {
  {
    Probe probe(now_);
    wheel_.arm(probe, kStart + 10ms);
  }
  advance_to(kStart + 1s);
}

TEST_F(TimerWheelTest, Arm_Armed_Moves) {
  Probe probe(now_);
  wheel_.arm(probe, kStart + 10ms);
  wheel_.arm(probe, kStart + 10min);
  advance_to(kStart + 1min);
  EXPECT_TRUE(probe.fired_at.empty());
  wheel_.arm(probe, now_ + 2ms);
  advance_to(now_ + 2ms);
  EXPECT_EQ(probe.fired_at.size(), 1U);
}

TEST_F(TimerWheelTest, Arm_BeyondTheSpanOfTheWheel_FiresOnTime) {
  Probe probe(now_);
  wheel_.arm(probe, kStart + 24h * 100);
  for (int day = 1; day < 100; ++day) {
    advance_to(kStart + 24h * day);
    EXPECT_TRUE(probe.fired_at.empty());
  }
  advance_to(kStart + 24h * 100);
  EXPECT_EQ(probe.fired_at.size(), 1U);
}

TEST_F(TimerWheelTest, Callback_RearmsItself_FiresEachTime) {
  struct Periodic final : Timer {
    explicit Periodic(TimerWheel& wheel_to_use) : Timer(&Periodic::fired), wheel(wheel_to_use) {}
    static void fired(Timer& timer) noexcept {
      auto& self = static_cast<Periodic&>(timer);
      ++self.count;
      self.when += 100ms;
      self.wheel.arm(self, self.when);
    }
    TimerWheel& wheel;
    base::MonotonicTime when = kStart;
    int count = 0;
  } periodic(wheel_);
  wheel_.arm(periodic, kStart);
  for (int i = 0; i <= 50; ++i) {
    advance_to(kStart + i * 100ms);
  }
  EXPECT_EQ(periodic.count, 51);
}

TEST_F(TimerWheelTest, Callback_DestroysAnotherDueTimer_ThatOneDoesNotFire) {
  struct Destroyer final : Timer {
    Destroyer() : Timer(&Destroyer::fired) {}
    static void fired(Timer& timer) noexcept { static_cast<Destroyer&>(timer).victim.reset(); }
    std::unique_ptr<Probe> victim;
  } destroyer;
  destroyer.victim = std::make_unique<Probe>(now_);
  wheel_.arm(destroyer, kStart + 5ms);
  wheel_.arm(*destroyer.victim, kStart + 5ms);
  advance_to(kStart + 5ms);
  EXPECT_EQ(destroyer.victim, nullptr);
}

// Goal: the wheel behaves like a sorted list. Method: 10,000 timers over random ranges, some
// cancelled or moved, advanced in the steps that next_advance() asks for.
TEST_F(TimerWheelTest, Random_TenThousandTimers_EachFiresAtItsTick) {
  constexpr std::uint64_t kSeed = 42;
  SCOPED_TRACE(kSeed);
  base::SeededRandom random(kSeed);
  const std::vector<std::uint64_t> ranges_ms{5, 70, 5'000, 300'000, 20'000'000, 2'000'000'000};
  struct Expected {
    std::unique_ptr<Probe> probe;
    base::MonotonicTime when;
    bool cancelled = false;
  };
  std::vector<Expected> timers;
  const auto random_time = [&] {
    const std::uint64_t range = ranges_ms[random.below(ranges_ms.size())];
    return now_ + std::chrono::microseconds(random.below(range * 1000));
  };
  const auto add = [&](int count) {
    for (int i = 0; i < count; ++i) {
      timers.push_back({.probe = std::make_unique<Probe>(now_), .when = random_time()});
      wheel_.arm(*timers.back().probe, timers.back().when);
    }
  };
  const auto disturb = [&] {
    Expected& chosen = timers[random.below(timers.size())];
    if (!chosen.probe->armed()) {
      return;
    }
    if (random.below(2) == 0) {
      chosen.probe->cancel();
      chosen.cancelled = true;
    } else {
      chosen.when = random_time();
      wheel_.arm(*chosen.probe, chosen.when);
    }
  };
  add(5000);
  for (int step = 0;; ++step) {
    const auto next = wheel_.next_advance();
    if (!next) {
      break;
    }
    ASSERT_GE(*next + TimerWheel::kTick, now_);
    advance_to(std::max(*next, now_));
    if (timers.size() < 10'000) {
      add(1);
    }
    if (step % 3 == 0) {
      disturb();
    }
  }
  for (const Expected& timer : timers) {
    if (timer.cancelled) {
      EXPECT_TRUE(timer.probe->fired_at.empty());
      continue;
    }
    ASSERT_EQ(timer.probe->fired_at.size(), 1U);
    const base::Duration late = timer.probe->fired_at[0] - timer.when;
    EXPECT_GE(late, 0ns);
    EXPECT_LE(late, TimerWheel::kTick);
  }
}

}  // namespace
}  // namespace selvedge::io
