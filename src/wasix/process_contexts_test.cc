// Contexts (coroutines), by whole programs.

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include "base/format.h"
#include "wasix/process.h"
#include "wasix/testing/machine.h"
#include "wasix/workload.h"

namespace selvedge::wasix {
namespace {

using testing::Machine;
using Kind = ExitStatus::Kind;

// A program with `body` as its functions. $make makes a context of the function at an element of
// the table and answers its identifier; $to switches and traps when that fails.
std::string program(std::string_view body, std::string_view imports = "",
                    std::string_view memory = "(memory (export \"memory\") 1 4)") {
  return fmt::format(R"((module
  (import "wasix_32v1" "context_create" (func $create (param i32 i32) (result i32)))
  (import "wasix_32v1" "context_switch" (func $switch (param i64) (result i32)))
  (import "wasix_32v1" "context_destroy" (func $destroy (param i64) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  {}
  {}
  (func $make (param $entry i32) (result i64)
    (if (call $create (i32.const 1024) (local.get $entry)) (then unreachable))
    (i64.load (i32.const 1024)))
  (func $to (param $context i64)
    (if (call $switch (local.get $context)) (then unreachable)))
  {}))",
                     imports, memory, body);
}

class ContextsTest : public ::testing::Test {
 protected:
  ExitStatus run_wat(std::string_view wat, ProcessOptions options = {}) {
    if (!options.limits.wall_time_max) {
      options.limits.wall_time_max = std::chrono::seconds(60);
    }
    auto linked = machine_.link_wat(wat);
    EXPECT_TRUE(linked) << linked.error().message() << wat;
    return machine_.run(*linked, std::move(options));
  }
  ExitStatus run(std::string_view body, ProcessOptions options = {}) {
    return run_wat(program(body), std::move(options));
  }
  void expect_code(std::uint32_t code, const ExitStatus& status) {
    EXPECT_EQ(status.kind, Kind::kExited) << status.message;
    EXPECT_EQ(status.code, code);
  }

