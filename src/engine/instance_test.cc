// Goal: guests run, wait, end and are limited as the contracts of Instance, Fiber and HostContext
// say. Method: real modules written as text, with host functions defined here.

#include "engine/instance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/format.h"
#include "engine/epoch_ticker.h"
#include "engine/testing/guests.h"

namespace selvedge::engine {
namespace {

using testing::Guest;
using ::testing::HasSubstr;
using testing::ManualCall;

class TestGuest final : public Guest {
 public:
  using Guest::Guest;
  std::vector<std::int32_t> logged;
  std::shared_ptr<ManualCall<std::uint32_t>::Control> control =
      std::make_shared<ManualCall<std::uint32_t>::Control>();
};

enum class Code : std::uint16_t { kGood = 0, kBad = 28 };

void log_number(TestGuest& guest, std::int32_t number) { guest.logged.push_back(number); }
std::int32_t add(TestGuest&, std::int32_t a, std::int32_t b) { return a + b; }
std::int64_t widen(TestGuest&, std::int64_t number) { return number * 2; }
double halve(TestGuest&, double number) noexcept { return number / 2; }
Code check(TestGuest&, std::uint32_t value) { return value > 9 ? Code::kBad : Code::kGood; }
void quit(TestGuest& guest, std::uint32_t code) { guest.exit(code); }
void trap_now(TestGuest& guest) { guest.trap("the host does not like this"); }
Blocking<std::uint32_t> wait_or_not(TestGuest& guest, std::uint32_t wait) {
  if (wait == 0) {
    return 41u;
  }
  return std::make_unique<ManualCall<std::uint32_t>>(guest.control);
}
Blocking<std::uint32_t> quit_blocking(TestGuest& guest, std::uint32_t code) {
  guest.exit(code);
  return 0u;
}
Code store_twice(TestGuest& guest, GuestPtr<std::uint32_t> pointer) {
  const GuestMemory memory = guest.memory();
  const auto value = memory.read(pointer);
  return value && memory.write(pointer, *value * 2) ? Code::kGood : Code::kBad;
}
// Doubles as a check of what cannot be reached. 100 -> 101 by the global, + 10 by the call.
std::int32_t reach(TestGuest& guest, std::int32_t fail) {
  EXPECT_FALSE(guest.global("absent").has_value());
  EXPECT_FALSE(guest.set_global("fixed", 2).has_value());
  EXPECT_FALSE(guest.call_guest("add_to_stack").has_value());
  EXPECT_FALSE(guest.ending());
  if (fail != 0) {
    EXPECT_FALSE(guest.call_guest("fail", {1}).has_value());
    EXPECT_TRUE(guest.ending());
    return 0;
  }
  const auto before = guest.global("stack");
  EXPECT_TRUE(guest.set_global("stack", *before + 1).has_value());
  return static_cast<std::int32_t>(*guest.call_guest("add_to_stack", {10}));
}
std::uint32_t memory_size(TestGuest& guest) {
  return static_cast<std::uint32_t>(guest.memory().size());
}

class InstanceTest : public ::testing::Test {
 protected:
  InstanceTest() : engine_(testing::make_engine()), functions_(*engine_) {
    functions_.define<&log_number>("test", "log");
    functions_.define<&add>("test", "add");
    functions_.define<&widen>("test", "widen");
    functions_.define<&halve>("test", "halve");
    functions_.define<&check>("test", "check");
    functions_.define<&quit>("test", "exit");
    functions_.define<&trap_now>("test", "trap");
    functions_.define<&wait_or_not>("test", "wait");
    functions_.define<&quit_blocking>("test", "exit_blocking");
    functions_.define<&store_twice>("test", "store_twice");
    functions_.define<&reach>("test", "reach");
    functions_.define<&memory_size>("test", "memory_size");
  }

  std::unique_ptr<TestGuest> guest(std::string_view wat, const InstanceLimits& limits = {}) {
    return std::make_unique<TestGuest>(functions_, testing::compile(*engine_, wat), limits);
  }

