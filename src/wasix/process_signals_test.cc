// Signals and their handlers, by whole programs.

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "base/format.h"
#include "io/task_scope.h"
#include "wasix/pipe.h"
#include "wasix/process.h"
#include "wasix/testing/machine.h"
#include "wasix/virtual_terminal.h"

namespace selvedge::wasix {
namespace {

using testing::Machine;
using Kind = ExitStatus::Kind;

// A program whose handler adds each signal to the word at 0 and counts at 4; $handle registers it.
std::string program(std::string_view body) {
  return R"((module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "proc_raise" (func $raise (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasix_32v1" "callback_signal" (func $callback (param i32 i32)))
  (import "wasix_32v1" "thread_sleep" (func $sleep (param i64) (result i32)))
  (import "wasix_32v1" "thread_signal" (func $thread_signal (param i32 i32) (result i32)))
  (import "wasix_32v1" "proc_signals_sizes_get" (func $sizes (param i32) (result i32)))
  (import "wasix_32v1" "proc_signals_get" (func $dispositions (param i32) (result i32)))
  (import "wasix_32v1" "proc_raise_interval" (func $interval (param i32 i64 i32) (result i32)))
  (import "wasix_32v1" "proc_raise_interval2" (func $timer (param i32 i32 i32) (result i32)))
  (import "wasix_32v1" "proc_snapshot" (func $snapshot (result i32)))
  (import "wasix_32v1" "fd_pipe" (func $pipe (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 100) "__wasm_signal")
  (data (i32.const 120) "__wasm_signal_blocked")
  (data (i32.const 200) "\00\02\00\00\10\00\00\00")
  (func (export "__wasm_signal") (param $signal i32)
    (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (local.get $signal)))
    (i32.store (i32.const 4) (i32.add (i32.load (i32.const 4)) (i32.const 1))))
  (func $handle (call $callback (i32.const 100) (i32.const 13)))
  (func $block (call $callback (i32.const 120) (i32.const 21)))
)" + std::string(body) +
         ")";
}

class SignalsTest : public ::testing::Test {
 protected:
  std::unique_ptr<Process> start(std::string_view body, ProcessOptions options = {}) {
    auto linked = machine_.link_wat(program(body));
    EXPECT_TRUE(linked) << linked.error().message();
    auto process = Process::create(machine_.shard(), *linked, std::move(options));
    EXPECT_TRUE((*process)->start());
    return *std::move(process);
  }
  ExitStatus wait(Process& process) { return *machine_.reactor().run(process.wait()); }
  ExitStatus run(std::string_view body) {
    const auto process = start(body);
    return wait(*process);
  }

  Machine machine_;
};

TEST_F(SignalsTest, Raise_WithHandler_RunsItBeforeTheCallReturns) {
  const ExitStatus status = run(R"((func (export "_start")
    (call $handle)
    (if (call $raise (i32.const 15)) (then unreachable))
    (call $exit (i32.load (i32.const 0)))))");
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 15U);
}

TEST_F(SignalsTest, Raise_WithoutHandler_TakesTheDefaultAction) {
  const ExitStatus status = run(R"((func (export "_start") (drop (call $raise (i32.const 15)))))");
  EXPECT_EQ(status.kind, Kind::kSignaled);
  EXPECT_EQ(status.signal, Signal::kTerm);
}

TEST_F(SignalsTest, Kill_CannotBeHandled) {
  const ExitStatus status = run(R"((func (export "_start") (call $handle)
    (drop (call $raise (i32.const 9))) (loop (drop (call $sleep (i64.const 0))) (br 0))))");
  EXPECT_EQ(status.kind, Kind::kSignaled);
  EXPECT_EQ(status.signal, Signal::kKill);
}

TEST_F(SignalsTest, Blocked_StaysPendingUntilHandlersAreBack) {
  const ExitStatus status = run(R"((func (export "_start")
    (call $handle) (call $block)
    (drop (call $raise (i32.const 10))) (drop (call $raise (i32.const 10)))
    (drop (call $raise (i32.const 12)))
    (if (i32.load (i32.const 4)) (then unreachable))
    (call $handle)
    ;; Two of a kind are one.
    (if (i32.ne (i32.load (i32.const 4)) (i32.const 2)) (then unreachable))
    (call $exit (i32.load (i32.const 0)))))");
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 22U);
}

