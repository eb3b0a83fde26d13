#include "wasix/process.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <string>
#include <vector>

#include "io/task_scope.h"
#include "wasix/pipe.h"
#include "wasix/stdio.h"
#include "wasix/testing/machine.h"

namespace selvedge::wasix {
namespace {

using testing::Machine;
using Kind = ExitStatus::Kind;

constexpr std::string_view kSpin = R"((module (func (export "_start") (loop (br 0)))))";
constexpr std::string_view kTrap = R"((module (func (export "_start") unreachable)))";
constexpr std::string_view kReturn = R"((module (func (export "_start"))))";
// Writes "hello\n" to standard output and exits with 3.
constexpr std::string_view kHello = R"((module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 100) "\40\00\00\00\06\00\00\00")
  (data (i32.const 64) "hello\n")
  (func (export "_start")
    (drop (call $fd_write (i32.const 1) (i32.const 100) (i32.const 1) (i32.const 200)))
    (call $proc_exit (i32.const 3)))))";
// Reads standard input for ever.
constexpr std::string_view kRead = R"((module
  (import "wasi_snapshot_preview1" "fd_read"
    (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 100) "\40\00\00\00\06\00\00\00")
  (func (export "_start") (loop
    (drop (call $fd_read (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 200)))
    (br_if 0 (i32.load (i32.const 200)))))))";