  Machine machine_;
};

TEST_F(ContextsTest, Switch_KeepsEachStack_AndSharesMemoryAndGlobals) {
  // The context counts up in a local; the global and the word at 0 see each of its steps.
  const ExitStatus status = run(R"(
    (table 2 funcref) (elem (i32.const 1) $count)
    (global $steps (mut i32) (i32.const 100))
    (global $wide (mut f64) (f64.const 0.5))
    (func $count (local $own i32)
      (loop $again
        (local.set $own (i32.add (local.get $own) (i32.const 1)))
        (global.set $steps (i32.add (global.get $steps) (i32.const 1)))
        (global.set $wide (f64.mul (global.get $wide) (f64.const 2)))
        (i32.store (i32.const 0) (local.get $own))
        (call $to (i64.const 0))
        (br $again)))
    (func (export "_start") (local $context i64) (local $round i32)
      (global.set $steps (i32.const 0))
      (local.set $context (call $make (i32.const 1)))
      (loop $again
        (local.set $round (i32.add (local.get $round) (i32.const 1)))
        (call $to (local.get $context))
        (if (i32.ne (i32.load (i32.const 0)) (local.get $round)) (then unreachable))
        (if (i32.ne (global.get $steps) (local.get $round)) (then unreachable))
        (br_if $again (i32.lt_u (local.get $round) (i32.const 10))))
      (if (f64.ne (global.get $wide) (f64.const 512)) (then unreachable))
      (call $exit (global.get $steps))))");
  expect_code(10, status);
}

TEST_F(ContextsTest, Contexts_SwitchToEachOtherDirectly) {
  // Main starts $first, which goes to $second, which goes back to it and then to main: 1, 2, 1, 0
  // as digits.
  const ExitStatus status = run(R"(
    (table 3 funcref) (elem (i32.const 1) $first $second)
    (global $trace (mut i32) (i32.const 0))
    (func $note (param $digit i32)
      (global.set $trace
        (i32.add (i32.mul (global.get $trace) (i32.const 10)) (local.get $digit))))
    (func $first (call $note (i32.const 1)) (call $to (i64.const 2))
      (call $note (i32.const 1)) (call $to (i64.const 0)))
    (func $second (call $note (i32.const 2)) (call $to (i64.const 1)))
    (func (export "_start")
      (if (i64.ne (call $make (i32.const 1)) (i64.const 1)) (then unreachable))
      (if (i64.ne (call $make (i32.const 2)) (i64.const 2)) (then unreachable))
      (call $to (i64.const 1))
      (call $exit (i32.eq (global.get $trace) (i32.const 121)))))");
  expect_code(1, status);
}

TEST_F(ContextsTest, TenThousandSwitches_WithSeveralContexts) {
  const ExitStatus status = run(R"(
    (table 2 funcref) (elem (i32.const 1) $next)
    ;; Each goes to the one after it, the eighth to main.
    (func $next (local $own i64)
      (local.set $own (i64.load (i32.const 8)))
      (loop $again
        (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
        (i64.store (i32.const 8) (i64.rem_u (i64.add (local.get $own) (i64.const 1)) (i64.const 9)))
        (call $to (i64.load (i32.const 8)))
        (br $again)))
    (func (export "_start") (local $round i32)
      (loop $making
        (drop (call $make (i32.const 1)))
        (br_if $making (i64.lt_u (i64.load (i32.const 1024)) (i64.const 8))))
      (loop $again
        (i64.store (i32.const 8) (i64.const 1))
        (call $to (i64.const 1))
        (br_if $again (i32.lt_u (i32.load (i32.const 0)) (i32.const 10000))))
      (call $exit (i32.eq (i32.load (i32.const 0)) (i32.const 10000)))))",
                                {.limits = {.threads_max = 9}});
  expect_code(1, status);
}

TEST_F(ContextsTest, Create_BeginsNeitherDataNorProgramAgain) {
  // The start function counts itself at 4; data is at 0 and, passive, dropped.
  const ExitStatus status = run(R"(
    (table 2 funcref) (elem (i32.const 1) $look)
    (data (i32.const 0) "\05\00\00\00")
    (start $begin)
    (func $begin (i32.store (i32.const 4) (i32.add (i32.load (i32.const 4)) (i32.const 1))))
    (func $look
      (if (i32.ne (i32.load (i32.const 0)) (i32.const 6)) (then unreachable))
      (i32.store (i32.const 0) (i32.const 7))
      (call $to (i64.const 0)))
    (func (export "_start")
      (if (i32.ne (i32.load (i32.const 0)) (i32.const 5)) (then unreachable))
      (i32.store (i32.const 0) (i32.const 6))
      (call $to (call $make (i32.const 1)))
      (if (i32.ne (i32.load (i32.const 0)) (i32.const 7)) (then unreachable))
      (call $exit (i32.load (i32.const 4)))))");
  expect_code(1, status);
}

TEST_F(ContextsTest, MemoryGrown_IsGrownForAll) {
  const ExitStatus status = run(R"(
    (table 2 funcref) (elem (i32.const 1) $grow)
    (func $grow (drop (memory.grow (i32.const 1))) (i32.store (i32.const 65536) (i32.const 3))
      (call $to (i64.const 0)))
    (func (export "_start")
      (call $to (call $make (i32.const 1)))
      (call $exit (i32.add (memory.size) (i32.load (i32.const 65536))))))");
  expect_code(5, status);
}

TEST_F(ContextsTest, WhatIsWrong_IsAnErrno) {
  const ExitStatus status = run(R"(
    (table 4 funcref) (elem (i32.const 1) $wait $other)
    (func $expect (param $error i32) (param $expected i32)
      (if (i32.ne (local.get $error) (local.get $expected)) (then unreachable)))
    (func $wait
      (call $expect (call $destroy (i64.const 1)) (i32.const 28))
      (call $expect (call $destroy (i64.const 0)) (i32.const 28))
      (call $expect (call $switch (i64.const 1)) (i32.const 0))
      (call $to (i64.const 0)))
    (func $other (param i32))
    (func (export "_start")
      ;; No function: a null one, one with parameters, none there, no element.
      (call $expect (call $create (i32.const 0) (i32.const 0)) (i32.const 28))
      (call $expect (call $create (i32.const 0) (i32.const 2)) (i32.const 28))
      (call $expect (call $create (i32.const 0) (i32.const 3)) (i32.const 28))
      (call $expect (call $create (i32.const 0) (i32.const -1)) (i32.const 28))
      (call $expect (call $create (i32.const 65529) (i32.const 1)) (i32.const 21))
      ;; No context.
      (call $expect (call $switch (i64.const 1)) (i32.const 28))
      (call $expect (call $switch (i64.const -1)) (i32.const 28))
      (call $expect (call $destroy (i64.const 7)) (i32.const 0))
      ;; The main one.
      (call $expect (call $switch (i64.const 0)) (i32.const 0))
      (call $expect (call $destroy (i64.const 0)) (i32.const 28))
      (call $to (call $make (i32.const 1)))
      ;; One that is gone, also for the second time.
      (call $expect (call $destroy (i64.const 1)) (i32.const 0))
      (call $expect (call $destroy (i64.const 1)) (i32.const 0))
      (call $expect (call $switch (i64.const 1)) (i32.const 28))
      (if (i64.ne (call $make (i32.const 1)) (i64.const 2)) (then unreachable))))");
  EXPECT_TRUE(status.success()) << status.message;
}

TEST_F(ContextsTest, Create_IsRefusedAtTheLimitOfThreads_AndDestroyMakesRoom) {
  // With the main one there is room for three; then a thousand are made and destroyed, some after
  // they have run.
  const ExitStatus status = run(R"(
    (table 2 funcref) (elem (i32.const 1) $back)
    (func $back (loop $again (call $to (i64.const 0)) (br $again)))
    (func (export "_start") (local $left i32) (local $last i64)
      (drop (call $make (i32.const 1)))
      (drop (call $make (i32.const 1)))
      (if (i32.ne (call $create (i32.const 0) (i32.const 1)) (i32.const 6)) (then unreachable))
      (local.set $last (i64.const 2))
      (local.set $left (i32.const 1000))
      (loop $more
        (if (i32.and (local.get $left) (i32.const 1)) (then (call $to (local.get $last))))
        (if (call $destroy (local.get $last)) (then unreachable))
        (local.set $last (call $make (i32.const 1)))
        (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
      (call $exit (i64.eq (local.get $last) (i64.const 1002)))))",
                                {.limits = {.threads_max = 3}});
  expect_code(1, status);
}

TEST_F(ContextsTest, ExitInAContext_EndsTheProcess) {
  expect_code(9, run(R"(
    (table 2 funcref) (elem (i32.const 1) $leave)
    (func $leave (call $exit (i32.const 9)))
    (func (export "_start") (call $to (call $make (i32.const 1)))))"));
}

TEST_F(ContextsTest, ReturnOfMain_EndsWhatIsSuspended) {
  const ExitStatus status = run(R"(
    (table 2 funcref) (elem (i32.const 1) $back)
    (func $back (call $to (i64.const 0)) unreachable)
    (func (export "_start")
      (drop (call $make (i32.const 1)))
      (call $to (call $make (i32.const 1)))))");
  EXPECT_TRUE(status.success()) << status.message;
}

TEST_F(ContextsTest, ReturnTrapOrExceptionOfAContext_IsATrapOfTheProcess) {
  const std::pair<std::string_view, std::string_view> bodies[] = {
      {"", "has returned"}, {"unreachable", "unreachable"}, {"(throw $tag)", "exception"}};
  for (const auto& [body, reason] : bodies) {
    const ExitStatus status = run(fmt::format(R"(
    (tag $tag)
    (table 2 funcref) (elem (i32.const 1) $end)
    (func $end {})
    (func (export "_start") (call $to (call $make (i32.const 1)))
      (call $exit (i32.const 0))))",
                                              body));
    EXPECT_EQ(status.kind, Kind::kTrapped);
    EXPECT_NE(status.message.find(reason), std::string::npos) << status.message;
  }
}

TEST_F(ContextsTest, WaitInAContext_IsTheThreadsWait) {
  // Main goes on only when the context has slept and switched.
  const ExitStatus status = run_wat(program(
      R"(
    (table 2 funcref) (elem (i32.const 1) $nap)
    (func $nap
      (drop (call $sleep (i64.const 2000000)))
      (i32.store (i32.const 0) (i32.const 4))
      (call $to (i64.const 0)))
    (func (export "_start")
      (call $to (call $make (i32.const 1)))
      (call $exit (i32.load (i32.const 0)))))",
      R"((import "wasix_32v1" "thread_sleep" (func $sleep (param i64) (result i32))))"));
  expect_code(4, status);
}

TEST_F(ContextsTest, Limits_HoldForAContext) {
  constexpr std::string_view kSpinning = R"(
    (table 2 funcref) (elem (i32.const 1) $spin)
    (func $spin (loop $again (br $again)))
    (func (export "_start") (call $to (call $make (i32.const 1)))))";
  const ExitStatus cpu =
      run(kSpinning, {.limits = {.instance = {.cpu_time_max = std::chrono::milliseconds(20)}}});
  EXPECT_EQ(cpu.kind, Kind::kLimit) << cpu.message;
  EXPECT_TRUE(cpu.timed_out);
  const ExitStatus wall =
      run(kSpinning, {.limits = {.wall_time_max = std::chrono::milliseconds(20)}});
  EXPECT_EQ(wall.kind, Kind::kLimit) << wall.message;
  EXPECT_TRUE(wall.timed_out);
}

TEST_F(ContextsTest, Kill_EndsAllContexts) {
  const auto linked = machine_.link_wat(program(R"(
    (table 2 funcref) (elem (i32.const 1) $spin)
    (func $spin (i32.store (i32.const 0) (i32.const 1)) (loop $again (br $again)))
    (func (export "_start") (drop (call $make (i32.const 1)))
      (call $to (call $make (i32.const 1)))))"));
  ASSERT_TRUE(linked) << linked.error().message();
  const auto process = *Process::create(machine_.shard(), *linked, {});
  ASSERT_TRUE(process->start());
  ASSERT_TRUE(machine_.run_until(
      [&] { return process->threads().find(kMainThread)->context() != kMainContext; }));
  process->kill(Signal::kTerm);
  const ExitStatus status = *machine_.reactor().run(process->wait());
  EXPECT_EQ(status.kind, Kind::kSignaled);
  EXPECT_EQ(status.signal, Signal::kTerm);
}

TEST_F(ContextsTest, DroppedProcess_WithSuspendedContexts_LeavesNothing) {
  const auto linked = machine_.link_wat(program(R"(
    (table 2 funcref) (elem (i32.const 1) $spin)
    (func $spin (loop $again (br $again)))
    (func (export "_start") (drop (call $make (i32.const 1)))
      (call $to (call $make (i32.const 1)))))"));
  ASSERT_TRUE(linked) << linked.error().message();
  for (int round = 0; round < 20; ++round) {
    auto process = *Process::create(machine_.shard(), *linked, {});
    ASSERT_TRUE(process->start());
    ASSERT_TRUE(machine_.run_until(
        [&] { return process->threads().find(kMainThread)->context() != kMainContext; }));
    process.reset();
    EXPECT_EQ(machine_.scheduler().fiber_count(), 0U);
  }
}

constexpr std::string_view kThreadImports = R"(
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasix_32v1" "thread_join" (func $join (param i32) (result i32)))
  (import "wasix_32v1" "thread_exit" (func $thread_exit (param i32)))
  (import "wasix_32v1" "thread_id" (func $id (param i32) (result i32)))
  (import "env" "memory" (memory 1 4 shared)))";

TEST_F(ContextsTest, EachThread_HasItsOwn) {
  // The thread cannot reach the context of the main thread; its own 0 is where it began. What it
  // leaves behind makes room when it ends: there is room for three beside main.
  const ExitStatus status = run_wat(program(R"(
    (table 2 funcref) (elem (i32.const 1) $back)
    (func $back
      (drop (call $id (i32.const 2048)))
      (loop $again (call $to (i64.const 0)) (br $again)))
    (func (export "wasi_thread_start") (param i32 i32)
      (if (i32.ne (call $switch (i64.const 1)) (i32.const 28)) (then unreachable))
      (if (call $destroy (i64.const 1)) (then unreachable))
      (call $to (call $make (i32.const 1)))
      (if (i32.ne (i32.load (i32.const 2048)) (local.get 0)) (then unreachable)))
    (func (export "_start") (local $left i32)
      (drop (call $make (i32.const 1)))
      (local.set $left (i32.const 20))
      (loop $more
        (if (call $join (call $spawn (i32.const 0))) (then unreachable))
        (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
      (call $to (i64.const 1))
      (call $exit (i32.load (i32.const 2048)))))",
                                            kThreadImports, ""),
                                    {.limits = {.threads_max = 4}});
  expect_code(1, status);
}

TEST_F(ContextsTest, ThreadExitInAContext_EndsTheThread) {
  const ExitStatus status = run_wat(program(R"(
    (table 2 funcref) (elem (i32.const 1) $leave)
    (func $leave (call $thread_exit (i32.const 0)))
    (func (export "wasi_thread_start") (param i32 i32)
      (call $to (call $make (i32.const 1))) unreachable)
    (func (export "_start")
      (call $exit (call $join (call $spawn (i32.const 0))))))",
                                            kThreadImports, ""));
  expect_code(0, status);
}

TEST_F(ContextsTest, Signal_IsHandledByTheContextThatRuns) {
  // The handler notes the global, which says who runs. The signal that main raised while none was
  // handled (blocked) is the context's too.
  const ExitStatus status = run_wat(program(
      R"(
    (table 2 funcref) (elem (i32.const 1) $raising)
    (data (i32.const 512) "__wasm_signalother")
    (global $who (mut i32) (i32.const 1))
    (func (export "__wasm_signal") (param $signal i32)
      (i32.store (i32.const 0)
        (i32.add (i32.mul (i32.load (i32.const 0)) (i32.const 100)) (local.get $signal)))
      (i32.store (i32.const 4) (global.get $who)))
    (func $raising
      (global.set $who (i32.const 2))
      (call $callback (i32.const 512) (i32.const 13))
      (drop (call $raise (i32.const 15)))
      (if (i32.ne (i32.load (i32.const 4)) (i32.const 2)) (then unreachable))
      (call $to (i64.const 0)))
    (func (export "_start") (local $context i64)
      (local.set $context (call $make (i32.const 1)))
      (call $callback (i32.const 525) (i32.const 5))
      (drop (call $raise (i32.const 10)))
      (call $to (local.get $context))
      (call $exit (i32.eq (i32.load (i32.const 0)) (i32.const 1015)))))",
      R"((import "wasix_32v1" "callback_signal" (func $callback (param i32 i32)))
  (import "wasi_snapshot_preview1" "proc_raise" (func $raise (param i32) (result i32))))"));
  expect_code(1, status);
}

TEST_F(ContextsTest, TableThatTheProgramChanges_IsNotsup) {
  // Also in code that never runs: the contexts' tables would come to differ.
  const ExitStatus status = run(R"(
    (table 2 funcref) (elem (i32.const 1) $back)
    (func $back)
    (func (export "change") (table.set (i32.const 0) (ref.null func)))
    (func (export "_start")
      (if (i32.ne (call $switch (i64.const 1)) (i32.const 58)) (then unreachable))
      (call $exit (call $create (i32.const 0) (i32.const 1)))))");
  expect_code(58, status);
}

TEST_F(ContextsTest, FunctionsMadeAtRunTime_AreThoseOfAllContexts) {
  // A closure that main makes is called by a context that was made before, and the other way.
  const ExitStatus status = run_wat(program(
      R"(
    (table 4 funcref) (elem (i32.const 1) $calling $backing)
    (type $closure (func (result i32)))
    (global (export "__stack_pointer") (mut i32) (i32.const 32768))
    (func $backing (param $arguments i32) (param $results i32) (param $environment i32)
      (i32.store (local.get $results) (local.get $environment)))
    (func $closure (param $address i32) (param $environment i32)
      (if (call $allocate (local.get $address)) (then unreachable))
      (i32.store8 (i32.const 64) (i32.const 0))
      (if (call $prepare (i32.const 2) (i32.load (local.get $address)) (i32.const 64) (i32.const 0)
                         (i32.const 64) (i32.const 1) (local.get $environment))
        (then unreachable)))
    (func $calling
      (i32.store (i32.const 8) (call_indirect (type $closure) (i32.load (i32.const 0))))
      (call $closure (i32.const 4) (i32.const 20))
      (call $to (i64.const 0)))
    (func (export "_start") (local $context i64)
      (local.set $context (call $make (i32.const 1)))
      (call $closure (i32.const 0) (i32.const 10))
      (call $to (local.get $context))
      (call $exit (i32.add (i32.load (i32.const 8))
                           (call_indirect (type $closure) (i32.load (i32.const 4)))))))",
      R"((import "wasix_32v1" "closure_allocate" (func $allocate (param i32) (result i32)))
  (import "wasix_32v1" "closure_prepare" (func $prepare
    (param i32 i32 i32 i32 i32 i32 i32) (result i32))))"));
  expect_code(30, status);
}

// What Asyncify would make of functions with a single frame.
constexpr std::string_view kForkImports = R"(
  (import "wasix_32v1" "proc_fork" (func $fork (param i32 i32) (result i32)))
  (import "wasix_32v1" "proc_join" (func $join (param i32 i32 i32) (result i32)))
  (import "wasix_32v1" "stack_checkpoint" (func $checkpoint (param i32 i32) (result i32)))
  (import "wasix_32v1" "stack_restore" (func $restore (param i32 i64))))";
constexpr std::string_view kAsyncify = R"(
  (global $state (mut i32) (i32.const 0))
  (func (export "asyncify_start_unwind") (param i32) (global.set $state (i32.const 1)))
  (func (export "asyncify_stop_unwind") (global.set $state (i32.const 0)))
  (func (export "asyncify_start_rewind") (param i32) (global.set $state (i32.const 2)))
  (func (export "asyncify_stop_rewind") (global.set $state (i32.const 0)))
  (func (export "asyncify_get_state") (result i32) (global.get $state)))";