TEST_F(SignalsTest, FromOutside_InterruptsAWaitingRead) {
  const PipeEnds input = make_pipe(machine_.reactor());
  const auto process = start(R"((func (export "_start")
    (call $handle)
    ;; 27 is EINTR; the handler has run by then.
    (if (i32.ne (call $read (i32.const 0) (i32.const 200) (i32.const 1) (i32.const 8))
                (i32.const 27)) (then unreachable))
    (call $exit (i32.load (i32.const 0)))))",
                             {.standard_input = input.reader});
  // Until the guest waits.
  while (machine_.scheduler().has_work()) {
    machine_.scheduler().run_slice();
  }
  EXPECT_TRUE(process->handles_signals());
  EXPECT_EQ(process->signal(Signal::kInt), Errno::kSuccess);
  const ExitStatus status = wait(*process);
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 2U);
}

TEST_F(SignalsTest, ThreadSignal_ReachesTheThread_AndOthersAreUnknown) {
  const ExitStatus status = run(R"((func (export "_start")
    (call $handle)
    (if (call $sizes (i32.const 16)) (then unreachable))
    (if (i32.ne (i32.load (i32.const 16)) (i32.const 1)) (then unreachable))
    (if (i32.ne (call $thread_signal (i32.const 5) (i32.const 10)) (i32.const 71))
      (then unreachable))
    (if (i32.ne (call $thread_signal (i32.const 1) (i32.const 99)) (i32.const 28))
      (then unreachable))
    (if (call $thread_signal (i32.const 1) (i32.const 10)) (then unreachable))
    (call $exit (i32.load (i32.const 0)))))");
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 10U);
}

TEST_F(SignalsTest, StormFromOutside_IsOneOfEachKind) {
  const auto process = start(R"((func (export "_start")
    (call $handle)
    (drop (call $sleep (i64.const 100000000000)))
    (call $exit (i32.load (i32.const 4)))))");
  while (machine_.scheduler().has_work()) {
    machine_.scheduler().run_slice();
  }
  for (int i = 0; i < 100'000; ++i) {
    process->signal(Signal::kUsr1);
  }
  const ExitStatus status = wait(*process);
  EXPECT_EQ(status.code, 1U) << status.message;
}

TEST_F(SignalsTest, Interval_Repeats_UntilItIsStopped) {
  const ExitStatus status = run(R"((func (export "_start")
    (call $handle)
    (if (call $interval (i32.const 14) (i64.const 1000000) (i32.const 1)) (then unreachable))
    (loop $more
      (drop (call $sleep (i64.const 100000000000)))
      (br_if $more (i32.lt_u (i32.load (i32.const 4)) (i32.const 3))))
    (if (call $interval (i32.const 14) (i64.const 0) (i32.const 1)) (then unreachable))
    (if (call $sleep (i64.const 5000000)) (then unreachable))
    (call $exit (i32.load (i32.const 0)))))");
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 3U * 14);
}

TEST_F(SignalsTest, Interval_Once_EndsAProgramWithoutHandlers) {
  const ExitStatus status = run(R"((func (export "_start")
    (if (i32.ne (call $interval (i32.const 0) (i64.const 1) (i32.const 0)) (i32.const 28))
      (then unreachable))
    (if (i32.ne (call $interval (i32.const 32) (i64.const 1) (i32.const 0)) (i32.const 28))
      (then unreachable))
    (if (i32.ne (call $interval (i32.const 19) (i64.const 1) (i32.const 0)) (i32.const 58))
      (then unreachable))
    (if (call $interval (i32.const 10) (i64.const 1000000000) (i32.const 1)) (then unreachable))
    (if (call $interval (i32.const 12) (i64.const 1000000000) (i32.const 1)) (then unreachable))
    (if (call $interval (i32.const 14) (i64.const 1) (i32.const 0)) (then unreachable))
    ;; Three at once.
    (if (i32.ne (call $interval (i32.const 15) (i64.const 1) (i32.const 0)) (i32.const 6))
      (then unreachable))
    (loop (br 0))))");
  EXPECT_EQ(status.kind, Kind::kSignaled) << status.message;
  EXPECT_EQ(status.signal, Signal::kAlrm);
}

