// Goal: a shard without guests computes for one that has too many, and nothing but computing
// happens away from home. Method: two schedulers on one thread, which take turns, so that each step
// is known; and on two threads, where the guests' own memory shows that both ran at once. Slices
// end by the real epoch.

#include "engine/work_sharing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>
#include <utility>

#include "base/system.h"
#include "engine/internal/work_member.h"
#include "engine/scheduler.h"
#include "engine/shared_memory.h"
#include "engine/testing/guests.h"
#include "engine/testing/manual_clock.h"

namespace selvedge::engine {
namespace {

// Words of the memory: 0 what "spin" counts in, 4 a flag, 8 another.
constexpr std::string_view kModule = R"((module
    (import "env" "memory" (memory 1 1 shared))
    (import "test" "note" (func $note (param i32) (result i32)))
    (import "test" "wait" (func $wait (result i32)))
    (table 1 10 funcref)
    (global (export "__stack_pointer") (mut i32) (i32.const 4096))
    (func (export "__wasm_signal") (param i32) (call $spin_until (i32.const 8)))
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
    (func (export "set") (param i32 i32) (i32.atomic.store (local.get 0) (local.get 1)))
    (func (export "meet") (param i32 i32)
      (i32.atomic.store (local.get 0) (i32.const 1)) (call $spin_until (local.get 1)))))";

