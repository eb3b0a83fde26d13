// Goal: guests on one shard share it, limits and deadlines end them, and shards do not disturb each
// other. Method: real guests; time is manual where the test is about accounting and real where it
// is about the epoch. No test depends on how fast the machine is.

#include "engine/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <thread>

#include "base/system.h"
#include "engine/testing/guests.h"
#include "engine/testing/manual_clock.h"

namespace selvedge::engine {
namespace {

using std::chrono::milliseconds;
using testing::Guest;
using testing::ManualCall;
using testing::ManualClock;

constexpr std::string_view kModule = R"((module
    (import "test" "wait" (func $wait (result i32)))
    (memory (export "memory") 1)
    (func (export "spin") (loop $l
      (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1))) (br $l)))
    (func (export "count") (param i32)
      (loop $l (local.set 0 (i32.sub (local.get 0) (i32.const 1))) (br_if $l (local.get 0))))
    (func (export "wait") (result i32) (call $wait))
    (func (export "trap") unreachable)))";

class WaitingGuest final : public Guest {
 public:
  using Guest::Guest;
  std::shared_ptr<ManualCall<std::uint32_t>::Control> control =
      std::make_shared<ManualCall<std::uint32_t>::Control>();
};

Blocking<std::uint32_t> wait_here(WaitingGuest& guest) {
  return std::make_unique<ManualCall<std::uint32_t>>(guest.control);
}

class Owner final : public FiberOwner {
 public:
  void fiber_done(Fiber& fiber) override {
    done.push_back(&fiber);
    reasons.push_back(fiber.outcome().reason);
  }
  std::vector<Fiber*> done;
  std::vector<EndReason> reasons;
};

class SchedulerTest : public ::testing::Test {
 protected:
  SchedulerTest()
      : engine_(testing::make_engine(testing::small_pool(testing::kManyGuests + 10))),
        functions_(*engine_) {
    functions_.define<&wait_here>("test", "wait");
    module_ = testing::compile(*engine_, kModule);
  }
  std::unique_ptr<WaitingGuest> guest(const InstanceLimits& limits = {}) {
    return std::make_unique<WaitingGuest>(functions_, module_, limits);
  }

  std::unique_ptr<Engine> engine_;
  HostFunctions functions_;
  std::shared_ptr<const Module> module_;
  base::SystemClock clock_;
  SystemCpuClock cpu_clock_;
  Owner owner_;
};

TEST_F(SchedulerTest, FiberThatEnds_IsReportedOnce) {
  Scheduler scheduler(engine_->ticker(), clock_);
  auto g = guest();
  scheduler.start(g->call("count", {5}), owner_, {});
  EXPECT_TRUE(scheduler.has_work());
  while (scheduler.has_work()) {
    scheduler.run_slice();
  }
  EXPECT_THAT(owner_.reasons, ::testing::ElementsAre(EndReason::kFinished));
  EXPECT_EQ(scheduler.fiber_count(), 0u);
  scheduler.run_slice();
}

TEST_F(SchedulerTest, WaitingFiber_IsNoWorkUntilWoken) {
  int signals = 0;
  Scheduler scheduler(engine_->ticker(), clock_, [&signals] { ++signals; });
  auto g = guest();
  scheduler.start(g->call("wait"), owner_, {});
  EXPECT_EQ(signals, 1);
  scheduler.run_slice();
  EXPECT_FALSE(scheduler.has_work());
  g->control->value = 1;
  g->current().wake();
  g->current().wake();
  EXPECT_EQ(signals, 2);
  EXPECT_TRUE(scheduler.has_work());
  scheduler.run_slice();
  EXPECT_THAT(owner_.reasons, ::testing::ElementsAre(EndReason::kFinished));
}

TEST_F(SchedulerTest, SpinningGuest_YieldsAndIsKilled) {
  Scheduler scheduler(engine_->ticker(), clock_);
  auto g = guest();
  scheduler.start(g->call("spin"), owner_, {});
  for (int slice = 0; slice < 3; ++slice) {
    scheduler.run_slice();
  }
  EXPECT_TRUE(owner_.reasons.empty());
  EXPECT_GT(g->current().cpu_time(), base::Duration{});
  g->current().kill(EndReason::kKilled);
  scheduler.run_slice();
  EXPECT_THAT(owner_.reasons, ::testing::ElementsAre(EndReason::kKilled));
}

