// Handlers of signals that are called in the middle of what a guest computes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/format.h"
#include "engine/epoch_ticker.h"
#include "engine/testing/guests.h"

namespace selvedge::engine {
namespace {

using testing::Guest;
using ::testing::HasSubstr;
using testing::ManualCall;

class SignalGuest final : public Guest {
 public:
  using Guest::Guest;
  std::uint32_t next_signal() noexcept override {
    ++asked;
    if (signals.empty()) {
      return 0;
    }
    const std::uint32_t signal = signals.front();
    signals.erase(signals.begin());
    return signal;
  }
  std::vector<std::uint32_t> signals;
  int asked = 0;
  std::vector<std::int32_t> logged;
  std::shared_ptr<ManualCall<std::uint32_t>::Control> control =
      std::make_shared<ManualCall<std::uint32_t>::Control>();
};

void log_number(SignalGuest& guest, std::int32_t number) { guest.logged.push_back(number); }
void quit(SignalGuest& guest, std::uint32_t code) { guest.exit(code); }
Blocking<std::uint32_t> wait(SignalGuest& guest) {
  return std::make_unique<ManualCall<std::uint32_t>>(guest.control);
}
std::int32_t in_handler(SignalGuest& guest) { return guest.in_handler() ? 1 : 0; }

// `f` computes until $got is set.
std::string program(std::string_view handler, std::string_view more = {}) {
  return fmt::format(R"((module
    (import "test" "log" (func $log (param i32)))
    (import "test" "exit" (func $exit (param i32)))
    (import "test" "wait" (func $wait (result i32)))
    (import "test" "in_handler" (func $in_handler (result i32)))
    (memory (export "memory") 1)
    (global $stack (export "__stack_pointer") (mut i32) (i32.const 4096))
    (global $got (mut i32) (i32.const 0))
    (tag $thrown (param i32))
    (func (export "__wasm_signal") (param $signal i32) {})
    (func $compute (loop $again (br_if $again (i32.eqz (global.get $got)))))
    (func $deeper (drop (i32.add (i32.const 1) (call $deepest))))
    (func $deepest (result i32) (call $deeper) (i32.const 1))
    (func (export "f") (result i32) (call $compute) (global.get $stack))
    {}))",
                     handler, more);
}

class SignalHandlerTest : public ::testing::Test {
 protected:
  SignalHandlerTest()
      : engine_(testing::make_engine()), functions_(*engine_), slot_(engine_->ticker()) {
    functions_.define<&log_number>("test", "log");
    functions_.define<&quit>("test", "exit");
    functions_.define<&wait>("test", "wait");
    functions_.define<&in_handler>("test", "in_handler");
  }
  std::unique_ptr<SignalGuest> guest(std::string_view wat, std::vector<std::uint32_t> signals) {
    auto made = std::make_unique<SignalGuest>(functions_, testing::compile(*engine_, wat));
    made->signals = std::move(signals);
    return made;
  }

  std::unique_ptr<Engine> engine_;
  HostFunctions functions_;
  EpochTicker::Slot slot_;
  EpochTicker::Running running_{slot_};
};

constexpr std::string_view kLogAndGo =
    "(call $log (local.get $signal)) (global.set $got (i32.const 1))";

TEST_F(SignalHandlerTest, ComputingGuest_HandlesSignalsInOrder_AndGoesOn) {
  auto g = guest(program(kLogAndGo), {15, 2});
  const Outcome outcome = g->run("f");
  EXPECT_EQ(outcome.reason, EndReason::kFinished) << outcome.message;
  EXPECT_EQ(g->logged, (std::vector{15, 2}));
  EXPECT_EQ(g->current().outcome().result, 4096U);
}

TEST_F(SignalHandlerTest, Handler_LeavesTheRedZoneOfWhatItInterrupts) {
  auto g = guest(program("(call $log (global.get $stack)) (global.set $got (i32.const 1))"), {15});
  EXPECT_EQ(g->run("f").reason, EndReason::kFinished);
  EXPECT_EQ(g->logged, std::vector{4096 - 128});
  EXPECT_EQ(g->current().outcome().result, 4096U);
}

TEST_F(SignalHandlerTest, ModuleThatKeepsItsStackPointer_IsNotInterrupted) {
  for (const auto& [from, to] :
       {std::pair(R"((export "__stack_pointer") (mut i32))", "(mut i32)"),
        std::pair(R"((export "__wasm_signal"))", ""),
        std::pair(R"((export "__wasm_signal") (param $signal i32))",
                  R"((export "__wasm_signal") (param $signal i32) (param i32))")}) {
    std::string wat = program(kLogAndGo);
    wat.replace(wat.find(from), std::string_view(from).size(), to);
    auto g = guest(wat, {15});
    EXPECT_EQ(g->run("f", {}, 3).reason, EndReason::kKilled);
    EXPECT_EQ(g->asked, 0) << to;
  }
}