// A timer at 300: interval and first wait, each in seconds and microseconds; what was left at 340.
TEST_F(SignalsTest, Timer_HasAFirstWait_AndTellsWhatIsLeft) {
  const ExitStatus status = run(R"(
    (func $set (param $interval i64) (param $first i64)
      (i64.store (i32.const 308) (local.get $interval))
      (i64.store (i32.const 324) (local.get $first))
      (if (call $timer (i32.const 14) (i32.const 300) (i32.const 340)) (then unreachable)))
    (func (export "_start")
      (call $handle)
      (i64.store (i32.const 316) (i64.const 1000))
      (call $set (i64.const 5000) (i64.const 0))
      (if (i64.ne (i64.or (i64.load (i32.const 356)) (i64.load (i32.const 364))) (i64.const 0))
        (then unreachable))
      (if (call $sleep (i64.const 1000000)) (then unreachable))
      (i64.store (i32.const 316) (i64.const 0))
      (call $set (i64.const 1500) (i64.const 10))
      ;; Of the 1000 seconds.
      (if (i64.ne (i64.load (i32.const 356)) (i64.const 999)) (then unreachable))
      (if (i64.eqz (i64.load (i32.const 364))) (then unreachable))
      (if (i64.ne (i64.load (i32.const 348)) (i64.const 5000)) (then unreachable))
      (loop $more
        (drop (call $sleep (i64.const 100000000000)))
        (br_if $more (i32.lt_u (i32.load (i32.const 4)) (i32.const 3))))
      (call $set (i64.const 0) (i64.const 0))
      (if (i64.ne (i64.load (i32.const 348)) (i64.const 1500)) (then unreachable))
      (if (i64.eqz (i64.load (i32.const 364))) (then unreachable))
      (if (call $sleep (i64.const 5000000)) (then unreachable))
      ;; Once.
      (call $set (i64.const 0) (i64.const 1))
      (drop (call $sleep (i64.const 100000000000)))
      (if (call $sleep (i64.const 5000000)) (then unreachable))
      (call $exit (i32.load (i32.const 0)))))");
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 4U * 14);
}

TEST_F(SignalsTest, Timer_OfWhatIsNoTime_IsInval) {
  const ExitStatus status = run(R"((func (export "_start")
    (if (i32.ne (call $timer (i32.const 14) (i32.const 65530) (i32.const 0)) (i32.const 21))
      (then unreachable))
    (if (i32.ne (call $timer (i32.const 14) (i32.const 300) (i32.const 65530)) (i32.const 21))
      (then unreachable))
    (if (i32.ne (call $timer (i32.const 0) (i32.const 300) (i32.const 0)) (i32.const 28))
      (then unreachable))
    (if (i32.ne (call $timer (i32.const 19) (i32.const 300) (i32.const 0)) (i32.const 58))
      (then unreachable))
    (if (call $timer (i32.const 14) (i32.const 300) (i32.const 0)) (then unreachable))
    (i64.store (i32.const 324) (i64.const 1000000))
    (if (i32.ne (call $timer (i32.const 14) (i32.const 300) (i32.const 0)) (i32.const 28))
      (then unreachable))
    (i64.store (i32.const 324) (i64.const -1))
    (if (i32.ne (call $timer (i32.const 14) (i32.const 300) (i32.const 0)) (i32.const 28))
      (then unreachable))
    ;; As long as anything can be waited for.
    (i64.store (i32.const 324) (i64.const 0))
    (i64.store (i32.const 316) (i64.const 0x7fffffffffffffff))
    (if (call $timer (i32.const 14) (i32.const 300) (i32.const 0)) (then unreachable))
    (if (i32.ne (call $snapshot) (i32.const 58)) (then unreachable))))");
  EXPECT_TRUE(status.success()) << status.message;
}

// Writes to a pipe that nobody reads; 64 is EPIPE.
constexpr std::string_view kWriteToNobody = R"(
  (func $write_to_nobody
    (if (call $pipe (i32.const 40) (i32.const 44)) (then unreachable))
    (if (call $close (i32.load (i32.const 40))) (then unreachable))
    (if (i32.ne (call $write (i32.load (i32.const 44)) (i32.const 200) (i32.const 1) (i32.const 8))
                (i32.const 64)) (then unreachable)))
)";

TEST_F(SignalsTest, PipeWithoutReader_WithHandler_RaisesSigpipe) {
  const ExitStatus status = run(std::string(kWriteToNobody) + R"((func (export "_start")
    (call $handle) (call $write_to_nobody) (call $exit (i32.load (i32.const 0)))))");
  EXPECT_EQ(status.code, 13U) << status.message;
}

TEST_F(SignalsTest, PipeWithoutReader_Blocked_StaysPending) {
  const ExitStatus status = run(std::string(kWriteToNobody) + R"((func (export "_start")
    (call $block) (call $write_to_nobody) (if (i32.load (i32.const 0)) (then unreachable))
    (call $handle) (call $exit (i32.load (i32.const 0)))))");
  EXPECT_EQ(status.code, 13U) << status.message;
}

TEST_F(SignalsTest, PipeWithoutReader_InAProgramWithoutSignals_IsTheErrnoOnly) {
  const ExitStatus status = run(std::string(kWriteToNobody) + R"((func (export "_start")
    (call $write_to_nobody) (call $exit (i32.const 5))))");
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 5U);
}

