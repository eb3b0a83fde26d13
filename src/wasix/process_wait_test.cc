// What waitpid() of wasix-libc makes of proc_join: the same steps, in a whole program.

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/format.h"
#include "wasix/process.h"
#include "wasix/testing/machine.h"
#include "wasix/testing/process_programs.h"
#include "wasix/workload.h"

namespace selvedge::wasix {
namespace {

using testing::Machine;
using testing::process_program;
using testing::TextLoader;

// The child's number, or the errno, negative; its status is left at 96. A pid that comes back
// without a number is ECHILD for that library.
constexpr std::string_view kWaitpid = R"(
  (func $waitpid (param $pid i32) (param $flags i32) (result i32) (local $error i32)
    (i32.store8 (i32.const 72) (i32.ne (local.get $pid) (i32.const -1)))
    (i32.store (i32.const 76) (local.get $pid))
    (i32.store (i32.const 96) (i32.const -1))
    (if (local.tee $error (call $join (i32.const 72) (local.get $flags) (i32.const 80)))
      (then (return (i32.sub (i32.const 0) (local.get $error)))))
    (if (i32.ne (i32.load8_u (i32.const 72)) (i32.const 1)) (then (return (i32.const -12))))
    (if (i32.eqz (i32.load8_u (i32.const 80))) (then (i32.store (i32.const 96) (i32.const 0))))
    (if (i32.eq (i32.load8_u (i32.const 80)) (i32.const 1))
      (then (i32.store (i32.const 96)
        (i32.shl (i32.load16_u (i32.const 82)) (i32.const 8)))))
    (if (i32.eq (i32.load8_u (i32.const 80)) (i32.const 2))
      (then (i32.store (i32.const 96)
        (i32.or (i32.shl (i32.load16_u (i32.const 82)) (i32.const 8))
                (i32.load8_u (i32.const 84))))))
    (i32.load (i32.const 76)))
)";

// Flags of waitpid as the library passes them on.
constexpr int kNohang = 1;
constexpr int kUntraced = 2;

class WaitTest : public ::testing::Test {
 protected:
  // Runs `body` in a program that can start "child".
  ExitStatus run(std::string_view child, std::string_view body) {
    loader_.commands["child"] = process_program("", child);
    return run_program("child", body);
  }
  ExitStatus run_program(std::string_view child, std::string_view body) {
    auto linked = machine_.link_wat(process_program(child, fmt::format("{}{}", kWaitpid, body)));
    if (!linked) {
      return {.kind = ExitStatus::Kind::kFailed, .message = linked.error().message()};
    }
    ProcessOptions options{.arguments = {"first"}};
    options.workload =
        std::make_shared<Workload>(machine_.reactor(), WorkloadOptions{.loader = &loader_});
    return machine_.run(*linked, std::move(options));
  }

  // The status of a child after `signal`, 0 being none.
  std::uint32_t status_of(std::string_view child, Signal signal = Signal::kNone) {
    const ExitStatus status = run(child, fmt::format(R"(
      (func (export "_start")
        (if (call $start (i32.const 0)) (then unreachable))
        (if (call $signal (i32.load (i32.const 64)) (i32.const {})) (then unreachable))
        (if (i32.ne (call $waitpid (i32.load (i32.const 64)) (i32.const {}))
                    (i32.load (i32.const 64)))
          (then unreachable))
        (call $exit (i32.load (i32.const 96)))))",
                                                     static_cast<unsigned>(signal), kUntraced));
    EXPECT_EQ(status.kind, ExitStatus::Kind::kExited) << status.message;
    return status.code;
  }

  Machine machine_;
  TextLoader loader_{machine_};
};

constexpr std::string_view kSpin = R"((func (export "_start") (loop (br 0))))";

TEST_F(WaitTest, WithoutHanging_ARunningChildIsNumber0_AndNoChildIsAnError) {
  // As any child, as one of the caller's group, and by its number.
  for (const std::string_view pid :
       {"(i32.const -1)", "(i32.const 0)", "(i32.load (i32.const 64))"}) {
    const ExitStatus status =
        run(kSpin, fmt::format(R"(
      (func (export "_start")
        (if (i32.ne (call $waitpid {0} (i32.const {1})) (i32.const -12)) (then unreachable))
        (if (call $start (i32.const 0)) (then unreachable))
        (if (call $waitpid {0} (i32.const {1})) (then unreachable))
        (if (i32.load (i32.const 96)) (then unreachable))
        (if (call $signal (i32.load (i32.const 64)) (i32.const {2})) (then unreachable))
        (if (i32.ne (call $waitpid {0} (i32.const 0)) (i32.load (i32.const 64)))
          (then unreachable))
        (if (i32.ne (call $waitpid {0} (i32.const {1})) (i32.const -12)) (then unreachable))))",
                               pid, kNohang, static_cast<unsigned>(Signal::kKill)));
    EXPECT_TRUE(status.success()) << pid << ": " << status.message;
  }
}

TEST_F(WaitTest, ChildThatExits_HasItsCodeInTheSecondByte) {
  EXPECT_EQ(status_of(R"((func (export "_start") (call $exit (i32.const 7))))"), 0x700U);
  EXPECT_EQ(status_of(R"((func (export "_start")))"), 0U);
}

// WIFSIGNALED is true for what has the number of a signal and no exit code.
TEST_F(WaitTest, ChildThatASignalEnds_HasItsNumberAlone) {
  for (const Signal signal : {Signal::kTerm, Signal::kKill}) {
    EXPECT_EQ(status_of(kSpin, signal), static_cast<unsigned>(signal));
  }
}