constexpr std::string_view kRaise = R"((module
  (import "wasi_snapshot_preview1" "proc_raise" (func $proc_raise (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start") (drop (call $proc_raise (i32.const 15))))))";
// Writes 4 KiB at a time for ever.
constexpr std::string_view kFlood = R"((module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 100) "\00\10\00\00\00\10\00\00")
  (func (export "_start") (loop
    (drop (call $fd_write (i32.const 1) (i32.const 100) (i32.const 1) (i32.const 200)))
    (br 0)))))";

class ProcessTest : public ::testing::Test {
 protected:
  std::unique_ptr<Process> start(std::string_view wat, ProcessOptions options = {}) {
    auto process = Process::create(machine_.shard(), *machine_.link_wat(wat), std::move(options));
    EXPECT_TRUE(process);
    EXPECT_TRUE((*process)->start());
    return *std::move(process);
  }
  ExitStatus wait(Process& process) { return *machine_.reactor().run(process.wait()); }
  ExitStatus run(std::string_view wat, ProcessOptions options = {}) {
    return machine_.run(*machine_.link_wat(wat), std::move(options));
  }

  Machine machine_;
};

TEST_F(ProcessTest, Return_IsExitCodeZero) {
  const ExitStatus status = run(kReturn);
  EXPECT_TRUE(status.success());
  EXPECT_EQ(status.shell_code(), 0);
}

TEST_F(ProcessTest, Output_AndItsEnd_AreThereWhenItHasEnded) {
  PipeEnds output = make_pipe(machine_.reactor());
  const std::weak_ptr<PipeWriter> writer = output.writer;
  const auto process = start(kHello, {.standard_output = std::move(output.writer)});
  const ExitStatus status = wait(*process);
  EXPECT_EQ(status.kind, Kind::kExited);
  EXPECT_EQ(status.code, 3U);
  EXPECT_TRUE(writer.expired()) << "the process closed its end";
  std::array<std::byte, 100> buffer;
  EXPECT_EQ(machine_.reactor().run(output.reader->read(buffer)), 6U);
  EXPECT_EQ(base::as_text(ByteSpan(buffer).first(6)), "hello\n");
  EXPECT_EQ(machine_.reactor().run(output.reader->read(buffer)), 0U);
}

TEST_F(ProcessTest, Trap_IsToldWithItsReason) {
  const ExitStatus status = run(kTrap);
  EXPECT_EQ(status.kind, Kind::kTrapped);
  EXPECT_NE(status.message.find("unreachable"), std::string::npos) << status.message;
  EXPECT_EQ(status.shell_code(), 134);
}

TEST_F(ProcessTest, NoSuchEntry_FailsToStart) {
  auto process = Process::create(machine_.shard(), *machine_.link_wat("(module)"), {});
  ASSERT_TRUE(process);
  EXPECT_FALSE((*process)->start());
  EXPECT_EQ(wait(**process).kind, Kind::kFailed);
}

TEST_F(ProcessTest, Raise_EndsBySignal) {
  const ExitStatus status = run(kRaise);
  EXPECT_EQ(status.kind, Kind::kSignaled);
  EXPECT_EQ(status.signal, Signal::kTerm);
  EXPECT_EQ(status.shell_code(), 143);
}

TEST_F(ProcessTest, WallTime_EndsASpinningGuest_AndAWaitingOne) {
  const PipeEnds input = make_pipe(machine_.reactor());
  for (const std::string_view wat : {kSpin, kRead}) {
    ProcessOptions options{.standard_input = input.reader};
    options.limits.wall_time_max = std::chrono::milliseconds(20);
    const ExitStatus status = run(wat, std::move(options));
    EXPECT_EQ(status.kind, Kind::kLimit) << wat;
    EXPECT_FALSE(status.message.empty());
  }
}

TEST_F(ProcessTest, CpuTime_EndsASpinningGuest) {
  ProcessOptions options;
  options.limits.instance.cpu_time_max = std::chrono::milliseconds(20);
  const auto process = start(kSpin, std::move(options));
  EXPECT_EQ(wait(*process).kind, Kind::kLimit);
  EXPECT_GE(process->cpu_time(), std::chrono::milliseconds(20));
}

TEST_F(ProcessTest, OutputLimit_EndsAFloodingGuest) {
  ProcessOptions options{.standard_output = std::make_shared<LineHandle>([](std::string_view) {})};
  options.limits.output_bytes_max = 100'000;
  const ExitStatus status = run(kFlood, std::move(options));
  EXPECT_EQ(status.kind, Kind::kLimit);
  EXPECT_NE(status.message.find("100000 bytes"), std::string::npos) << status.message;
}

TEST_F(ProcessTest, Flood_IntoAPipeNobodyReads_Waits_AndEndsWhenItCloses) {
  PipeEnds output = make_pipe(machine_.reactor());
  const auto process = start(kFlood, {.standard_output = std::move(output.writer)});
  process->kill(Signal::kTerm);
  const ExitStatus status = wait(*process);
  EXPECT_EQ(status.kind, Kind::kSignaled);
  EXPECT_EQ(status.signal, Signal::kTerm);
}

io::Task<> kill_soon(Process& process, io::Reactor& reactor) {
  co_await reactor.sleep(std::chrono::milliseconds(2));
  process.kill();
  co_return Result<>();
}

TEST_F(ProcessTest, Kill_EndsASpinningGuest_AndAWaitingOne) {
  const PipeEnds input = make_pipe(machine_.reactor());
  for (const std::string_view wat : {kSpin, kRead}) {
    const auto process = start(wat, {.standard_input = input.reader});
    io::TaskScope scope(machine_.reactor());
    scope.spawn(kill_soon(*process, machine_.reactor()));
    const ExitStatus status = wait(*process);
    EXPECT_EQ(status.kind, Kind::kSignaled);
    EXPECT_EQ(status.signal, Signal::kKill);
    process->kill();  // no effect any more
    EXPECT_EQ(status.shell_code(), 137);
  }
}

TEST_F(ProcessTest, DroppedWhileItRunsOrWaits_LeavesNothingBehind) {
  const PipeEnds input = make_pipe(machine_.reactor());
  for (const std::string_view wat : {kSpin, kRead}) {
    const long owners = input.reader.use_count();
    auto process = start(wat, {.standard_input = input.reader});
    const auto other = start(kReturn);
    EXPECT_TRUE(wait(*other).success()) << "the other one had its turns meanwhile";
    process.reset();
    EXPECT_EQ(input.reader.use_count(), owners);
    EXPECT_EQ(machine_.scheduler().fiber_count(), 0U);
  }
}

TEST_F(ProcessTest, TwoGuests_TalkThroughAPipe) {
  PipeEnds middle = make_pipe(machine_.reactor());
  const auto reader = start(kRead, {.standard_input = std::move(middle.reader)});
  const auto writer = start(kHello, {.standard_output = std::move(middle.writer)});
  EXPECT_EQ(wait(*writer).code, 3U);
  EXPECT_TRUE(wait(*reader).success()) << "it ended at the end of its input";
}

TEST(LineHandle_Write, CutsLines_AlsoAcrossWrites_AndLongOnes) {
  std::vector<std::string> lines;
  {
    LineHandle handle([&lines](std::string_view line) { lines.emplace_back(line); });
    const auto write = [&handle](std::string_view text) {
      const ByteSpan bytes = base::as_bytes(text);
      EXPECT_EQ(handle.try_write(std::span(&bytes, 1)), text.size());
    };
    write("one\ntw");
    write("o\n\nth");
    write(std::string(LineHandle::kLineBytesMax, 'x'));
    write("\nrest");
  }
  ASSERT_EQ(lines.size(), 6U);
  EXPECT_EQ(lines[0], "one");
  EXPECT_EQ(lines[1], "two");
  EXPECT_EQ(lines[2], "");
  EXPECT_EQ(lines[3].size(), LineHandle::kLineBytesMax);
  EXPECT_EQ(lines[4], "xx");
  EXPECT_EQ(lines[5], "rest");
}

TEST(LineHandle_Write, BytesThatChangeMeanwhile_DoNotCount) {
  std::string written = "one\ntwo\n";
  std::vector<std::string> lines;
  LineHandle handle([&](std::string_view line) {
    lines.emplace_back(line);
    written.assign(written.size(), '\n');
  });
  const ByteSpan bytes = base::as_bytes(written);
  EXPECT_EQ(handle.try_write(std::span(&bytes, 1)), written.size());
  EXPECT_EQ(lines, (std::vector<std::string>{"one", "two"}));
}

}  // namespace
}  // namespace selvedge::wasix
