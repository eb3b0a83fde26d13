// Forking, and going back to a saved stack, by whole programs: ones that Asyncify could have made,
// with a single frame, and hostile ones whose Asyncify is none. Programs that it did make are in
// tests/e2e.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "base/format.h"
#include "engine/module_info.h"
#include "wasix/process.h"
#include "wasix/testing/machine.h"
#include "wasix/workload.h"

namespace selvedge::wasix {
namespace {

using testing::Machine;
using Kind = ExitStatus::Kind;

// The functions of Asyncify, each as a body for what it does.
struct Asyncify {
  std::string_view start_unwind = "(global.set $state (i32.const 1))";
  std::string_view stop_unwind = "(global.set $state (i32.const 0))";
  std::string_view start_rewind = "(global.set $state (i32.const 2))";
  std::string_view stop_rewind = "(global.set $state (i32.const 0))";
  std::string_view get_state = "(global.get $state)";
};

std::string program(std::string_view body, const Asyncify& asyncify = {}) {
  return fmt::format(R"((module
  (import "wasix_32v1" "proc_fork" (func $fork (param i32 i32) (result i32)))
  (import "wasix_32v1" "stack_checkpoint" (func $checkpoint (param i32 i32) (result i32)))
  (import "wasix_32v1" "stack_restore" (func $restore (param i32 i64)))
  (import "wasix_32v1" "proc_join" (func $join (param i32 i32 i32) (result i32)))
  (import "wasix_32v1" "proc_id" (func $id (param i32) (result i32)))
  (import "wasix_32v1" "callback_signal" (func $callback (param i32 i32)))
  (import "wasix_32v1" "proc_raise_interval" (func $interval (param i32 i64 i32) (result i32)))
  (import "wasix_32v1" "thread_sleep" (func $sleep (param i64) (result i32)))
  (import "wasi_snapshot_preview1" "proc_raise" (func $raise (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (global $state (mut i32) (i32.const 0))
  (global $step (mut i32) (i32.const 0))
  (func (export "asyncify_start_unwind") (param $record i32) {0})
  (func (export "asyncify_stop_unwind") {1})
  (func (export "asyncify_start_rewind") (param $record i32) {2})
  (func (export "asyncify_stop_rewind") {3})
  (func (export "asyncify_get_state") (result i32) {4})
  ;; Waits for any child; its exit code.
  (func $wait (result i32)
    (i64.store (i32.const 72) (i64.const 0))
    (loop $again (br_if $again
      (i32.eq (call $join (i32.const 72) (i32.const 0) (i32.const 80)) (i32.const 27))))
    (i32.load16_u (i32.const 82)))
  {5}))",
                     asyncify.start_unwind, asyncify.stop_unwind, asyncify.start_rewind,
                     asyncify.stop_rewind, asyncify.get_state, body);
}

// Forks first, so that the stack is one frame without locals; then $rest with the errno and the
// pid.
std::string forking(std::string_view rest) {
  return fmt::format(R"(
  (func $rest (param $error i32) (param $pid i32) {})
  (func (export "_start") (local $error i32)
    (local.set $error (call $fork (i32.const 1) (i32.const 64)))
    (if (i32.eq (global.get $state) (i32.const 1)) (then (return)))
    (call $rest (local.get $error) (i32.load (i32.const 64)))))",
                     rest);
}

class ForkTest : public ::testing::Test {
 protected:
  ExitStatus run(std::string_view wat, std::uint32_t processes_max = 8) {
    ProcessOptions options;
    workload_ = std::make_shared<Workload>(machine_.reactor(),
                                           WorkloadOptions{.processes_max = processes_max});
    options.workload = workload_;
    options.limits.wall_time_max = std::chrono::seconds(60);
    auto linked = machine_.link_wat(wat);
    EXPECT_TRUE(linked) << linked.error().message();
    return machine_.run(*linked, std::move(options));
  }
  // It traps, for a reason that says `reason`.
  void expect_trap(std::string_view wat, std::string_view reason) {
    const ExitStatus status = run(wat);
    EXPECT_EQ(status.kind, Kind::kTrapped) << wat;
    EXPECT_NE(status.message.find(reason), std::string::npos) << status.message;
  }

