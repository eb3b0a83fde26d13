// Goal: a shard without guests computes for one that has too many, and nothing but computing
// happens away from home. Method: two schedulers on one thread, which take turns, so that each step
// is known; and on two threads, where the guests' own memory shows that both ran at once. Slices
// end by the real epoch.

#include "engine/work_sharing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/system.h"
#include "engine/scheduler.h"
#include "engine/shared_memory.h"
#include "engine/testing/guests.h"

namespace selvedge::engine {
namespace {

// Words of the memory: 0 what "spin" counts in, 4 a flag, 8 another.
constexpr std::string_view kModule = R"((module
    (import "env" "memory" (memory 1 1 shared))
    (import "test" "note" (func $note (param i32) (result i32)))
    (import "test" "wait" (func $wait (result i32)))
    (table 1 10 funcref)
    (func (export "spin") (loop $l (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1))) (br $l)))
    (func $spin_until (param i32)
      (loop $l (br_if $l (i32.eqz (i32.atomic.load (local.get 0))))))
    (func (export "spin_until") (param i32) (call $spin_until (local.get 0)))
    (func (export "spin_then_note") (param i32) (result i32)
      (call $spin_until (local.get 0)) (call $note (i32.const 7)))
    (func (export "spin_then_wait") (param i32) (result i32)
      (call $spin_until (local.get 0)) (call $wait))
    (func (export "spin_then_grow") (param i32) (result i32)
      (call $spin_until (local.get 0)) (table.grow (ref.null func) (i32.const 2)))
    (func (export "spin_then_trap") (param i32) (call $spin_until (local.get 0)) unreachable)
    (func (export "set") (param i32) (i32.atomic.store (local.get 0) (i32.const 1)))
    (func (export "clear") (param i32) (i32.atomic.store (local.get 0) (i32.const 0)))
    (func (export "meet") (param i32 i32)
      (i32.atomic.store (local.get 0) (i32.const 1)) (call $spin_until (local.get 1)))))";

class SharingGuest final : public HostContext {
 public:
  std::thread::id noted_on;
  std::uint32_t noted = 0;
  std::shared_ptr<testing::ManualCall<std::uint32_t>::Control> control =
      std::make_shared<testing::ManualCall<std::uint32_t>::Control>();
};

std::uint32_t note(SharingGuest& guest, std::uint32_t value) {
  guest.noted_on = std::this_thread::get_id();
  guest.noted = value;
  return value + 1;
}
Blocking<std::uint32_t> wait_here(SharingGuest& guest) {
  guest.noted_on = std::this_thread::get_id();
  return std::make_unique<testing::ManualCall<std::uint32_t>>(guest.control);
}

class Owner final : public FiberOwner {
 public:
  void fiber_done(Fiber& fiber) override { done.push_back(&fiber); }
  std::vector<Fiber*> done;
};

// A guest thread: an instance on the memory of all, and a call.
struct GuestThread {
  GuestThread(const std::shared_ptr<const LinkedModule>& module, std::string_view entry,
              std::initializer_list<std::uint64_t> arguments, const InstanceLimits& limits = {}) {
    auto made = Instance::create(module, guest, limits);
    EXPECT_TRUE(made);
    instance = *std::move(made);
    auto called = instance->call(entry, arguments);
    EXPECT_TRUE(called);
    fiber = *std::move(called);
  }
  SharingGuest guest;
  std::unique_ptr<Instance> instance;
  std::unique_ptr<Fiber> fiber;
};

class WorkSharingTest : public ::testing::Test {
 protected:
  WorkSharingTest() : engine_(testing::make_engine()), functions_(*engine_) {
    functions_.define<&note>("test", "note");
    functions_.define<&wait_here>("test", "wait");
    auto linked = functions_.link(testing::compile(*engine_, kModule));
    EXPECT_TRUE(linked);
    auto memory = SharedMemory::create(**linked, 64 << 10);
    EXPECT_TRUE(memory);
    memory_ = *std::move(memory);
    auto bound = memory_->bind(**linked);
    EXPECT_TRUE(bound);
    module_ = *std::move(bound);
  }