  std::unique_ptr<Engine> engine_;
  HostFunctions functions_;
};

TEST_F(InstanceTest, Call_WithArguments_ReturnsTheResult) {
  auto g = guest(R"((module (func (export "sub") (param i32 i32) (result i32)
      local.get 0 local.get 1 i32.sub)))");
  const Outcome outcome = g->run("sub", {7, 10});
  EXPECT_EQ(outcome.reason, EndReason::kFinished);
  EXPECT_EQ(static_cast<std::int32_t>(outcome.result), -3);
}

TEST_F(InstanceTest, HostFunctions_OfEachKind_GetAndGiveValues) {
  auto g = guest(R"((module
      (import "test" "log" (func $log (param i32)))
      (import "test" "add" (func $add (param i32 i32) (result i32)))
      (import "test" "widen" (func $widen (param i64) (result i64)))
      (import "test" "halve" (func $halve (param f64) (result f64)))
      (import "test" "check" (func $check (param i32) (result i32)))
      (func (export "_start")
        (call $log (call $add (i32.const 2) (i32.const -5)))
        (call $log (i32.wrap_i64 (i64.shr_u (call $widen (i64.const 0x700000000)) (i64.const 32))))
        (call $log (i32.trunc_f64_s (call $halve (f64.const 9))))
        (call $log (call $check (i32.const 10))))))");
  EXPECT_EQ(g->run("_start").reason, EndReason::kFinished);
  EXPECT_THAT(g->logged, ::testing::ElementsAre(-3, 14, 4, 28));
}

TEST_F(InstanceTest, BlockingFunction_ReadyAtOnce_DoesNotSuspend) {
  auto g = guest(R"((module (import "test" "wait" (func $wait (param i32) (result i32)))
      (func (export "f") (result i32) (call $wait (i32.const 0)))))");
  Fiber& fiber = g->call("f");
  EXPECT_EQ(fiber.poll(), FiberStatus::kDone);
  EXPECT_EQ(fiber.outcome().result, 41u);
}

TEST_F(InstanceTest, BlockingFunction_Waiting_IsPolledOnlyAfterWake) {
  auto g = guest(R"((module (import "test" "wait" (func $wait (param i32) (result i32)))
      (func (export "f") (result i32) (call $wait (i32.const 1)))))");
  Fiber& fiber = g->call("f");
  EXPECT_EQ(fiber.poll(), FiberStatus::kBlocked);
  EXPECT_TRUE(fiber.blocked());
  EXPECT_EQ(fiber.poll(), FiberStatus::kBlocked);
  EXPECT_EQ(g->control->polls, 0);

  fiber.wake();
  EXPECT_FALSE(fiber.blocked());
  EXPECT_EQ(fiber.poll(), FiberStatus::kBlocked);
  EXPECT_EQ(g->control->polls, 1);

  g->control->value = 7;
  fiber.wake();
  EXPECT_EQ(fiber.poll(), FiberStatus::kDone);
  EXPECT_EQ(fiber.outcome().result, 7u);
  EXPECT_TRUE(g->control->destroyed);
}

TEST_F(InstanceTest, Fiber_DroppedWhileWaiting_CancelsTheCall) {
  auto g = guest(R"((module (import "test" "wait" (func $wait (param i32) (result i32)))
      (func (export "f") (result i32) (call $wait (i32.const 1)))))");
  EXPECT_EQ(g->call("f").poll(), FiberStatus::kBlocked);
  g->drop_fiber();
  EXPECT_TRUE(g->control->destroyed);
}

TEST_F(InstanceTest, Exit_FromEachKindOfFunction_EndsWithTheCode) {
  for (const std::string_view name : {"exit", "exit_blocking"}) {
    auto g = guest(fmt::format(R"((module (import "test" "{}" (func $exit (param i32) {}))
        (import "test" "log" (func $log (param i32)))
        (func (export "_start") (call $exit (i32.const 42)) {} (call $log (i32.const 1)))))",
                               name, name == "exit" ? "" : "(result i32)",
                               name == "exit" ? "" : "drop"));
    const Outcome outcome = g->run("_start");
    EXPECT_EQ(outcome.reason, EndReason::kExited);
    EXPECT_EQ(outcome.exit_code, 42u);
    EXPECT_TRUE(g->logged.empty());
  }
}