TEST_F(SignalsTest, TerminalSize_Changed_RaisesSigwinch) {
  const auto terminal = VirtualTerminal::create(machine_.reactor(), {});
  const auto process = start(R"((func (export "_start")
    (call $handle)
    (if (call $sleep (i64.const 20000000)) (then unreachable))
    (call $exit (i32.load (i32.const 0)))))",
                             {.terminal = terminal});
  const auto without_handlers = start(R"((func (export "_start")
    (call $exit (call $sleep (i64.const 20000000)))))",
                                      {.terminal = terminal});
  ASSERT_TRUE(machine_.run_until([&] { return process->handles_signals(); }));
  terminal->resize({.columns = 10, .rows = 10});
  EXPECT_EQ(wait(*process).code, 28U);
  EXPECT_TRUE(wait(*without_handlers).success());
  terminal->resize({.columns = 11, .rows = 10});
}

// wasix-libc handles SIGCHLD whether the program does or not, and has no retry for sleeps.
TEST_F(SignalsTest, IgnoredUnlessHandled_WakesNoSleeper_ButWaitsForEvents) {
  const auto sleeping = start(R"((func (export "_start")
    (call $handle)
    (if (call $sleep (i64.const 20000000)) (then unreachable))
    (call $exit (i32.load (i32.const 0)))))");
  const PipeEnds input = make_pipe(machine_.reactor());
  const auto reading = start(R"((func (export "_start")
    (call $handle)
    (if (i32.ne (call $read (i32.const 0) (i32.const 200) (i32.const 1) (i32.const 8))
                (i32.const 27)) (then unreachable))
    (call $exit (i32.load (i32.const 0)))))",
                             {.standard_input = input.reader});
  ASSERT_TRUE(machine_.run_until([&] {
    return sleeping->handles_signals() && reading->handles_signals() &&
           !machine_.scheduler().has_work();
  }));
  sleeping->signal(Signal::kChld);
  reading->signal(Signal::kChld);
  EXPECT_EQ(wait(*sleeping).code, 17U);
  EXPECT_EQ(wait(*reading).code, 17U);
}

TEST_F(SignalsTest, KillOfItself_DoesNotReturn) {
  const ExitStatus status = run(R"((func (export "_start")
    (call $handle)
    (drop (call $raise (i32.const 9)))
    (call $exit (i32.const 3))))");
  EXPECT_EQ(status.kind, Kind::kSignaled) << status.message;
  EXPECT_EQ(status.signal, Signal::kKill);
}

// raise() of wasix-libc.
TEST_F(SignalsTest, ThreadSignal_OfItself_EndsItAtOnce) {
  for (const auto& [prepare, signal] :
       {std::pair("(call $handle)", Signal::kKill), {"", Signal::kKill}, {"", Signal::kTerm}}) {
    const ExitStatus status = run(fmt::format(
        R"((func (export "_start")
      {} (drop (call $thread_signal (i32.const 1) (i32.const {}))) (call $exit (i32.const 3))))",
        prepare, static_cast<int>(signal)));
    EXPECT_EQ(status.kind, Kind::kSignaled) << status.message;
    EXPECT_EQ(status.signal, signal);
  }
}

TEST_F(SignalsTest, ThreadSignal_TakesTheLibrarysNameOfTheMainThread) {
  const ExitStatus status = run(R"((func (export "_start")
    (call $handle)
    (if (call $thread_signal (i32.const 0x3fffffff) (i32.const 10)) (then unreachable))
    (call $exit (i32.load (i32.const 0)))))");
  EXPECT_EQ(status.code, 10U) << status.message;
}

TEST_F(SignalsTest, IgnoredByItsParent_IsTold_AndHasNoDefaultAction) {
  auto linked = machine_.link_wat(program(R"((func (export "_start")
    (if (call $sizes (i32.const 16)) (then unreachable))
    (if (i32.ne (i32.load (i32.const 16)) (i32.const 2)) (then unreachable))
    (if (call $dispositions (i32.const 20)) (then unreachable))
    ;; SIGCHLD has its default action, SIGTERM is ignored.
    (if (i32.ne (i32.load (i32.const 20)) (i32.const 0x010f0011)) (then unreachable))
    (call $exit (call $sleep (i64.const 100000000000)))))"));
  ASSERT_TRUE(linked) << linked.error().message();
  auto process = *Process::create(machine_.shard(), *linked, {});
  process->ignore_signals(1U << 15);
  ASSERT_TRUE(process->start());
  ASSERT_TRUE(machine_.run_until([this] { return !machine_.scheduler().has_work(); }));
  EXPECT_EQ(process->signal(Signal::kTerm), Errno::kSuccess);
  EXPECT_TRUE(process->running());
  EXPECT_EQ(process->signal(Signal::kHup), Errno::kSuccess);
  EXPECT_EQ(wait(*process).signal, Signal::kHup);
}

}  // namespace
}  // namespace selvedge::wasix