  std::unique_ptr<GuestThread> thread(std::string_view entry,
                                      std::initializer_list<std::uint64_t> arguments = {},
                                      const InstanceLimits& limits = {}) {
    return std::make_unique<GuestThread>(module_, entry, arguments, limits);
  }
  Scheduler make_scheduler() {
    return Scheduler(engine_->ticker(), clock_, {}, nullptr,
                     {.sharing = &engine_->work_sharing(), .wake = [this] { ++wakes_; }});
  }
  // Runs slices of `home` until one fiber is lent.
  void run_until_lent(Scheduler& home) {
    const std::uint64_t before = engine_->work_sharing().loans();
    while (engine_->work_sharing().loans() == before) {
      home.run_slice();
    }
  }
  // Sets a flag of the memory, as another thread of the guest would.
  void set_flag(std::uint32_t address) {
    auto setter = thread("set", {address});
    while (setter->fiber->poll() != FiberStatus::kDone) {
    }
  }

  std::unique_ptr<Engine> engine_;
  HostFunctions functions_;
  std::unique_ptr<SharedMemory> memory_;
  std::shared_ptr<const LinkedModule> module_;
  base::SystemClock clock_;
  std::atomic<int> wakes_ = 0;
  Owner owner_;
  const FiberOptions workload_{.group = std::make_shared<RunQueue::Group>(TenantId(1))};
};

TEST_F(WorkSharingTest, TwoReady_OneIsLentAndRunsAway) {
  Scheduler home = make_scheduler();
  Scheduler other = make_scheduler();
  const auto first = thread("spin");
  const auto second = thread("spin");
  home.start(*first->fiber, owner_, workload_);
  home.start(*second->fiber, owner_, workload_);
  EXPECT_FALSE(other.has_work());
  run_until_lent(home);
  EXPECT_EQ(wakes_, 1);
  EXPECT_TRUE(other.has_work());
  other.run_slice();
  EXPECT_EQ(engine_->work_sharing().slices_away(), 1U);
  // It goes on there, while the other one goes on here.
  other.run_slice();
  home.run_slice();
  EXPECT_EQ(engine_->work_sharing().slices_away(), 2U);
  EXPECT_EQ(engine_->work_sharing().loans(), 1U);
}

TEST_F(WorkSharingTest, OneReady_StaysAtHome) {
  Scheduler home = make_scheduler();
  const Scheduler other = make_scheduler();
  const auto only = thread("spin");
  home.start(*only->fiber, owner_, workload_);
  for (int slice = 0; slice < 5; ++slice) {
    home.run_slice();
  }
  EXPECT_EQ(engine_->work_sharing().loans(), 0U);
}

TEST_F(WorkSharingTest, NobodyIdle_NothingIsLent) {
  Scheduler home = make_scheduler();
  Scheduler busy = make_scheduler();
  const auto first = thread("spin");
  const auto second = thread("spin");
  const auto third = thread("spin");
  busy.start(*third->fiber, owner_, {});
  home.start(*first->fiber, owner_, workload_);
  home.start(*second->fiber, owner_, workload_);
  for (int slice = 0; slice < 6; ++slice) {
    home.run_slice();
  }
  EXPECT_EQ(engine_->work_sharing().loans(), 0U);
}