TEST_F(InstanceTest, Traps_AreNamedWithTheirFunction) {
  auto g = guest(R"((module (memory (export "memory") 1)
      (func $inner unreachable)
      (func (export "unreachable") (call $inner))
      (func (export "divide") (drop (i32.div_u (i32.const 1) (i32.const 0))))
      (func (export "outside") (drop (i32.load (i32.const 65536))))))");
  Outcome outcome = g->run("unreachable");
  EXPECT_EQ(outcome.reason, EndReason::kTrapped);
  EXPECT_THAT(outcome.message, HasSubstr("`unreachable` instruction executed"));
  EXPECT_THAT(outcome.message, HasSubstr("(in inner < "));
  EXPECT_THAT(g->run("divide").message, HasSubstr("integer divide by zero"));
  EXPECT_THAT(g->run("outside").message, HasSubstr("out of bounds memory access"));
}

TEST_F(InstanceTest, Trap_FromTheHost_CarriesItsReason) {
  auto g = guest(R"((module (import "test" "trap" (func $trap))
      (func (export "_start") (call $trap))))");
  const Outcome outcome = g->run("_start");
  EXPECT_EQ(outcome.reason, EndReason::kTrapped);
  EXPECT_EQ(outcome.message, "the host does not like this");
}

TEST_F(InstanceTest, StackOverflow_IsAReasonOfItsOwn) {
  auto g = guest(R"((module (func $f (export "f") (call $f) (call $f))))");
  EXPECT_EQ(g->run("f").reason, EndReason::kStackLimit);
}

TEST_F(InstanceTest, UncaughtException_IsATrap) {
  auto g = guest(R"((module (tag $e (param i32))
      (func (export "f") (throw $e (i32.const 1)))
      (func (export "caught") (result i32)
        (block $h (result i32)
          (try_table (catch $e $h) (throw $e (i32.const 5))) (i32.const 0)))))");
  const Outcome outcome = g->run("f");
  EXPECT_EQ(outcome.reason, EndReason::kTrapped);
  EXPECT_THAT(outcome.message, HasSubstr("exception"));
  EXPECT_EQ(g->run("caught").result, 5u);
}

TEST_F(InstanceTest, MemoryLimit_Refusing_GivesMinusOne) {
  auto g = guest(R"((module (memory (export "memory") 1)
      (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
      (func (export "fail") unreachable)))",
                 {.memory_bytes_max = 3 * 65536});
  EXPECT_EQ(g->run("grow", {2}).result, 1u);
  EXPECT_EQ(g->instance().memory_bytes(), 3u * 65536);
  EXPECT_EQ(static_cast<std::int32_t>(g->run("grow", {1}).result), -1);
  EXPECT_TRUE(g->instance().memory_was_refused());
  EXPECT_THAT(g->run("fail").message, HasSubstr("refused memory beyond its limit of 196608 bytes"));
}

TEST_F(InstanceTest, MemoryLimit_Ending_EndsTheGuest) {
  auto g = guest(R"((module (memory (export "memory") 1)
      (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))))",
                 {.memory_bytes_max = 3 * 65536, .on_growth = InstanceLimits::OnGrowth::kEnd});
  const Outcome outcome = g->run("grow", {9});
  EXPECT_EQ(outcome.reason, EndReason::kMemoryLimit);
  EXPECT_THAT(outcome.message, HasSubstr("655360"));
}

TEST_F(InstanceTest, InitialMemory_BeyondTheLimit_IsTheMemoryLimit) {
  auto g = guest(R"((module (memory (export "memory") 10) (func (export "f"))))",
                 {.memory_bytes_max = 65536});
  EXPECT_EQ(g->run("f").reason, EndReason::kMemoryLimit);
}

TEST_F(InstanceTest, TableLimit_Ending_EndsTheGuest) {
  auto g = guest(R"((module (table 1 funcref)
      (func (export "grow") (result i32) (table.grow (ref.null func) (i32.const 100)))))",
                 {.on_growth = InstanceLimits::OnGrowth::kEnd, .table_elements_max = 50});
  EXPECT_EQ(g->run("grow").reason, EndReason::kTableLimit);
}