class SharingGuest final : public HostContext {
 public:
  std::uint32_t next_signal() noexcept override {
    ++asked_for_signals;
    return signals == 0 ? 0 : signals--;
  }
  std::uint32_t signals = 0;
  int asked_for_signals = 0;
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
  WorkSharingMembership membership() {
    return {.sharing = &engine_->work_sharing(), .wake = [this] { ++wakes_; }};
  }
  // Starts the first and a second thread at home, and runs slices until one is lent: the first,
  // which was the first to run.
  void lend_first() {
    const std::uint64_t before = sharing().loans();
    home_.start(*first_->fiber, owner_, workload_);
    home_.start(*second_->fiber, owner_, workload_);
    while (sharing().loans() == before) {
      home_.run_slice();
    }
  }
  void lend_first(std::string_view entry, std::initializer_list<std::uint64_t> arguments = {},
                  const InstanceLimits& limits = {}) {
    first_ = thread(entry, arguments, limits);
    second_ = thread("spin");
    lend_first();
  }
  void run_all(Scheduler& scheduler) {
    while (scheduler.has_work()) {
      scheduler.run_slice();
    }
  }
  void run_home_until_first_is_done() {
    while (!first_->fiber->done()) {
      home_.run_slice();
    }
  }
  const WorkSharing& sharing() { return engine_->work_sharing(); }
  // Sets a flag of the memory, as another thread of the guest would.
  void set_flag(std::uint32_t address, bool value = true) {
    const auto setter = thread("set", {address, value ? 1U : 0U});
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
  Scheduler home_{engine_->ticker(), clock_, {}, nullptr, membership()};
  std::optional<Scheduler> other_{std::in_place, engine_->ticker(), clock_,
                                  nullptr,       nullptr,           membership()};
  std::unique_ptr<GuestThread> first_;
  std::unique_ptr<GuestThread> second_;
};

TEST_F(WorkSharingTest, TwoReady_OneIsLentAndRunsAway) {
  EXPECT_FALSE(other_->has_work());
  lend_first("spin");
  EXPECT_EQ(wakes_, 1);
  EXPECT_TRUE(other_->has_work());
  other_->run_slice();
  EXPECT_EQ(sharing().slices_away(), 1U);
  // It goes on there, while the other one goes on here.
  other_->run_slice();
  home_.run_slice();
  EXPECT_EQ(sharing().slices_away(), 2U);
  EXPECT_EQ(sharing().loans(), 1U);
}

TEST_F(WorkSharingTest, HandlerThatEndsAway_NextSignalWaitsForHome) {
  first_ = thread("spin_until", {4});
  second_ = thread("spin");
  SharingGuest& guest = first_->guest;
  home_.start(*first_->fiber, owner_, workload_);
  home_.start(*second_->fiber, owner_, {});
  // A loan that takes too long is over before the handler is; then once more.
  for (bool ended_away = false; !ended_away;) {
    set_flag(8, false);
    guest.signals = 2;
    while (!guest.in_handler() || !other_->has_work()) {
      (other_->has_work() ? *other_ : home_).run_slice();
    }
    set_flag(8);
    const int asked = guest.asked_for_signals;
    while (guest.in_handler()) {
      ended_away = other_->has_work();
      (ended_away ? *other_ : home_).run_slice();
    }
    if (ended_away) {
      EXPECT_EQ(guest.asked_for_signals, asked);
    }
  }
  // A loan does not last, and at home it is asked.
  while (guest.signals != 0) {
    other_->run_slice();
    home_.run_slice();
  }
  set_flag(4);
  while (!first_->fiber->done()) {
    other_->run_slice();
    home_.run_slice();
  }
}

TEST_F(WorkSharingTest, OneReady_StaysAtHome) {
  first_ = thread("spin");
  home_.start(*first_->fiber, owner_, workload_);
  for (int slice = 0; slice < 5; ++slice) {
    home_.run_slice();
  }
  EXPECT_EQ(sharing().loans(), 0U);
}

TEST_F(WorkSharingTest, NobodyIdle_NothingIsLent) {
  first_ = thread("spin");
  second_ = thread("spin");
  const auto third = thread("spin");
  other_->start(*third->fiber, owner_, {});
  home_.start(*first_->fiber, owner_, workload_);
  home_.start(*second_->fiber, owner_, workload_);
  for (int slice = 0; slice < 6; ++slice) {
    home_.run_slice();
  }
  EXPECT_EQ(sharing().loans(), 0U);
}

TEST_F(WorkSharingTest, NoGroup_IsNotLent) {
  first_ = thread("spin");
  second_ = thread("spin");
  home_.start(*first_->fiber, owner_, {});
  home_.start(*second_->fiber, owner_, {});
  for (int slice = 0; slice < 5; ++slice) {
    home_.run_slice();
  }
  EXPECT_EQ(sharing().loans(), 0U);
}

TEST_F(WorkSharingTest, HostCall_RunsAtHomeOnly) {
  lend_first("spin_then_note", {4});
  set_flag(4);
  run_all(*other_);
  EXPECT_EQ(first_->guest.noted, 0U) << "away from home";
  EXPECT_FALSE(first_->fiber->done());
  run_home_until_first_is_done();
  EXPECT_EQ(first_->guest.noted, 7U);
  EXPECT_EQ(first_->fiber->outcome().reason, EndReason::kFinished);
  EXPECT_EQ(first_->fiber->outcome().result, 8U);
  EXPECT_THAT(owner_.done, ::testing::ElementsAre(first_->fiber.get()));
}

TEST_F(WorkSharingTest, HostCallThatWaits_BeginsAndWaitsAtHome) {
  lend_first("spin_then_wait", {4});
  set_flag(4);
  run_all(*other_);
  EXPECT_EQ(first_->guest.noted_on, std::thread::id());
  while (!first_->fiber->blocked()) {
    home_.run_slice();
  }
  first_->guest.control->value = 5;
  first_->fiber->wake();
  run_home_until_first_is_done();
  EXPECT_EQ(first_->fiber->outcome().result, 5U);
}

TEST_F(WorkSharingTest, GrowingATable_IsDecidedAtHome) {
  lend_first("spin_then_grow", {4}, {.table_elements_max = 2});
  set_flag(4);
  run_all(*other_);
  EXPECT_FALSE(first_->fiber->done());
  run_home_until_first_is_done();
  EXPECT_EQ(static_cast<std::uint32_t>(first_->fiber->outcome().result), 0xffff'ffffU);
}

TEST_F(WorkSharingTest, TrapAway_IsReportedAtHome) {
  lend_first("spin_then_trap", {4});
  set_flag(4);
  run_all(*other_);
  EXPECT_TRUE(owner_.done.empty());
  run_home_until_first_is_done();
  EXPECT_EQ(first_->fiber->outcome().reason, EndReason::kTrapped);
  EXPECT_THAT(first_->fiber->outcome().message, ::testing::HasSubstr("unreachable"));
}

TEST_F(WorkSharingTest, KilledOnItsWayToAHostCall_NeverMakesIt) {
  for (const std::string_view entry : {"spin_then_note", "spin_then_wait", "spin_then_grow"}) {
    set_flag(4, false);
    lend_first(entry, {4});
    set_flag(4);
    run_all(*other_);
    first_->fiber->kill(EndReason::kKilled);
    run_home_until_first_is_done();
    EXPECT_EQ(first_->fiber->outcome().reason, EndReason::kKilled);
    EXPECT_EQ(first_->guest.noted_on, std::thread::id());
    // The second one may have been lent meanwhile.
    second_.reset();
    run_all(*other_);
  }
}

TEST_F(WorkSharingTest, BorrowerGetsGuestsOfItsOwn_GivesBack) {
  const auto own = thread("spin");
  lend_first("spin");
  other_->run_slice();
  other_->start(*own->fiber, owner_, {});
  other_->run_slice();
  other_->run_slice();
  EXPECT_EQ(sharing().slices_away(), 1U);
  const base::Duration before = first_->fiber->cpu_time();
  home_.run_slice();
  EXPECT_GT(first_->fiber->cpu_time(), before) << "what it used away counts";
}

TEST_F(WorkSharingTest, LongLoan_EndsByItself) {
  lend_first("spin");
  run_all(*other_);
  home_.run_slice();
  EXPECT_GE(first_->fiber->cpu_time(), kLoanMax);
}

TEST_F(WorkSharingTest, CpuLimit_HoldsAway) {
  lend_first("spin", {}, {.cpu_time_max = std::chrono::milliseconds(5)});
  while (!first_->fiber->done()) {
    run_all(*other_);
    home_.run_slice();
  }
  EXPECT_EQ(first_->fiber->outcome().reason, EndReason::kCpuTimeLimit);
}

TEST_F(WorkSharingTest, KilledWhileAway_EndsAtHome) {
  lend_first("spin");
  other_->run_slice();
  first_->fiber->kill(EndReason::kKilled);
  run_all(*other_);
  EXPECT_EQ(sharing().slices_away(), 2U) << "the slice at whose end it was asked for";
  run_home_until_first_is_done();
  EXPECT_EQ(first_->fiber->outcome().reason, EndReason::kKilled);
}

TEST_F(WorkSharingTest, DestroyedWhileAway_IsNotRunAgain) {
  lend_first("spin");
  other_->run_slice();
  first_.reset();
  run_all(*other_);
  EXPECT_EQ(sharing().slices_away(), 1U);
}

TEST_F(WorkSharingTest, BorrowerEnds_FiberGoesOnAtHome) {
  lend_first("spin_until", {4});
  other_->run_slice();
  other_.reset();
  set_flag(4);
  run_home_until_first_is_done();
}

TEST_F(WorkSharingTest, SiblingsAreRecalled_AtOnce) {
  lend_first("spin");
  second_->fiber->recall_siblings();
  other_->run_slice();
  EXPECT_EQ(sharing().slices_away(), 0U);
}

// ---- Who borrows ----

class BusyBorrowerTest : public WorkSharingTest {
 protected:
  BusyBorrowerTest() {
    other_.reset();
    WorkSharingMembership membership = this->membership();
    membership.time_asleep = [this] { return asleep_; };
    other_.emplace(engine_->ticker(), manual_clock_, nullptr, nullptr, std::move(membership));
    home_of_two_.emplace(engine_->ticker(), manual_clock_, nullptr, nullptr, this->membership());
    // The fixture's own is not idle.
    third_ = thread("spin");
    home_.start(*third_->fiber, owner_, {});
    first_ = thread("spin");
    second_ = thread("spin");
    home_of_two_->start(*first_->fiber, owner_, workload_);
    home_of_two_->start(*second_->fiber, owner_, workload_);
  }
  ~BusyBorrowerTest() override {
    first_.reset();
    second_.reset();
    third_.reset();
  }
  // The clock goes on by the time between two measurements, of which the borrower sleeps `percent`.
  void pass_time(int percent) {
    manual_clock_.time += kIdleMeasurementMin;
    asleep_ += kIdleMeasurementMin * percent / 100;
  }
  // Whether one was lent in the next slices, in which the clock stands still.
  bool lends() {
    const std::uint64_t before = sharing().loans();
    for (int slice = 0; slice < 4; ++slice) {
      home_of_two_->run_slice();
    }
    return sharing().loans() > before;
  }

  testing::ManualClock manual_clock_;
  base::Duration asleep_{};
  std::optional<Scheduler> home_of_two_;
  std::unique_ptr<GuestThread> third_;
};

TEST_F(BusyBorrowerTest, WithConnectionsToServe_IsNotLentTo) {
  pass_time(kIdlePercentMin - 1);
  EXPECT_FALSE(lends());
  // A moment of sleep is no measurement.
  asleep_ += kIdleMeasurementMin;
  EXPECT_FALSE(lends());
}

TEST_F(BusyBorrowerTest, IdleAgain_IsLentTo) {
  pass_time(0);
  EXPECT_FALSE(lends());
  pass_time(kIdlePercentMin);
  EXPECT_TRUE(lends());
}

TEST(LoanMailboxTest, ComputingForOthers_CountsAsIdle) {
  base::MonotonicTime now{};
  internal::LoanMailbox mailbox({.time_asleep = [] { return base::Duration{}; }}, now);
  EXPECT_TRUE(mailbox.has_been_idle(now)) << "until it is measured";
  mailbox.add_computed_for_others(kIdleMeasurementMin);
  EXPECT_TRUE(mailbox.has_been_idle(now += kIdleMeasurementMin));
  EXPECT_FALSE(mailbox.has_been_idle(now += kIdleMeasurementMin));
}

TEST(LoanMailboxTest, NobodyTellsOfSleep_IsAlwaysIdle) {
  base::MonotonicTime now{};
  internal::LoanMailbox mailbox({}, now);
  EXPECT_TRUE(mailbox.has_been_idle(now += std::chrono::hours(1)));
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
  other_.reset();
  const Borrower borrower(*engine_, clock_);
  const auto spinner = thread("spin");
  home_.start(*spinner->fiber, owner_, workload_);
  for (std::uint32_t round = 0; round < 20; ++round) {
    owner_.done.clear();
    const std::uint32_t place = 16 + 8 * round;
    const auto first = thread("meet", {place, place + 4});
    const auto second = thread("meet", {place + 4, place});
    home_.start(*first->fiber, owner_, workload_);
    home_.start(*second->fiber, owner_, workload_);
    while (owner_.done.size() < 2) {
      home_.run_slice();
    }
  }
  EXPECT_GT(sharing().loans(), 0U);
}

TEST_F(WorkSharingTest, RunningOnAnotherThread_CanBeDestroyedAndRecalled) {
  other_.reset();
  const Borrower borrower(*engine_, clock_);
  for (int round = 0; round < 20; ++round) {
    const std::uint64_t slices = sharing().slices_away();
    lend_first("spin");
    while (sharing().slices_away() == slices) {
      home_.run_slice();
    }
    second_->fiber->recall_siblings();
    EXPECT_FALSE(second_->fiber->done());
  }
}

}  // namespace
}  // namespace selvedge::engine