TEST_F(WaitTest, ChildThatTraps_WasAborted) {
  EXPECT_EQ(status_of(R"((func (export "_start") unreachable))"),
            static_cast<unsigned>(Signal::kAbrt));
}

// kill() of the library passes on the numbers that name several processes.
TEST_F(WaitTest, KillOfSeveral_ReachesTheOthers_And0TheCallerToo) {
  constexpr std::string_view kBody = R"(
    (func (export "_start") (local $first i32)
      (if (i32.ne (call $signal (i32.const -1) (i32.const 0)) (i32.const 71)) (then unreachable))
      (if (call $signal (i32.const 0) (i32.const 0)) (then unreachable))
      (if (call $start (i32.const 0)) (then unreachable))
      (local.set $first (i32.load (i32.const 64)))
      (if (call $start (i32.const 0)) (then unreachable))
      (if (call $signal (i32.const {0}) (i32.const {1})) (then unreachable))
      (if (i32.ne (call $waitpid (local.get $first) (i32.const 0)) (local.get $first))
        (then unreachable))
      (if (i32.ne (i32.load (i32.const 96)) (i32.const {1})) (then unreachable))
      (if (i32.ne (call $waitpid (i32.const 0) (i32.const 0)) (i32.load (i32.const 64)))
        (then unreachable))
      (if (i32.ne (i32.load (i32.const 96)) (i32.const {1})) (then unreachable))))";
  const auto term = static_cast<unsigned>(Signal::kTerm);
  ExitStatus status = run(kSpin, fmt::format(kBody, -1, term));
  EXPECT_TRUE(status.success()) << status.message;
  status = run(kSpin, fmt::format(kBody, 0, term));
  EXPECT_EQ(status.kind, ExitStatus::Kind::kSignaled) << status.message;
  EXPECT_EQ(status.signal, Signal::kTerm);
}

TEST_F(WaitTest, KillOfAGroup_ReachesItsLeader) {
  const ExitStatus status = run(kSpin, fmt::format(R"(
    (func (export "_start")
      (if (i32.ne (call $signal (i32.const -9) (i32.const 0)) (i32.const 71)) (then unreachable))
      (if (call $start (i32.const 0)) (then unreachable))
      (if (call $signal (i32.sub (i32.const 0) (i32.load (i32.const 64))) (i32.const {0}))
        (then unreachable))
      (if (i32.ne (call $waitpid (i32.const -1) (i32.const 0)) (i32.load (i32.const 64)))
        (then unreachable))
      (if (i32.ne (i32.load (i32.const 96)) (i32.const {0})) (then unreachable))))",
                                                   static_cast<unsigned>(Signal::kKill)));
  EXPECT_TRUE(status.success()) << status.message;
}

// Who does not handle SIGCHLD does not expect EINTR of it, and only the program knows whether it
// does. The handler runs when the wait is over.
TEST_F(WaitTest, EndOfAnotherChild_DoesNotInterrupt) {
  // Ends when nobody can write to its standard input any more.
  loader_.commands["a"] = process_program("", R"(
    (data (i32.const 200) "\00\02\00\00\10\00\00\00")
    (func (export "_start")
      (drop (call $read (i32.const 0) (i32.const 200) (i32.const 1) (i32.const 8)))))");
  // Ends when its parent waits for the other one.
  loader_.commands["b"] = process_program("", R"((func (export "_start") (local $count i32)
    (loop $more
      (drop (call $yield))
      (local.set $count (i32.add (local.get $count) (i32.const 1)))
      (br_if $more (i32.ne (local.get $count) (i32.const 100))))))");
  const ExitStatus status =
      run_program("a", fmt::format(R"(
    (data (i32.const 300) "__wasm_signal")
    (global $signals (mut i32) (i32.const 0))
    (func (export "__wasm_signal") (param $signal i32)
      (if (i32.eq (local.get $signal) (i32.const {}))
        (then (global.set $signals (i32.add (global.get $signals) (i32.const 1))))))
    (func (export "_start") (local $first i32)
      (call $callback (i32.const 300) (i32.const 13))
      (if (call $pipe (i32.const 4) (i32.const 8)) (then unreachable))
      ;; The pipe's reader becomes its input, and it has no writer.
      (i32.store8 (i32.const 1024) (i32.const 1))
      (i32.store (i32.const 1032) (i32.load (i32.const 4)))
      (i32.store (i32.const 1084) (i32.load (i32.const 8)))
      (if (call $start (i32.const 2)) (then unreachable))
      (local.set $first (i32.load (i32.const 64)))
      (i32.store8 (i32.const 512) (i32.const 98))
      (if (call $start (i32.const 0)) (then unreachable))
      (if (call $close (i32.load (i32.const 8))) (then unreachable))
      (if (i32.ne (call $waitpid (local.get $first) (i32.const 0)) (local.get $first))
        (then unreachable))
      (if (i32.ne (call $waitpid (i32.const -1) (i32.const {})) (i32.load (i32.const 64)))
        (then unreachable))
      (if (i32.eqz (global.get $signals)) (then unreachable))))",
                                   static_cast<unsigned>(Signal::kChld), kNohang));
  EXPECT_TRUE(status.success()) << status.message;
}

}  // namespace
}  // namespace selvedge::wasix