TEST_F(SchedulerTest, TwoSpinningGuests_GetEqualTime) {
  // Slices are charged by a clock that moves one unit at each reading, so the share is exact.
  ManualClock clock;
  clock.step = milliseconds(1);
  Scheduler scheduler(engine_->ticker(), clock);
  auto a = guest();
  auto b = guest();
  scheduler.start(a->call("spin"), owner_,
                  {.group = std::make_shared<RunQueue::Group>(TenantId(1))});
  scheduler.start(b->call("spin"), owner_,
                  {.group = std::make_shared<RunQueue::Group>(TenantId(2))});
  for (int slice = 0; slice < 40; ++slice) {
    scheduler.run_slice();
  }
  EXPECT_EQ(a->current().cpu_time(), milliseconds(20));
  EXPECT_EQ(b->current().cpu_time(), milliseconds(20));
  scheduler.remove(a->current());
  scheduler.remove(b->current());
}

TEST_F(SchedulerTest, LightGuest_WaitsAtMostOneSliceOfBurners) {
  ManualClock clock;
  clock.step = milliseconds(1);
  Scheduler scheduler(engine_->ticker(), clock);
  std::deque<std::unique_ptr<WaitingGuest>> burners;
  for (std::uint64_t tenant = 1; tenant <= 3; ++tenant) {
    burners.push_back(guest());
    scheduler.start(burners.back()->call("spin"), owner_,
                    {.group = std::make_shared<RunQueue::Group>(TenantId(tenant))});
  }
  for (int slice = 0; slice < 20; ++slice) {
    scheduler.run_slice();
  }
  // How far the burners have counted.
  const auto burned = [&burners] {
    std::uint64_t sum = 0;
    for (const auto& burner : burners) {
      sum += burner->memory().read(GuestPtr<std::uint32_t>(0)).value();
    }
    return sum;
  };
  auto light = guest();
  scheduler.start(light->call("wait"), owner_,
                  {.group = std::make_shared<RunQueue::Group>(TenantId(9))});
  for (int round = 0; round < 5; ++round) {
    clock.step = {};  // it uses next to nothing
    const std::uint64_t before = burned();
    do {  // a tick may come before it waits
      scheduler.run_slice();
      EXPECT_EQ(burned(), before) << "the light guest was not the next to run";
    } while (!light->current().blocked());
    clock.step = milliseconds(1);
    scheduler.run_slice();
    light->current().wake();
  }
  scheduler.remove(light->current());
  for (auto& burner : burners) {
    scheduler.remove(burner->current());
  }
}

TEST_F(SchedulerTest, CpuTimeLimit_EndsASpinner) {
  Scheduler scheduler(engine_->ticker(), clock_, {}, &cpu_clock_);
  auto g = guest({.cpu_time_max = milliseconds(8)});
  scheduler.start(g->call("spin"), owner_, {});
  while (owner_.reasons.empty()) {
    scheduler.run_slice();
  }
  EXPECT_THAT(owner_.reasons, ::testing::ElementsAre(EndReason::kCpuTimeLimit));
  EXPECT_THAT(owner_.done[0]->outcome().message, ::testing::HasSubstr("8 ms"));
}

TEST_F(SchedulerTest, Deadline_EndsRunningAndWaitingGuests) {
  ManualClock clock;
  Scheduler scheduler(engine_->ticker(), clock);
  const base::MonotonicTime deadline(milliseconds(10));
  auto spinner = guest();
  auto waiter = guest();
  scheduler.start(spinner->call("spin"), owner_, {.deadline = deadline});
  scheduler.start(waiter->call("wait"), owner_,
                  {.deadline = deadline + std::chrono::milliseconds(1)});
  EXPECT_EQ(scheduler.next_deadline(), deadline);
  scheduler.run_slice();
  scheduler.run_slice();
  scheduler.expire_deadlines();
  EXPECT_TRUE(owner_.reasons.empty());

  clock.time = milliseconds(20);
  scheduler.expire_deadlines();
  EXPECT_EQ(scheduler.next_deadline(), std::nullopt);
  while (scheduler.has_work()) {
    scheduler.run_slice();
  }
  EXPECT_THAT(owner_.reasons,
              ::testing::ElementsAre(EndReason::kWallTimeLimit, EndReason::kWallTimeLimit));
}