  Machine machine_;
  std::shared_ptr<Workload> workload_;
};

TEST_F(ForkTest, Fork_ReturnsInBoth_WithMemoryAndGlobalsOfTheirOwn) {
  const ExitStatus status = run(program(forking(R"(
    (if (local.get $error) (then unreachable))
    (if (i32.eqz (local.get $pid)) (then
      (if (i32.ne (i32.load (i32.const 128)) (i32.const 0)) (then unreachable))
      (drop (call $id (i32.const 128)))
      (call $exit (i32.add (i32.load (i32.const 128)) (i32.const 40)))))
    (i32.store (i32.const 128) (i32.const 1))
    (if (i32.ne (local.get $pid) (i32.const 2)) (then unreachable))
    (call $exit (i32.add (call $wait) (i32.load (i32.const 128)))))")));
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 43U);
}

TEST_F(ForkTest, Fork_TableFull_IsAgain_WithoutUnwinding) {
  const ExitStatus status =
      run(program(forking("(call $exit (local.get $error))"), {.start_unwind = "unreachable"}), 1);
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, static_cast<unsigned>(Errno::kAgain));
}

TEST_F(ForkTest, Fork_WhatCannotBeAResult_IsAnErrno) {
  const ExitStatus status = run(program(R"((func (export "_start")
    (if (i32.ne (call $fork (i32.const 1) (i32.const 65533)) (i32.const 21)) (then unreachable))
    (if (i32.ne (call $fork (i32.const 2) (i32.const 64)) (i32.const 28)) (then unreachable))
    (if (i32.ne (call $checkpoint (i32.const 65520) (i32.const 64)) (i32.const 21))
      (then unreachable))
    (if (i32.ne (call $checkpoint (i32.const 64) (i32.const 65530)) (i32.const 21))
      (then unreachable))))"));
  EXPECT_TRUE(status.success()) << status.message;
}

// Forks in the handler of 10, for which the main program waits in a call that it interrupts; then
// $rest with the pid.
std::string forking_in_a_handler(std::string_view rest) {
  return fmt::format(R"(
  (data (i32.const 200) "__wasm_signal")
  (func (export "__wasm_signal") (param $signal i32) (local $error i32)
    (if (i32.ne (local.get $signal) (i32.const 10)) (then (return)))
    (local.set $error (call $fork (i32.const 1) (i32.const 64)))
    (if (i32.eq (global.get $state) (i32.const 1)) (then (return)))
    (if (local.get $error) (then unreachable)))
  (func $rest (param $pid i32) {})
  (func (export "_start") (local $error i32)
    (if (i32.ne (global.get $state) (i32.const 2)) (then
      (call $callback (i32.const 200) (i32.const 13))
      (drop (call $interval (i32.const 10) (i64.const 1000000) (i32.const 0)))))
    (local.set $error (call $sleep (i64.const 100000000000)))
    (if (i32.eq (global.get $state) (i32.const 1)) (then (return)))
    (if (i32.ne (local.get $error) (i32.const 27)) (then unreachable))
    (call $rest (i32.load (i32.const 64)))))",
                     rest);
}

TEST_F(ForkTest, Fork_InAHandler_ReturnsInBoth_AndTheHandlerAfterIt) {
  const ExitStatus status = run(program(forking_in_a_handler(R"(
    (if (i32.eqz (local.get $pid)) (then (call $exit (i32.const 5))))
    (call $exit (i32.add (call $wait) (local.get $pid))))")));
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 5U + 2U);
}

TEST_F(ForkTest, Fork_InAHandlerInsideAHandler_ReturnsThroughBoth) {
  // Each handler leaves what the raise inside it answered, and its mark, behind the call.
  const ExitStatus status = run(program(R"(
    (data (i32.const 200) "__wasm_signal")
    (func $mark (param $digit i32)
      (i32.store (i32.const 128)
        (i32.add (i32.mul (i32.load (i32.const 128)) (i32.const 10)) (local.get $digit))))
    (func (export "__wasm_signal") (param $signal i32) (local $error i32)
      (if (i32.eq (local.get $signal) (i32.const 12)) (then
        (local.set $error (call $raise (i32.const 10)))
        (if (i32.eq (global.get $state) (i32.const 1)) (then (return)))
        (call $mark (i32.add (local.get $error) (i32.const 2)))))
      (if (i32.eq (local.get $signal) (i32.const 10)) (then
        (local.set $error (call $fork (i32.const 1) (i32.const 64)))
        (if (i32.eq (global.get $state) (i32.const 1)) (then (return)))
        (call $mark (i32.add (local.get $error) (i32.const 1))))))
    (func (export "_start") (local $error i32)
      (if (i32.ne (global.get $state) (i32.const 2)) (then
        (call $callback (i32.const 200) (i32.const 13))))
      (local.set $error (call $raise (i32.const 12)))
      (if (i32.eq (global.get $state) (i32.const 1)) (then (return)))
      (call $mark (i32.add (local.get $error) (i32.const 3)))
      (if (i32.load (i32.const 64)) (then
        (if (i32.ne (call $wait) (i32.const 123)) (then unreachable))))
      (call $exit (i32.load (i32.const 128)))))"));
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 123U);
}

TEST_F(ForkTest, Checkpoint_InAHandler_ReturnsAgainThere) {
  const ExitStatus status = run(program(R"(
    (data (i32.const 200) "__wasm_signal")
    (func (export "__wasm_signal") (param $signal i32) (local $error i32)
      (local.set $error (call $checkpoint (i32.const 64) (i32.const 136)))
      (if (i32.eq (global.get $state) (i32.const 1)) (then (return)))
      (if (local.get $error) (then unreachable))
      (if (i64.lt_u (i64.load (i32.const 136)) (i64.const 3)) (then
        (call $restore (i32.const 64) (i64.add (i64.load (i32.const 136)) (i64.const 1)))
        unreachable))
      (i32.store (i32.const 128) (i32.add (i32.load (i32.const 128)) (i32.const 1))))
    (func (export "_start")
      (if (i32.ne (global.get $state) (i32.const 2)) (then
        (call $callback (i32.const 200) (i32.const 13))))
      (drop (call $raise (i32.const 10)))
      (if (i32.eq (global.get $state) (i32.const 1)) (then (return)))
      ;; Once more, into the handler that has returned.
      (if (i32.eq (i32.load (i32.const 128)) (i32.const 1)) (then
        (call $restore (i32.const 64) (i64.const 7))
        unreachable))
      (call $exit (i32.add (i32.load (i32.const 136)) (i32.load (i32.const 128))))))"));
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 7U + 2U);
}

// Attacks: Asyncify's state is not what it says.
TEST_F(ForkTest, HandlersThatAsyncifyHides_HarmOnlyTheGuest) {
  expect_trap(program(R"(
    (data (i32.const 200) "__wasm_signal")
    (func (export "__wasm_signal") (param i32)
      (drop (call $fork (i32.const 1) (i32.const 64))))
    (func (export "_start")
      (if (i32.eq (global.get $state) (i32.const 2)) (then
        (drop (call $fork (i32.const 1) (i32.const 64)))))
      (call $callback (i32.const 200) (i32.const 13))
      (drop (call $raise (i32.const 10)))))",
                      {.get_state = "(i32.and (global.get $state) (i32.const 1))"}),
              "without its handlers");
  // It always unwinds, or rewinds: no handler has returned, or is to be called.
  std::string body = forking_in_a_handler("(call $exit (i32.const 3))");
  constexpr std::string_view kLong = "100000000000";
  body.replace(body.find(kLong), kLong.size(), "50000000");
  for (const std::string_view state : {"(i32.const 1)", "(i32.const 2)"}) {
    const ExitStatus status = run(program(body, {.get_state = state}));
    EXPECT_TRUE(status.kind == Kind::kTrapped || status.kind == Kind::kExited) << status.message;
  }
}

// An attack: handlers inside handlers, until the host has no more patience, or the stack no room.
TEST_F(ForkTest, HandlersWithoutEnd_ThatAreSaved_Trap) {
  const ExitStatus status = run(program(R"(
    (data (i32.const 200) "__wasm_signal")
    (func (export "__wasm_signal") (param $signal i32)
      (global.set $step (i32.add (global.get $step) (i32.const 1)))
      (if (i32.lt_u (global.get $step) (i32.const 300))
        (then (drop (call $raise (i32.const 10))))
        (else (drop (call $fork (i32.const 1) (i32.const 64))))))
    (func (export "_start")
      (call $callback (i32.const 200) (i32.const 13))
      (drop (call $raise (i32.const 10)))))"));
  EXPECT_EQ(status.kind, Kind::kTrapped);
  EXPECT_NE(status.message.find("too many handlers"), std::string::npos) << status.message;
}

TEST_F(ForkTest, Module_WithoutAsyncify_IsRefusedNamingTheFix) {
  const auto linked = machine_.link_wat(R"((module
    (import "wasix_32v1" "stack_restore" (func (param i32 i64)))))");
  ASSERT_FALSE(linked);
  EXPECT_NE(linked.error().message().find("wasm-opt -O1 --asyncify"), std::string::npos);
}

TEST_F(ForkTest, Checkpoint_ReturnsAgainWithEachValue) {
  const ExitStatus status = run(program(R"(
  (func (export "_start") (local $error i32)
    (local.set $error (call $checkpoint (i32.const 64) (i32.const 128)))
    (if (i32.eq (global.get $state) (i32.const 1)) (then (return)))
    (if (local.get $error) (then unreachable))
    ;; Globals go back to what they were.
    (if (global.get $step) (then unreachable))
    (global.set $step (i32.const 1))
    (if (i64.lt_u (i64.load (i32.const 128)) (i64.const 20)) (then
      (call $restore (i32.const 64) (i64.add (i64.load (i32.const 128)) (i64.const 1)))
      unreachable))
    (call $exit (i32.load (i32.const 128)))))"));
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 20U);
}

// Attacks: a record that the guest made up.
TEST_F(ForkTest, Restore_OfWhatWasNotSaved_Traps) {
  expect_trap(program(R"((func (export "_start") (call $restore (i32.const 64) (i64.const 1))))"),
              "longjmp");
  expect_trap(
      program(R"((func (export "_start") (call $restore (i32.const 65530) (i64.const 1))))"),
      "longjmp");
  expect_trap(program(R"((func (export "_start") (i64.store (i32.const 72) (i64.const 77))
                (call $restore (i32.const 64) (i64.const 1))))"),
              "longjmp");
}