class Account final : public MemoryAccount {
 public:
  bool reserve(std::size_t bytes) noexcept override {
    if (used + bytes > limit) {
      return false;
    }
    used += bytes;
    return true;
  }
  void release(std::size_t bytes) noexcept override { used -= bytes; }
  std::string limit_text() const override { return "the limit that several share"; }
  std::size_t used = 0;
  std::size_t limit = 4 * 65536;
};

TEST_F(InstanceTest, Account_IsSharedAndGivenBack) {
  Account account;
  const std::string_view wat = R"((module (memory (export "memory") 1)
      (func (export "fail") unreachable)
      (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))))";
  {
    auto first = guest(wat, {.account = &account});
    auto second = guest(wat, {.account = &account});
    EXPECT_EQ(first->run("grow", {2}).result, 1u);
    EXPECT_EQ(static_cast<std::int32_t>(second->run("grow", {1}).result), -1);
    EXPECT_EQ(account.used, 4u * 65536);
    EXPECT_THAT(second->run("fail").message, HasSubstr("the limit that several share"));
  }
  EXPECT_EQ(account.used, 0u);
}

TEST_F(InstanceTest, GuestMemory_IsCheckedAndFollowsGrowth) {
  auto g = guest(R"((module
      (import "test" "store_twice" (func $twice (param i32) (result i32)))
      (import "test" "memory_size" (func $size (result i32)))
      (memory (export "memory") 1)
      (func (export "twice") (param i32) (result i32) (call $twice (local.get 0)))
      (func (export "load") (result i32) (i32.load (i32.const 8)))
      (func (export "size") (result i32) (call $size))
      (func (export "grow") (result i32)
        (drop (memory.grow (i32.const 1))) (call $size))
      (data (i32.const 8) "\15\00\00\00")))");
  EXPECT_EQ(g->run("twice", {8}).result, 0u);
  EXPECT_EQ(g->run("load").result, 42u);
  EXPECT_EQ(g->run("twice", {65533}).result, 28u);
  EXPECT_EQ(g->run("twice", {0xFFFFFFFF}).result, 28u);
  EXPECT_EQ(g->run("size").result, 65536u);
  EXPECT_EQ(g->run("grow").result, 2u * 65536);
}

TEST_F(InstanceTest, HostFunction_ReachesIntoTheGuest) {
  auto g = guest(R"((module
      (import "test" "reach" (func $reach (param i32) (result i32)))
      (global $stack (export "stack") (mut i32) (i32.const 100))
      (global (export "fixed") i32 (i32.const 1))
      (func (export "add_to_stack") (param i32) (result i32)
        (global.set $stack (i32.add (global.get $stack) (local.get 0))) (global.get $stack))
      (func (export "fail") (param i32) (result i32) unreachable)
      (func (export "f") (param i32) (result i32) (call $reach (local.get 0)))))");
  EXPECT_EQ(g->run("f", {0}).result, 111u);
  const Outcome outcome = g->run("f", {1});
  EXPECT_EQ(outcome.reason, EndReason::kTrapped);
  EXPECT_THAT(outcome.message, HasSubstr("\"fail\" failed"));
}

TEST_F(InstanceTest, StartFunction_ThatTraps_EndsTheCall) {
  auto g = guest(R"((module (func $s unreachable) (start $s) (func (export "f"))))");
  EXPECT_EQ(g->run("f").reason, EndReason::kTrapped);
}

TEST_F(InstanceTest, StartFunction_ThatWaits_Suspends) {
  auto g = guest(R"((module (import "test" "wait" (func $wait (param i32) (result i32)))
      (global $g (mut i32) (i32.const 0))
      (func $s (global.set $g (call $wait (i32.const 1)))) (start $s)
      (func (export "f") (result i32) (global.get $g))))");
  Fiber& fiber = g->call("f");
  EXPECT_EQ(fiber.poll(), FiberStatus::kBlocked);
  g->control->value = 3;
  fiber.wake();
  EXPECT_EQ(fiber.poll(), FiberStatus::kDone);
  EXPECT_EQ(fiber.outcome().result, 3u);
}