TEST_F(WorkSharingTest, HostCall_RunsAtHomeOnly) {
  Scheduler home = make_scheduler();
  Scheduler other = make_scheduler();
  const auto caller = thread("spin_then_note", {4});
  const auto spinner = thread("spin");
  home.start(*caller->fiber, owner_, workload_);
  home.start(*spinner->fiber, owner_, workload_);
  run_until_lent(home);
  set_flag(4);
  // The first that is lent is the first that has run.
  while (other.has_work()) {
    other.run_slice();
  }
  EXPECT_EQ(caller->guest.noted, 0U) << "away from home";
  EXPECT_FALSE(caller->fiber->done());
  while (!caller->fiber->done()) {
    home.run_slice();
  }
  EXPECT_EQ(caller->guest.noted, 7U);
  EXPECT_EQ(caller->fiber->outcome().reason, EndReason::kFinished);
  EXPECT_EQ(caller->fiber->outcome().result, 8U);
  EXPECT_THAT(owner_.done, ::testing::ElementsAre(caller->fiber.get()));
}

TEST_F(WorkSharingTest, HostCallThatWaits_BeginsAndWaitsAtHome) {
  Scheduler home = make_scheduler();
  Scheduler other = make_scheduler();
  const auto caller = thread("spin_then_wait", {4});
  const auto spinner = thread("spin");
  home.start(*caller->fiber, owner_, workload_);
  home.start(*spinner->fiber, owner_, workload_);
  run_until_lent(home);
  set_flag(4);
  while (other.has_work()) {
    other.run_slice();
  }
  EXPECT_EQ(caller->guest.noted_on, std::thread::id());
  while (!caller->fiber->blocked()) {
    home.run_slice();
  }
  caller->guest.control->value = 5;
  caller->fiber->wake();
  while (!caller->fiber->done()) {
    home.run_slice();
  }
  EXPECT_EQ(caller->fiber->outcome().result, 5U);
}