// Attacks: exports with the names of Asyncify's functions that do something else.
TEST_F(ForkTest, Unwind_ThatDoesNotBegin_Traps) {
  const std::string body = forking("");
  expect_trap(program(body, {.start_unwind = ""}), "did not begin to unwind");
  expect_trap(program(body, {.start_unwind = "unreachable"}), "unreachable");
  expect_trap(program(body, {.start_unwind = "(loop (br 0))"}), "does not return");
  expect_trap(program(body, {.get_state = "(loop (br 0)) (i32.const 1)"}), "does not return");
}

TEST_F(ForkTest, Unwind_ThatDoesNotReturn_Traps) {
  expect_trap(program(R"((func (export "_start")
    (drop (call $fork (i32.const 1) (i32.const 64))) (loop (br 0))))"),
              "does not return");
  expect_trap(program(R"((func (export "_start")
    (drop (call $fork (i32.const 1) (i32.const 64)))
    (drop (call $fork (i32.const 1) (i32.const 64)))))"),
              "while it is being saved");
  expect_trap(program(R"((func (export "_start")
    (drop (call $checkpoint (i32.const 64) (i32.const 128)))
    (i64.store (i32.const 72) (i64.const 1))
    (call $restore (i32.const 64) (i64.const 1))))"),
              "longjmp");
}