TEST_F(ContextsTest, Fork_IsForTheMainContext_WhichTheChildHasAlone) {
  // $step says how far main is: its frame has no locals. The child exits with what a switch to the
  // parent's context answers (28), the parent with that and what its context had: fork is 58 there.
  ProcessOptions options;
  options.workload = std::make_shared<Workload>(machine_.reactor(), WorkloadOptions{});
  const ExitStatus status = run_wat(program(fmt::format(R"({}
    (table 2 funcref) (elem (i32.const 1) $forking)
    (func $forking (i32.store (i32.const 0) (call $fork (i32.const 1) (i32.const 64)))
      (call $to (i64.const 0)) (i32.store (i32.const 4) (i32.const 1)) (call $to (i64.const 0)))
    (func $before
      (call $to (call $make (i32.const 1))))
    (func $after
      (if (i32.eqz (i32.load (i32.const 64))) (then
        (call $exit (call $switch (i64.const 1)))))
      (call $to (i64.const 1))
      (i64.store (i32.const 72) (i64.const 0))
      (if (call $join (i32.const 72) (i32.const 0) (i32.const 80)) (then unreachable))
      (call $exit (i32.add (i32.load (i32.const 4))
        (i32.add (i32.load (i32.const 0)) (i32.load16_u (i32.const 82))))))
    (func (export "_start") (local $error i32)
      (if (i32.eqz (global.get $state)) (then (call $before)))
      (local.set $error (call $fork (i32.const 1) (i32.const 64)))
      (if (i32.eq (global.get $state) (i32.const 1)) (then (return)))
      (if (local.get $error) (then unreachable))
      (call $after)))",
                                                        kAsyncify),
                                            kForkImports),
                                    std::move(options));
  expect_code(58 + 28 + 1, status);
}