TEST_F(WorkSharingTest, GrowingATable_IsDecidedAtHome) {
  Scheduler home = make_scheduler();
  Scheduler other = make_scheduler();
  const auto grower = thread("spin_then_grow", {4}, {.table_elements_max = 2});
  const auto spinner = thread("spin");
  home.start(*grower->fiber, owner_, workload_);
  home.start(*spinner->fiber, owner_, workload_);
  run_until_lent(home);
  set_flag(4);
  while (other.has_work()) {
    other.run_slice();
  }
  EXPECT_FALSE(grower->fiber->done());
  while (!grower->fiber->done()) {
    home.run_slice();
  }
  EXPECT_EQ(static_cast<std::uint32_t>(grower->fiber->outcome().result), 0xffff'ffffU);
}

TEST_F(WorkSharingTest, TrapAway_IsReportedAtHome) {
  Scheduler home = make_scheduler();
  Scheduler other = make_scheduler();
  const auto trapper = thread("spin_then_trap", {4});
  const auto spinner = thread("spin");
  home.start(*trapper->fiber, owner_, workload_);
  home.start(*spinner->fiber, owner_, workload_);
  run_until_lent(home);
  set_flag(4);
  while (other.has_work()) {
    other.run_slice();
  }
  EXPECT_TRUE(owner_.done.empty());
  while (owner_.done.empty()) {
    home.run_slice();
  }
  EXPECT_EQ(trapper->fiber->outcome().reason, EndReason::kTrapped);
  EXPECT_THAT(trapper->fiber->outcome().message, ::testing::HasSubstr("unreachable"));
}

TEST_F(WorkSharingTest, BorrowerGetsGuestsOfItsOwn_GivesBack) {
  Scheduler home = make_scheduler();
  Scheduler other = make_scheduler();
  const auto first = thread("spin");
  const auto second = thread("spin");
  const auto own = thread("spin");
  home.start(*first->fiber, owner_, workload_);
  home.start(*second->fiber, owner_, workload_);
  run_until_lent(home);
  other.run_slice();
  other.start(*own->fiber, owner_, {});
  other.run_slice();
  other.run_slice();
  EXPECT_EQ(engine_->work_sharing().slices_away(), 1U);
  const base::Duration before = first->fiber->cpu_time();
  home.run_slice();
  EXPECT_GT(first->fiber->cpu_time(), before) << "what it used away counts";
}

TEST_F(WorkSharingTest, LongLoan_EndsByItself) {
  Scheduler home = make_scheduler();
  Scheduler other = make_scheduler();
  const auto first = thread("spin");
  const auto second = thread("spin");
  home.start(*first->fiber, owner_, workload_);
  home.start(*second->fiber, owner_, workload_);
  run_until_lent(home);
  while (other.has_work()) {
    other.run_slice();
  }
  home.run_slice();
  EXPECT_GE(first->fiber->cpu_time() + second->fiber->cpu_time(), kLoanMax);
}

TEST_F(WorkSharingTest, CpuLimit_HoldsAway) {
  Scheduler home = make_scheduler();
  Scheduler other = make_scheduler();
  const InstanceLimits limits{.cpu_time_max = std::chrono::milliseconds(5)};
  const auto first = thread("spin", {}, limits);
  const auto second = thread("spin");
  home.start(*first->fiber, owner_, workload_);
  home.start(*second->fiber, owner_, workload_);
  while (!first->fiber->done()) {
    home.run_slice();
    if (other.has_work()) {
      other.run_slice();
    }
  }
  EXPECT_EQ(first->fiber->outcome().reason, EndReason::kCpuTimeLimit);
}

TEST_F(WorkSharingTest, KilledWhileAway_EndsAtHome) {
  Scheduler home = make_scheduler();
  Scheduler other = make_scheduler();
  const auto first = thread("spin");
  const auto second = thread("spin");
  home.start(*first->fiber, owner_, workload_);
  home.start(*second->fiber, owner_, workload_);
  run_until_lent(home);
  other.run_slice();
  first->fiber->kill(EndReason::kKilled);
  second->fiber->kill(EndReason::kKilled);
  while (owner_.done.size() < 2) {
    home.run_slice();
    if (other.has_work()) {
      other.run_slice();
    }
  }
  EXPECT_EQ(first->fiber->outcome().reason, EndReason::kKilled);
  EXPECT_FALSE(other.has_work());
}

TEST_F(WorkSharingTest, DestroyedWhileAway_IsNotRunAgain) {
  Scheduler home = make_scheduler();
  Scheduler other = make_scheduler();
  auto first = thread("spin");
  auto second = thread("spin");
  home.start(*first->fiber, owner_, workload_);
  home.start(*second->fiber, owner_, workload_);
  run_until_lent(home);
  other.run_slice();
  first.reset();
  second.reset();
  const std::uint64_t slices = engine_->work_sharing().slices_away();
  while (other.has_work()) {
    other.run_slice();
  }
  EXPECT_EQ(engine_->work_sharing().slices_away(), slices);
}

TEST_F(WorkSharingTest, BorrowerEnds_FiberGoesOnAtHome) {
  Scheduler home = make_scheduler();
  const auto first = thread("spin_until", {4});
  const auto second = thread("spin_until", {4});
  {
    Scheduler other = make_scheduler();
    home.start(*first->fiber, owner_, workload_);
    home.start(*second->fiber, owner_, workload_);
    run_until_lent(home);
    other.run_slice();
  }
  set_flag(4);
  while (owner_.done.size() < 2) {
    home.run_slice();
  }
}

TEST_F(WorkSharingTest, Recalled_IsAtHomeAtOnce) {
  Scheduler home = make_scheduler();
  Scheduler other = make_scheduler();
  const auto first = thread("spin");
  const auto second = thread("spin");
  home.start(*first->fiber, owner_, workload_);
  home.start(*second->fiber, owner_, workload_);
  run_until_lent(home);
  second->fiber->recall_siblings();
  other.run_slice();
  EXPECT_EQ(engine_->work_sharing().slices_away(), 0U);
}

TEST_F(WorkSharingTest, NoGroup_IsNotLent) {
  Scheduler home = make_scheduler();
  const Scheduler other = make_scheduler();
  const auto first = thread("spin");
  const auto second = thread("spin");
  home.start(*first->fiber, owner_, {});
  home.start(*second->fiber, owner_, {});
  for (int slice = 0; slice < 5; ++slice) {
    home.run_slice();
  }
  EXPECT_EQ(engine_->work_sharing().loans(), 0U);
}

TEST_F(WorkSharingTest, KilledOnItsWayToAHostCall_NeverMakesIt) {
  for (const std::string_view entry : {"spin_then_note", "spin_then_wait", "spin_then_grow"}) {
    Scheduler home = make_scheduler();
    Scheduler other = make_scheduler();
    const auto caller = thread(entry, {4});
    const auto spinner = thread("spin");
    home.start(*caller->fiber, owner_, workload_);
    home.start(*spinner->fiber, owner_, workload_);
    run_until_lent(home);
    set_flag(4);
    while (other.has_work()) {
      other.run_slice();
    }
    caller->fiber->kill(EndReason::kKilled);
    while (!caller->fiber->done()) {
      home.run_slice();
    }
    EXPECT_EQ(caller->fiber->outcome().reason, EndReason::kKilled);
    EXPECT_EQ(caller->guest.noted_on, std::thread::id());
    auto clear = thread("clear", {4});
    while (clear->fiber->poll() != FiberStatus::kDone) {
    }
  }
}

// ---- On two threads ----

// A thread that computes for others until it is destroyed.
class Borrower {
 public:
  Borrower(Engine& engine, const base::Clock& clock)
      : thread_([this, &engine, &clock] { run(engine, clock); }) {
    joined_.wait(false);
  }
  ~Borrower() {
    stopping_.store(true);
    wake();
    thread_.join();
  }

 private:
  void run(Engine& engine, const base::Clock& clock) {
    Scheduler scheduler(engine.ticker(), clock, {}, nullptr,
                        {.sharing = &engine.work_sharing(), .wake = [this] { wake(); }});
    joined_.store(true);
    joined_.notify_one();
    while (true) {
      woken_.wait(false);
      woken_.store(false);
      if (stopping_.load()) {
        return;
      }
      while (scheduler.has_work()) {
        scheduler.run_slice();
      }
    }
  }
  void wake() {
    woken_.store(true);
    woken_.notify_one();
  }

  std::atomic<bool> joined_ = false;
  std::atomic<bool> woken_ = false;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

TEST_F(WorkSharingTest, TwoThreads_MeetEachOther) {
  // Many rounds of two guest threads that wait for each other without a host call.
  const Borrower borrower(*engine_, clock_);
  Scheduler home = make_scheduler();
  const auto spinner = thread("spin");
  home.start(*spinner->fiber, owner_, workload_);
  for (std::uint32_t round = 0; round < 20; ++round) {
    owner_.done.clear();
    const std::uint32_t place = 16 + 8 * round;
    const auto first = thread("meet", {place, place + 4});
    const auto second = thread("meet", {place + 4, place});
    home.start(*first->fiber, owner_, workload_);
    home.start(*second->fiber, owner_, workload_);
    while (owner_.done.size() < 2) {
      home.run_slice();
    }
  }
  EXPECT_GT(engine_->work_sharing().loans(), 0U);
}

TEST_F(WorkSharingTest, RunningOnAnotherThread_CanBeDestroyedAndRecalled) {
  const Borrower borrower(*engine_, clock_);
  Scheduler home = make_scheduler();
  for (int round = 0; round < 20; ++round) {
    auto first = thread("spin");
    auto second = thread("spin");
    home.start(*first->fiber, owner_, workload_);
    home.start(*second->fiber, owner_, workload_);
    const std::uint64_t slices = engine_->work_sharing().slices_away();
    while (engine_->work_sharing().slices_away() == slices) {
      home.run_slice();
    }
    second->fiber->recall_siblings();
    EXPECT_EQ(second->fiber->done(), false);
  }
  EXPECT_EQ(home.fiber_count(), 0U);
}

}  // namespace
}  // namespace selvedge::engine