TEST_F(ForkTest, Unwind_WithARecordOutOfPlace_Traps) {
  const std::string body = forking("");
  for (const std::string_view next : {"0", "-1", "65537", "0x80000000"}) {
    const std::string start = fmt::format(
        "(global.set $state (i32.const 1)) (i32.store (local.get $record) (i32.const {}))", next);
    expect_trap(program(body, {.start_unwind = start}), "not in its place");
  }
}

TEST_F(ForkTest, StopUnwind_ThatFails_Traps) {
  const std::string body = forking("");
  expect_trap(program(body, {.stop_unwind = "unreachable"}), "unreachable");
  expect_trap(program(body, {.stop_unwind = "(loop (br 0))"}), "does not return");
}

TEST_F(ForkTest, Rewind_ThatFails_Traps) {
  const std::string body = forking("");
  expect_trap(program(body, {.start_rewind = "unreachable"}), "unreachable");
  expect_trap(program(body, {.start_rewind = "(loop (br 0))"}), "does not return");
  expect_trap(program(body, {.stop_rewind = "unreachable"}), "unreachable");
  expect_trap(program(body, {.stop_rewind = "(loop (br 0))"}), "does not return");
}

TEST_F(ForkTest, Rewind_ThatNeverComesToTheCall_Traps) {
  const auto rewound = [](std::string_view what) {
    return program(fmt::format(R"((func (export "_start")
      (if (i32.eq (global.get $state) (i32.const 2)) (then {} (return)))
      (drop (call $fork (i32.const 1) (i32.const 64)))))",
                               what));
  };
  expect_trap(rewound(""), "returned while its stack was being rewound");
  expect_trap(rewound("(loop (br 0))"), "does not return");
  expect_trap(rewound("(drop (call $checkpoint (i32.const 64) (i32.const 128)))"), "another host");
  expect_trap(rewound("(call $restore (i32.const 64) (i64.const 1))"), "longjmp");
  EXPECT_EQ(run(rewound("(call $exit (i32.const 9))")).code, 9U);
}