TEST_F(InstanceTest, Pool_Exhausted_IsNotStarted) {
  auto small = testing::make_engine(testing::small_pool(1));
  const HostFunctions functions(*small);
  const auto module = testing::compile(*small, R"((module (memory 1) (func (export "f"))))");
  Guest first(functions, module);
  EXPECT_EQ(first.run("f").reason, EndReason::kFinished);
  Guest second(functions, module);
  const Outcome outcome = second.run("f");
  EXPECT_EQ(outcome.reason, EndReason::kNotStarted);
  EXPECT_FALSE(outcome.message.empty());
}

TEST_F(InstanceTest, Call_OfWhatIsNotThere_IsAnError) {
  auto g = guest(R"((module (func (export "f") (param i32)) (memory (export "m") 1)))");
  for (const std::string_view name : {"g", "m", "f"}) {
    const auto fiber = g->instance().call(name);
    ASSERT_FALSE(fiber.has_value());
    EXPECT_THAT(fiber.error().message(), HasSubstr(std::string(name)));
  }
}

TEST_F(InstanceTest, Call_WhileAnotherRuns_IsRefused) {
  auto g = guest(R"((module (func (export "f"))))");
  g->call("f");
  EXPECT_FALSE(g->instance().call("f").has_value());
}

TEST_F(InstanceTest, Kill_EndsAtTheNextPoll) {
  auto g = guest(R"((module (import "test" "wait" (func $wait (param i32) (result i32)))
      (func (export "f") (result i32) (call $wait (i32.const 1)))))");
  Fiber& fiber = g->call("f");
  fiber.poll();
  fiber.kill(EndReason::kKilled, "enough");
  fiber.kill(EndReason::kWallTimeLimit, "too late to matter");
  EXPECT_FALSE(fiber.blocked());
  EXPECT_EQ(fiber.poll(), FiberStatus::kDone);
  EXPECT_EQ(fiber.outcome().reason, EndReason::kKilled);
  EXPECT_EQ(fiber.outcome().message, "enough");
  EXPECT_TRUE(g->control->destroyed);
}

TEST_F(InstanceTest, CpuTimeSum_BeyondTheLimit_EndsWhoeverRuns) {
  CpuTimeSum all;
  CpuTimeSum process{.outer = &all};
  const InstanceLimits limits{.cpu_time_max = std::chrono::milliseconds(5),
                              .cpu_time_sum = &process};
  all.total = std::chrono::milliseconds(4);
  auto g = guest(R"((module (func (export "f") (loop $l (br $l)))))", limits);
  EpochTicker::Slot slot(engine_->ticker());
  const EpochTicker::Running running(slot);
  Fiber& fiber = g->call("f");
  EXPECT_EQ(fiber.poll(), FiberStatus::kYielded);
  fiber.charge(std::chrono::milliseconds(2));
  EXPECT_EQ(fiber.poll(), FiberStatus::kDone);
  EXPECT_EQ(fiber.outcome().reason, EndReason::kCpuTimeLimit);
  EXPECT_EQ(process.total, std::chrono::milliseconds(2));
}

TEST_F(InstanceTest, CpuTime_BeyondTheLimit_EndsTheGuest) {
  auto g = guest(R"((module (func (export "f") (loop $l (br $l)))))",
                 {.cpu_time_max = std::chrono::milliseconds(5)});
  EpochTicker::Slot slot(engine_->ticker());
  const EpochTicker::Running running(slot);
  Fiber& fiber = g->call("f");
  for (int slice = 0; slice < 5; ++slice) {
    EXPECT_EQ(fiber.poll(), FiberStatus::kYielded);
    fiber.charge(std::chrono::milliseconds(1));
  }
  fiber.charge(std::chrono::milliseconds(1));
  EXPECT_EQ(fiber.poll(), FiberStatus::kDone);
  EXPECT_EQ(fiber.outcome().reason, EndReason::kCpuTimeLimit);
}

}  // namespace
}  // namespace selvedge::engine