TEST_F(SchedulerTest, DestroyedFiber_LeavesTheScheduler) {
  Scheduler scheduler(engine_->ticker(), clock_);
  auto g = guest();
  scheduler.start(g->call("spin"), owner_, {});
  scheduler.run_slice();
  g->drop_fiber();
  EXPECT_EQ(scheduler.fiber_count(), 0u);
  EXPECT_FALSE(scheduler.has_work());
}

TEST_F(SchedulerTest, ManySuspendedFibers_AllComplete) {
  constexpr std::size_t kGuests = testing::kManyGuests;
  Scheduler scheduler(engine_->ticker(), clock_);
  std::deque<std::unique_ptr<WaitingGuest>> guests;
  for (std::size_t index = 0; index < kGuests; ++index) {
    guests.push_back(guest());
    scheduler.start(guests.back()->call("wait"), owner_,
                    {.group = std::make_shared<RunQueue::Group>(TenantId(index % 7))});
  }
  while (scheduler.has_work()) {
    scheduler.run_slice();
  }
  EXPECT_TRUE(owner_.reasons.empty());
  EXPECT_EQ(engine_->pool_metrics().stacks, kGuests);
  for (auto& g : guests) {
    g->control->value = 1;
    g->current().wake();
  }
  while (scheduler.has_work()) {
    scheduler.run_slice();
  }
  EXPECT_EQ(owner_.reasons.size(), kGuests);
  guests.clear();
  EXPECT_EQ(engine_->pool_metrics().instances, 0u);
  EXPECT_EQ(engine_->pool_metrics().stacks, 0u);
}

TEST_F(SchedulerTest, Shards_RunSideBySide) {
  constexpr int kShards = 3;
  constexpr int kRounds = 50;
  std::vector<std::thread> threads;
  std::array<std::size_t, kShards> finished{};
  for (std::size_t shard = 0; shard < kShards; ++shard) {
    threads.emplace_back([this, shard, &finished] {
      Owner owner;
      Scheduler scheduler(engine_->ticker(), clock_);
      for (int round = 0; round < kRounds; ++round) {
        auto spinner = guest();
        auto counter = guest();
        auto trapper = guest();
        scheduler.start(spinner->call("spin"), owner,
                        {.group = std::make_shared<RunQueue::Group>(TenantId(1))});
        scheduler.start(counter->call("count", {1000}), owner,
                        {.group = std::make_shared<RunQueue::Group>(TenantId(2))});
        scheduler.start(trapper->call("trap"), owner,
                        {.group = std::make_shared<RunQueue::Group>(TenantId(3))});
        const std::size_t before = owner.done.size();
        while (owner.done.size() < before + 2) {
          scheduler.run_slice();
        }
        scheduler.remove(spinner->current());
      }
      finished[shard] = owner.done.size();
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  for (const std::size_t count : finished) {
    EXPECT_EQ(count, 2u * kRounds);
  }
}

TEST_F(SchedulerTest, FiberMovedBetweenThreads_GoesOn) {
  auto g = guest();
  Fiber& fiber = g->call("wait");
  EXPECT_EQ(fiber.poll(), FiberStatus::kBlocked);
  g->control->value = 5;
  FiberStatus status = FiberStatus::kBlocked;
  std::thread([&] {
    fiber.wake();
    status = fiber.poll();
  }).join();
  EXPECT_EQ(status, FiberStatus::kDone);
  EXPECT_EQ(fiber.outcome().result, 5u);
}

}  // namespace
}  // namespace selvedge::engine