// The state never changes: what comes back to the call is a call like any other.
TEST_F(ForkTest, Unwind_ThatIsNone_ForksNevertheless) {
  const ExitStatus status = run(program(R"((func (export "_start")
    (if (call $fork (i32.const 1) (i32.const 64)) (then unreachable))
    (call $exit (i32.const 3))))",
                                        {.start_unwind = "",
                                         .stop_unwind = "",
                                         .start_rewind = "",
                                         .stop_rewind = "",
                                         .get_state = "(i32.const 1)"}));
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 3U);
  EXPECT_EQ(workload_->process_count(), 0U);
}

// An attack: a call from inside a host call begins on a stack that is nearly full.
TEST_F(ForkTest, Unwind_DeepInsideADeepStack_Traps) {
  for (int depth = 0; depth < 40'000; depth += 5000) {
    const ExitStatus status = run(program(fmt::format(R"(
      (func $endless (param i64 i64 i64) (result i64)
        (i64.add (local.get 0) (call $endless (local.get 2) (local.get 0) (local.get 1))))
      (func $down (param i32) (result i32)
        (if (result i32) (local.get 0)
          (then (i32.add (local.get 0) (call $down (i32.sub (local.get 0) (i32.const 1)))))
          (else (call $fork (i32.const 1) (i32.const 64)))))
      (func (export "_start") (drop (call $down (i32.const {})))))",
                                                      depth),
                                          {.start_unwind = "(drop (call $endless (i64.const 1) "
                                                           "(i64.const 2) (i64.const 3)))"}));
    EXPECT_EQ(status.kind, Kind::kTrapped);
    // On a busy machine the time of what must not be interrupted is over before the stack is full.
    EXPECT_TRUE(status.message.contains("call stack exhausted") ||
                status.message.contains("must not be interrupted"))
        << status.message;
  }
}

// Attacks: Asyncify's functions make the host calls themselves.
TEST_F(ForkTest, CallsFromInsideAsyncify_HarmOnlyTheGuest) {
  constexpr std::string_view kFork = "(drop (call $fork (i32.const 1) (i32.const 64)))";
  constexpr std::string_view kRestore = "(call $restore (i32.const 64) (i64.const 1))";
  constexpr std::string_view kOnce =
      "(if (i32.eqz (global.get $step)) (then (global.set $step (i32.const 1)) {}))";
  const std::string body = forking("(call $exit (i32.const 3))");
  for (const std::string_view call : {kFork, kRestore}) {
    for (const std::string& what : {std::string(call), fmt::format(fmt::runtime(kOnce), call)}) {
      const std::string unwinding = what + "(global.set $state (i32.const 1))";
      const std::string rewinding = what + "(global.set $state (i32.const 2))";
      const std::string none = what + "(global.set $state (i32.const 0))";
      const std::string state = what + "(global.get $state)";
      for (const Asyncify& asyncify :
           {Asyncify{.start_unwind = unwinding}, Asyncify{.stop_unwind = none},
            Asyncify{.start_rewind = rewinding}, Asyncify{.stop_rewind = none},
            Asyncify{.get_state = state}}) {
        const ExitStatus status = run(program(body, asyncify));
        EXPECT_TRUE(status.kind == Kind::kTrapped || status.kind == Kind::kExited)
            << status.message;
      }
    }
  }
}

}  // namespace
}  // namespace selvedge::wasix