TEST_F(SignalHandlerTest, Handler_MayWait_AndKnowsWhereItIs) {
  auto g = guest(program(R"((call $log (call $in_handler)) (call $log (call $wait))
      (global.set $got (i32.const 1)))"
                         "\n"),
                 {15});
  Fiber& fiber = g->call("f");
  FiberStatus status = fiber.poll();
  while (status == FiberStatus::kYielded) {
    status = fiber.poll();
  }
  EXPECT_EQ(status, FiberStatus::kBlocked);
  EXPECT_EQ(g->logged, std::vector{1});
  g->control->value = 7;
  fiber.wake();
  while (fiber.poll() == FiberStatus::kYielded) {
  }
  EXPECT_EQ(fiber.outcome().reason, EndReason::kFinished) << fiber.outcome().message;
  EXPECT_EQ(g->logged, (std::vector{1, 7}));
}

TEST_F(SignalHandlerTest, Handler_HasSlicesToo_WithoutBeingInterrupted) {
  auto g = guest(program("(call $log (local.get $signal)) (loop (br 0))"), {15, 2});
  Fiber& fiber = g->call("f");
  for (int slice = 0; slice < 5; ++slice) {
    ASSERT_EQ(fiber.poll(), FiberStatus::kYielded);
  }
  EXPECT_EQ(g->logged, (std::vector{15, 2}));
  EXPECT_TRUE(g->in_handler());
  const int asked = g->asked;
  ASSERT_EQ(fiber.poll(), FiberStatus::kYielded);
  EXPECT_EQ(g->asked, asked);
  fiber.kill(EndReason::kKilled, "enough");
  EXPECT_EQ(fiber.poll(), FiberStatus::kDone);
  EXPECT_EQ(fiber.outcome().message, "enough");
}

TEST_F(SignalHandlerTest, Fiber_DroppedInAHandler_EndsTheGuest) {
  auto g = guest(program("(loop (br 0))"), {15});
  Fiber& fiber = g->call("f");
  while (!g->in_handler()) {
    ASSERT_EQ(fiber.poll(), FiberStatus::kYielded);
  }
  g->drop_fiber();
  EXPECT_FALSE(g->in_handler());
}

TEST_F(SignalHandlerTest, Handler_ThatExits_EndsTheGuest) {
  auto g = guest(program("(call $exit (local.get $signal))"), {15});
  const Outcome outcome = g->run("f");
  EXPECT_EQ(outcome.reason, EndReason::kExited);
  EXPECT_EQ(outcome.exit_code, 15U);
}

TEST_F(SignalHandlerTest, Handler_ThatTraps_EndsTheGuest) {
  auto g = guest(program("(unreachable)"), {15});
  const Outcome outcome = g->run("f");
  EXPECT_EQ(outcome.reason, EndReason::kTrapped);
  EXPECT_THAT(outcome.message, HasSubstr("unreachable"));
}

TEST_F(SignalHandlerTest, Handler_ThatThrows_DoesSoAtTheNextHostCall) {
  const std::string throwing = program(
      R"((call $log (local.get $signal)) (global.set $got (i32.const 1))
         (throw $thrown (i32.add (local.get $signal) (i32.const 100))))",
      R"((func (export "caught") (result i32)
      (block $caught (result i32)
        (try_table (catch $thrown $caught)
          (loop $again (br_if $again (i32.eqz (global.get $got))))
          (call $log (i32.const 1))
          (call $log (i32.const 2)))
        (i32.const 0))))");
  auto g = guest(throwing, {15});
  Outcome outcome = g->run("caught");
  EXPECT_EQ(outcome.reason, EndReason::kFinished) << outcome.message;
  EXPECT_EQ(outcome.result, 115U);
  EXPECT_EQ(g->logged, (std::vector{15, 1}));
  // After a host call the handler is called there, and throws at once.
  g->signals = {2};
  outcome = g->run("caught");
  EXPECT_EQ(outcome.result, 102U) << outcome.message;
  EXPECT_EQ(g->logged, (std::vector{15, 1, 1, 2}));
}

TEST_F(SignalHandlerTest, StacksOfBoth_EndAtTheirOwnLimits) {
  // What is interrupted has used most of its stack, and the handler uses all of its own.
  const std::string deep = program("(call $deeper)", R"(
    (func $down (param i32)
      (if (local.get 0)
        (then (call $down (i32.sub (local.get 0) (i32.const 1))))
        (else (call $compute)))
      (global.set $got (i32.const 1)))
    (func (export "down") (param i32) (call $down (local.get 0))))");
  std::uint64_t most = 1;
  for (std::uint64_t step = 1 << 20; step != 0; step /= 2) {
    auto g = guest(deep, {});
    g->call("down", {most + step});
    if (g->current().poll() != FiberStatus::kDone) {
      most += step;
    }
  }
  EXPECT_GT(most, 1000U);
  auto g = guest(deep, {15});
  const Outcome outcome = g->run("down", {most - 1});
  EXPECT_EQ(outcome.reason, EndReason::kStackLimit) << outcome.message;
}

}  // namespace
}  // namespace selvedge::engine
