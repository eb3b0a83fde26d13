// Signals to programs that compute and make no host call: their handlers run in the middle of it.

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "base/format.h"
#include "wasix/process.h"
#include "wasix/testing/machine.h"

namespace selvedge::wasix {
namespace {

using testing::Machine;
using Kind = ExitStatus::Kind;

// A program with Asyncify whose frames have nothing to save. $ready: handlers can be called.
std::string program(std::string_view handler, std::string_view start) {
  return fmt::format(R"((module
  (import "wasix_32v1" "proc_fork" (func $fork (param i32 i32) (result i32)))
  (import "wasix_32v1" "stack_checkpoint" (func $checkpoint (param i32 i32) (result i32)))
  (import "wasix_32v1" "stack_restore" (func $restore (param i32 i64)))
  (import "wasix_32v1" "callback_signal" (func $callback (param i32 i32)))
  (import "wasix_32v1" "thread_sleep" (func $sleep (param i64) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 200) "__wasm_signal")
  (data (i32.const 220) "__wasm_signal_blocked")
  (global (export "__stack_pointer") (mut i32) (i32.const 8192))
  (global $state (mut i32) (i32.const 0))
  (func (export "asyncify_start_unwind") (param $record i32) (global.set $state (i32.const 1)))
  (func (export "asyncify_stop_unwind") (global.set $state (i32.const 0)))
  (func (export "asyncify_start_rewind") (param $record i32) (global.set $state (i32.const 2)))
  (func (export "asyncify_stop_rewind") (global.set $state (i32.const 0)))
  (func (export "asyncify_get_state") (result i32) (global.get $state))
  (func $handle (call $callback (i32.const 200) (i32.const 13)))
  (func $block (call $callback (i32.const 220) (i32.const 21)))
  (func $compute_for_ever (loop (br 0)))
  (func (export "__wasm_signal") (param $signal i32) {})
  (func (export "_start") (local $error i32) {})))",
                     handler, start);
}

class ComputingSignalsTest : public ::testing::Test {
 protected:
  // It has told how its signals are delivered, and computes or is about to.
  std::unique_ptr<Process> start(std::string_view wat) {
    auto linked = machine_.link_wat(wat);
    EXPECT_TRUE(linked) << linked.error().message();
    auto process = *Process::create(machine_.shard(), *linked, {});
    EXPECT_TRUE(process->start());
    EXPECT_TRUE(machine_.run_until([&] { return process->handles_signals(); }));
    return process;
  }
  ExitStatus wait(Process& process) { return *machine_.reactor().run(process.wait()); }
  // Its status after it has got a signal.
  ExitStatus run(std::string_view wat) {
    const auto process = start(wat);
    EXPECT_EQ(process->signal(Signal::kUsr1), Errno::kSuccess);
    return wait(*process);
  }

  Machine machine_;
};

constexpr std::string_view kCompute = "(call $handle) (call $compute_for_ever)";

TEST_F(ComputingSignalsTest, Handler_IsCalled) {
  const ExitStatus status = run(program("(call $exit (local.get $signal))", kCompute));
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, static_cast<std::uint32_t>(Signal::kUsr1));
}

TEST_F(ComputingSignalsTest, Handler_MaySleep_AndComputingGoesOn) {
  const ExitStatus status = run(
      program("(i32.store (i32.const 64) (i32.add (call $sleep (i64.const 1000)) (i32.const 5)))",
              R"((call $handle)
         (loop $again (br_if $again (i32.eqz (i32.load (i32.const 64)))))
         (call $exit (i32.load (i32.const 64))))"));
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 5U);
}

TEST_F(ComputingSignalsTest, Fork_InTheHandler_IsNotsup) {
  const ExitStatus status =
      run(program("(call $exit (call $fork (i32.const 1) (i32.const 64)))", kCompute));
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, static_cast<std::uint32_t>(Errno::kNotsup));
}

TEST_F(ComputingSignalsTest, Setjmp_InTheHandler_Traps) {
  const ExitStatus status =
      run(program("(drop (call $checkpoint (i32.const 64) (i32.const 128)))", kCompute));
  EXPECT_EQ(status.kind, Kind::kTrapped);
  EXPECT_NE(status.message.find("handler of signals"), std::string::npos) << status.message;
}

TEST_F(ComputingSignalsTest, Longjmp_OutOfTheHandler_EndsTheComputing) {
  const ExitStatus status = run(program("(call $restore (i32.const 64) (i64.const 9))", R"(
    (local.set $error (call $checkpoint (i32.const 64) (i32.const 136)))
    (if (i32.eq (global.get $state) (i32.const 1)) (then (return)))
    (if (local.get $error) (then unreachable))
    (if (i32.wrap_i64 (i64.load (i32.const 136)))
      (then (call $exit (i32.wrap_i64 (i64.load (i32.const 136))))))
    (call $handle)
    (call $compute_for_ever))"));
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 9U);
}

TEST_F(ComputingSignalsTest, BlockedSignal_Waits) {
  const auto process =
      start(program("(call $exit (local.get $signal))", "(call $block) (call $compute_for_ever)"));
  EXPECT_EQ(process->signal(Signal::kUsr1), Errno::kSuccess);
  for (int slice = 0; slice < 3; ++slice) {
    machine_.scheduler().run_slice();
  }
  EXPECT_TRUE(process->running());
  EXPECT_EQ(process->signal(Signal::kKill), Errno::kSuccess);
  EXPECT_EQ(wait(*process).signal, Signal::kKill);
}

}  // namespace
}  // namespace selvedge::wasix