TEST_F(ContextsTest, SavedStack_IsOfItsContextOnly) {
  // Main saves its stack; the context goes back to it, which is a trap.
  const ExitStatus status = run_wat(program(fmt::format(R"({}
    (table 2 funcref) (elem (i32.const 1) $jumping)
    (func $jumping (call $restore (i32.const 128) (i64.const 1)))
    (func (export "_start")
      (drop (call $checkpoint (i32.const 128) (i32.const 64)))
      (if (i32.eq (global.get $state) (i32.const 1)) (then (return)))
      (call $to (call $make (i32.const 1)))))",
                                                        kAsyncify),
                                            kForkImports));
  EXPECT_EQ(status.kind, Kind::kTrapped);
  EXPECT_NE(status.message.find("longjmp"), std::string::npos) << status.message;
}

TEST_F(ContextsTest, SavedStack_IsPutBackInItsContext) {
  // The context saves its stack, goes to main and back, and returns to the saved place once.
  const ExitStatus status = run_wat(program(fmt::format(R"({}
    (table 2 funcref) (elem (i32.const 1) $saving)
    (func $then
      (if (i64.eqz (i64.load (i32.const 64))) (then
        (call $to (i64.const 0))
        (call $restore (i32.const 128) (i64.const 5))))
      (i32.store (i32.const 0) (i32.wrap_i64 (i64.load (i32.const 64))))
      (call $to (i64.const 0)))
    (func $saving
      (drop (call $checkpoint (i32.const 128) (i32.const 64)))
      (if (i32.eq (global.get $state) (i32.const 1)) (then (return)))
      (call $then))
    (func (export "_start") (local $context i64)
      (local.set $context (call $make (i32.const 1)))
      (call $to (local.get $context))
      (call $to (local.get $context))
      (call $exit (i32.load (i32.const 0)))))",
                                                        kAsyncify),
                                            kForkImports));
  expect_code(5, status);
}

// Attacks: Asyncify's functions use contexts themselves, from inside a host call.
TEST_F(ContextsTest, CallsFromInsideAsyncify_HarmOnlyTheGuest) {
  for (const std::string_view call :
       {"(drop (call $switch (i64.const 1)))", "(drop (call $switch (i64.const 2)))",
        "(drop (call $create (i32.const 1024) (i32.const 1)))",
        "(drop (call $destroy (i64.const 1)))", "(drop (call $destroy (i64.const 2)))"}) {
    for (int place = 0; place < 5; ++place) {
      const auto at = [&](int wanted) { return place == wanted ? call : std::string_view(); };
      const ExitStatus status = run_wat(program(fmt::format(R"(
    (global $state (mut i32) (i32.const 0))
    (func (export "asyncify_start_unwind") (param i32) {} (global.set $state (i32.const 1)))
    (func (export "asyncify_stop_unwind") {} (global.set $state (i32.const 0)))
    (func (export "asyncify_start_rewind") (param i32) {} (global.set $state (i32.const 2)))
    (func (export "asyncify_stop_rewind") {} (global.set $state (i32.const 0)))
    (func (export "asyncify_get_state") (result i32) {} (global.get $state))
    (table 2 funcref) (elem (i32.const 1) $back)
    (func $back (loop $again (drop (call $switch (i64.const 0))) (br $again)))
    (func (export "_start")
      (if (i32.eqz (global.get $state)) (then
        (drop (call $make (i32.const 1)))
        (call $to (call $make (i32.const 1)))))
      (drop (call $checkpoint (i32.const 128) (i32.const 64)))
      (if (i32.eq (global.get $state) (i32.const 1)) (then (return)))
      (drop (call $switch (i64.const 1)))
      (drop (call $switch (i64.const 2)))))",
                                                            at(0), at(1), at(2), at(3), at(4)),
                                                kForkImports));
      EXPECT_TRUE(status.kind == Kind::kTrapped || status.success())
          << call << place << status.message;
    }
  }
  EXPECT_EQ(machine_.scheduler().fiber_count(), 0U);
}

}  // namespace
}  // namespace selvedge::wasix
