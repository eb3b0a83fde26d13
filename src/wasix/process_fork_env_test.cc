// proc_fork_env, by whole programs: a thread goes on as a child in its own memory.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "wasix/fs_memory.h"
#include "wasix/pipe.h"
#include "wasix/process.h"
#include "wasix/testing/machine.h"
#include "wasix/testing/process_programs.h"
#include "wasix/workload.h"

namespace selvedge::wasix {
namespace {

using testing::Machine;
using testing::process_program;
using testing::TextLoader;
using Kind = ExitStatus::Kind;

// $becomes(pid): the caller is this process. $child: it goes on as a child, of number 2.
// $start_told (-> errno): exec of the command at 512.
constexpr std::string_view kTools = R"(
  (func $becomes (param $pid i32)
    (if (call $id (i32.const 128)) (then unreachable))
    (if (i32.ne (i32.load (i32.const 128)) (local.get $pid)) (then unreachable)))
  (func $child
    (if (call $fork_env (i32.const 64)) (then unreachable))
    (if (i32.ne (i32.load (i32.const 64)) (i32.const 2)) (then unreachable))
    (call $becomes (i32.const 2)))
  (func $exec_named (result i32)
    (call $exec (i32.const 512) (i32.load (i32.const 508)) (i32.const 0) (i32.const 0)
                (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0)))
)";

std::string program(std::string_view name, std::string_view body) {
  return process_program(name, std::string(kTools) + std::string(body));
}

class ForkEnvTest : public ::testing::Test {
 protected:
  ForkEnvTest() {
    files_ = *MemoryFileSystem::create({.clock = machine_.clock(), .lower = nullptr});
    // Its number and 16.
    loader_.commands["number"] = process_program("", R"((func (export "_start")
      (drop (call $id (i32.const 8)))
      (call $exit (i32.add (i32.load (i32.const 8)) (i32.const 16)))))");
  }

  ExitStatus run(std::string_view wat, std::uint32_t processes_max = 16) {
    ProcessOptions options{.arguments = {"first"}};
    options.preopens.push_back({.guest_path = "/", .directory = files_->open_root()});
    workload_ = std::make_shared<Workload>(
        machine_.reactor(), WorkloadOptions{.loader = &loader_, .processes_max = processes_max});
    options.workload = workload_;
    const PipeEnds output = make_pipe(machine_.reactor(), {.counts_as_output = true});
    output_ = output.reader;
    options.standard_output = output.writer;
    options.limits.output_bytes_max = 5;
    options.limits.instance.memory_bytes_max = std::size_t{8} << 20;
    options.limits.wall_time_max = std::chrono::seconds(60);
    auto linked = machine_.link_wat(wat);
    EXPECT_TRUE(linked) << linked.error().message();
    return machine_.run(*linked, std::move(options));
  }
  void expect_code(std::string_view wat, unsigned code) {
    const ExitStatus status = run(wat);
    EXPECT_EQ(status.kind, Kind::kExited) << status.message;
    EXPECT_EQ(status.code, code);
    EXPECT_EQ(workload_->process_count(), 0U);
  }

  Machine machine_;
  TextLoader loader_{machine_};
  std::shared_ptr<MemoryFileSystem> files_;
  std::shared_ptr<Workload> workload_;
  std::shared_ptr<PipeReader> output_;
};

TEST_F(ForkEnvTest, Exit2_EndsTheChild_AndReturnsInTheParent) {
  expect_code(program("", R"((func (export "_start")
    (call $child)
    (if (call $parent (i32.const 2) (i32.const 128)) (then unreachable))
    (if (i32.ne (i32.load (i32.const 128)) (i32.const 1)) (then unreachable))
    (i32.store (i32.const 256) (i32.const 30))  ;; in the memory of both
    (call $exit2 (i32.const 7))
    (call $becomes (i32.const 1))
    (if (call $wait) (then unreachable))
    (if (i32.ne (i32.load8_u (i32.const 80)) (i32.const 1)) (then unreachable))
    (call $exit2 (i32.add (i32.load16_u (i32.const 82)) (i32.load (i32.const 256))))))"),
              37);
}

TEST_F(ForkEnvTest, Exec_StartsTheProgramAsTheChild_AndReturnsInTheParent) {
  expect_code(program("number", R"((func (export "_start")
    (call $child)
    (if (call $exec_named) (then unreachable))
    (call $becomes (i32.const 1))
    (if (call $wait) (then unreachable))
    (call $exit (i32.load16_u (i32.const 82)))))"),
              16 + 2);
}

TEST_F(ForkEnvTest, Exec_OfNothing_IsAnErrnoInTheChild) {
  expect_code(program("absent", R"((func (export "_start")
    (call $child)
    (if (i32.ne (call $exec_named) (i32.const 44)) (then unreachable))
    (call $becomes (i32.const 2))
    ;; The forms without a result end the child as a shell would.
    (call $exec1 (i32.const 512) (i32.const 6) (i32.const 0) (i32.const 0))
    (call $becomes (i32.const 1))
    (if (call $wait) (then unreachable))
    (call $exit (i32.load16_u (i32.const 82)))))"),
              127);
}

TEST_F(ForkEnvTest, Exec_BeyondTheMemoryLimit_IsNomemInTheChild) {
  loader_.commands["huge"] = R"((module (import "env" "memory" (memory 1000 1000 shared))
    (func (export "_start"))))";
  expect_code(program("huge", R"((func (export "_start")
    (call $child)
    (if (i32.ne (call $exec_named) (i32.const 48)) (then unreachable))
    (call $becomes (i32.const 2))
    (call $exit2 (i32.const 4))
    (if (call $wait) (then unreachable))
    (call $exit (i32.load16_u (i32.const 82)))))"),
              4);
}

TEST_F(ForkEnvTest, DescriptorsAndDirectory_AreTheChildsOwn) {
  ASSERT_TRUE(files_->open_root()->make_directory("dir"));
  expect_code(program("", R"(
    (data (i32.const 600) "/dir")
    (func $directory_bytes (result i32)
      (i32.store (i32.const 700) (i32.const 100))
      (if (call $getcwd (i32.const 704) (i32.const 700)) (then unreachable))
      (i32.load (i32.const 700)))
    (func (export "_start") (local $root i32)
      (local.set $root (call $directory_bytes))
      (call $child)
      (if (call $chdir (i32.const 600) (i32.const 4)) (then unreachable))
      (if (i32.eq (call $directory_bytes) (local.get $root)) (then unreachable))
      (if (call $close (i32.const 0)) (then unreachable))
      (if (call $pipe (i32.const 4) (i32.const 8)) (then unreachable))
      (call $exit2 (i32.const 0))
      (if (i32.ne (call $directory_bytes) (local.get $root)) (then unreachable))
      ;; What the child opened is not there, what it closed is.
      (if (i32.ne (call $close (i32.load (i32.const 8))) (i32.const 8)) (then unreachable))
      (call $exit (call $close (i32.const 0)))))"),
              0);
}

TEST_F(ForkEnvTest, Pipe_ToTheChildsProgram_EndsWithIt) {
  loader_.commands["hello"] = process_program("", R"(
    (data (i32.const 100) "\6c\00\00\00\05\00\00\00hello")
    (func (export "_start")
      (drop (call $write (i32.const 5) (i32.const 100) (i32.const 1) (i32.const 0)))))");
  expect_code(program("hello", R"(
    (data (i32.const 200) "\00\01\00\00\40\00\00\00")
    (func (export "_start")
      (if (call $pipe (i32.const 4) (i32.const 8)) (then unreachable))
      (if (i32.ne (i32.load (i32.const 8)) (i32.const 5)) (then unreachable))
      (call $child)
      (if (call $close (i32.load (i32.const 4))) (then unreachable))
      (if (call $exec_named) (then unreachable))
      (if (call $close (i32.load (i32.const 8))) (then unreachable))
      (if (call $read (i32.load (i32.const 4)) (i32.const 200) (i32.const 1) (i32.const 0))
        (then unreachable))
      (if (i32.ne (i32.load (i32.const 256)) (i32.const 0x6c6c6568)) (then unreachable))
      (if (call $read (i32.load (i32.const 4)) (i32.const 200) (i32.const 1) (i32.const 12))
        (then unreachable))
      (call $exit (i32.sub (i32.load (i32.const 0)) (i32.load (i32.const 12))))))"),
              5);
}

TEST_F(ForkEnvTest, Spawn_OfTheChild_IsItsChild) {
  expect_code(program("number", R"((func (export "_start")
    (call $child)
    (if (call $start (i32.const 0)) (then unreachable))
    (if (call $parent (i32.const 3) (i32.const 128)) (then unreachable))
    (if (i32.ne (i32.load (i32.const 128)) (i32.const 2)) (then unreachable))
    (if (call $wait) (then unreachable))
    (call $exit2 (i32.load16_u (i32.const 82)))
    (i32.store (i32.const 64) (i32.const 2))
    (if (call $wait) (then unreachable))
    (call $exit (i32.load16_u (i32.const 82)))))"),
              16 + 3);
}

TEST_F(ForkEnvTest, WhatCannotBe_IsAnErrno_AndLeavesNoChild) {
  constexpr std::string_view kBody = R"((func (export "_start")
    (if (i32.ne (call $fork_env (i32.const 65533)) (i32.const 21)) (then unreachable))
    (call $becomes (i32.const 1))
    (if (i32.ne (call $join (i32.const 72) (i32.const 0) (i32.const 80)) (i32.const 12))
      (then unreachable))
    (call $exit (call $fork_env (i32.const 64)))))";
  EXPECT_EQ(run(program("", kBody), 1).code, static_cast<unsigned>(Errno::kAgain));
  // A child that goes on where its parent is has none of that kind itself.
  expect_code(program("", R"((func (export "_start")
    (call $child)
    (if (i32.ne (call $fork_env (i32.const 68)) (i32.const 58)) (then unreachable))
    (if (i32.load (i32.const 68)) (then unreachable))
    (call $becomes (i32.const 2))
    (call $exit2 (i32.const 0))
    (if (call $fork_env (i32.const 68)) (then unreachable))
    (call $exit2 (i32.const 0))
    (call $exit (i32.load (i32.const 68)))))"),
              3);
}

TEST_F(ForkEnvTest, Handlers_RunInTheChild_AndTakeItsEndInTheParent) {
  // The handler adds 100 times the process and the signal.
  expect_code(program("", R"(
    (data (i32.const 600) "__wasm_signal")
    (func (export "__wasm_signal") (param $signal i32)
      (drop (call $id (i32.const 132)))
      (i32.store (i32.const 136) (i32.add (i32.load (i32.const 136))
        (i32.add (local.get $signal) (i32.mul (i32.const 100) (i32.load (i32.const 132)))))))
    (func (export "_start")
      (call $callback (i32.const 600) (i32.const 13))
      (call $child)
      (drop (call $signal (i32.const 1) (i32.const 10)))  ;; waits for the parent
      (if (i32.load (i32.const 136)) (then unreachable))
      (drop (call $raise (i32.const 12)))
      (if (i32.ne (i32.load (i32.const 136)) (i32.const 212)) (then unreachable))
      (call $exit2 (i32.const 0))
      ;; 10 and SIGCHLD.
      (call $exit (i32.load (i32.const 136)))))"),
              212 + 110 + 117);
}

TEST_F(ForkEnvTest, SignalThatKillsTheChild_TakesEffectWhenItEndsOrExecutes) {
  const auto code = [](std::string_view kill, std::string_view end) {
    return program("number", "(func (export \"_start\") (call $child)" + std::string(kill) +
                                 "(call $becomes (i32.const 2))" + std::string(end) + R"(
      (call $becomes (i32.const 1))
      (if (call $wait) (then unreachable))
      (if (i32.ne (i32.load8_u (i32.const 80)) (i32.const 2)) (then unreachable))
      (call $exit (i32.load8_u (i32.const 84)))))");
  };
  constexpr std::string_view kRaise = "(drop (call $raise (i32.const 15)))";
  constexpr std::string_view kSignal = "(drop (call $signal (i32.const 2) (i32.const 15)))";
  constexpr std::string_view kExit = "(call $exit2 (i32.const 0))";
  constexpr std::string_view kExec = "(if (call $exec_named) (then unreachable))";
  for (const std::string_view kill : {kRaise, kSignal}) {
    for (const std::string_view end : {kExit, kExec}) {
      expect_code(code(kill, end), 15);
    }
  }
}

TEST_F(ForkEnvTest, OutputOfTheChild_CountsForTheWorkload) {
  constexpr std::string_view kWrite = R"(
    (i32.store (i32.const 16) (i32.const 512))
    (i32.store (i32.const 20) (i32.const 3))
    (if (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24))
      (then unreachable)))";
  const std::string once = "(func (export \"_start\") (call $child)" + std::string(kWrite);
  expect_code(program("number", once + "(call $exit2 (i32.const 0)) (call $exit2 (i32.const 4)))"),
              4);
  const ExitStatus status = run(program("number", once + std::string(kWrite) + ")"));
  EXPECT_EQ(status.kind, Kind::kLimit) << status.message;
}

TEST_F(ForkEnvTest, ProcExitInTheChild_EndsTheProcessToo) {
  const ExitStatus status = run(program("", R"((func (export "_start")
    (call $child) (call $exit (i32.const 0))))"));
  EXPECT_EQ(status.kind, Kind::kTrapped);
  EXPECT_NE(status.message.find("proc_exit2"), std::string::npos) << status.message;
}

// Two processes: "borrower" goes on as its child and $body.
std::string borrower(std::string_view body) {
  return program("number", "(func (export \"_start\") (drop (call $fork_env (i32.const 64)))" +
                               std::string(body) + ")");
}
constexpr std::string_view kStartBorrower = R"(
  (if (call $start (i32.const 0)) (then unreachable))
  ;; Until it has its child.
  (loop $again (br_if $again (call $parent (i32.const 3) (i32.const 128)))))";

TEST_F(ForkEnvTest, KillOfTheParent_EndsTheChildToo) {
  loader_.commands["borrower"] = borrower("(loop (br 0))");
  expect_code(program("borrower", "(func (export \"_start\")" + std::string(kStartBorrower) + R"(
    (if (call $signal (i32.const 2) (i32.const 15)) (then unreachable))
    (if (call $wait) (then unreachable))
    (if (i32.ne (i32.load8_u (i32.const 84)) (i32.const 15)) (then unreachable))
    (i32.store (i32.const 64) (i32.const 3))
    (if (call $wait) (then unreachable))
    (if (i32.ne (i32.load8_u (i32.const 80)) (i32.const 2)) (then unreachable))
    (call $exit (i32.load8_u (i32.const 84)))))"),
              9);
}

TEST_F(ForkEnvTest, TrapInTheChild_EndsBoth) {
  loader_.commands["borrower"] = borrower("unreachable");
  expect_code(program("borrower", R"((func (export "_start")
    (if (call $start (i32.const 0)) (then unreachable))
    (if (call $wait) (then unreachable))
    (if (i32.ne (i32.load8_u (i32.const 84)) (i32.const 6)) (then unreachable))
    (i32.store (i32.const 64) (i32.const 3))
    (if (call $wait) (then unreachable))
    (call $exit (i32.load8_u (i32.const 84)))))"),
              9);
}

// The child has a call in progress that looks at its descriptors when it is dropped.
TEST_F(ForkEnvTest, EndOfTheWorkload_EndsAChildInTheMiddleOfACall) {
  class NeverLoader final : public ProgramLoader {
   public:
    NeverLoader(TextLoader& inner, io::Reactor& reactor) : inner_(inner), never_(reactor) {}
    io::Task<std::shared_ptr<const engine::LinkedModule>> load(std::vector<std::byte>) override {
      co_return fail(ErrorKind::kUnsupported, "none");
    }
    io::Task<std::shared_ptr<const engine::Library>> load_library(std::vector<std::byte>) override {
      co_return fail(ErrorKind::kUnsupported, "none");
    }
    io::Task<LoadedCommand> load_command(std::string name) override {
      if (name == "number") {
        asked_ = true;
        co_await never_.wait();
      }
      co_return co_await inner_.load_command(std::move(name));
    }
    bool asked() const noexcept { return asked_; }

   private:
    TextLoader& inner_;
    io::Event never_;
    bool asked_ = false;
  };
  for (const std::string_view call :
       {"(drop (call $start (i32.const 0)))", "(drop (call $exec_named))",
        "(call $exec1 (i32.const 512) (i32.const 6) (i32.const 0) "
        "(i32.const 0))"}) {
    loader_.commands["borrower"] = borrower(call);
    NeverLoader never(loader_, machine_.reactor());
    ProcessOptions options;
    options.workload =
        std::make_shared<Workload>(machine_.reactor(), WorkloadOptions{.loader = &never});
    const std::shared_ptr<Workload> workload = options.workload;
    auto linked = machine_.link_wat(program(
        "borrower", "(func (export \"_start\")" + std::string(kStartBorrower) + "(loop (br 0)))"));
    ASSERT_TRUE(linked);
    auto process = Process::create(machine_.shard(), *linked, std::move(options));
    ASSERT_TRUE(process);
    ASSERT_TRUE((*process)->start());
    ASSERT_TRUE(machine_.run_until([&] { return never.asked(); }));
    EXPECT_EQ(workload->process_count(), 3U);
    (*process)->kill();
    EXPECT_EQ(machine_.reactor().run((*process)->wait())->kind, Kind::kSignaled);
    EXPECT_EQ(workload->process_count(), 0U);
  }
}

constexpr std::string_view kThreads = R"((module
  (import "env" "memory" (memory 1 4 shared))
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (import "wasix_32v1" "proc_exit2" (func $exit2 (param i32)))
  (import "wasix_32v1" "proc_fork_env" (func $fork_env (param i32) (result i32)))
  (import "wasix_32v1" "proc_id" (func $id (param i32) (result i32)))
  (import "wasix_32v1" "proc_join" (func $join_child (param i32 i32 i32) (result i32)))
  (import "wasix_32v1" "thread_join" (func $join (param i32) (result i32)))
  (import "wasix_32v1" "thread_exit" (func $thread_exit (param i32)))
)";

TEST_F(ForkEnvTest, OtherThreads_StayInTheParent) {
  // The thread looks when the main thread is the child: what that closed is open for it.
  expect_code(std::string(kThreads) + R"(
    (func (export "wasi_thread_start") (param i32 i32)
      (loop $again (br_if $again (i32.eqz (i32.atomic.load (i32.const 4)))))
      (i32.store (i32.const 8) (call $close (i32.const 0)))
      (drop (call $id (i32.const 12))))
    (func (export "_start") (local $thread i32)
      (local.set $thread (call $spawn (i32.const 0)))
      (if (call $fork_env (i32.const 64)) (then unreachable))
      (if (i32.ne (call $spawn (i32.const 0)) (i32.const -58)) (then unreachable))
      (if (call $close (i32.const 0)) (then unreachable))
      (i32.atomic.store (i32.const 4) (i32.const 1))
      (drop (call $join (local.get $thread)))
      (call $exit2 (i32.const 0))
      (if (i32.load (i32.const 8)) (then unreachable))
      ;; The thread has closed it for the parent.
      (if (i32.ne (call $close (i32.const 0)) (i32.const 8)) (then unreachable))
      (call $exit (i32.load (i32.const 12))))))",
              1);
}

TEST_F(ForkEnvTest, OtherContexts_AreForTheParent) {
  expect_code(R"((module
    (import "wasix_32v1" "context_create" (func $create (param i32 i32) (result i32)))
    (import "wasix_32v1" "context_switch" (func $switch (param i64) (result i32)))
    (import "wasix_32v1" "proc_fork_env" (func $fork_env (param i32) (result i32)))
    (import "wasix_32v1" "proc_exit2" (func $exit2 (param i32)))
    (memory (export "memory") 1)
    (table 1 funcref)
    (elem (i32.const 0) $other)
    (func $other (call $exit2 (i32.const 7)))
    (func (export "_start")
      (if (call $create (i32.const 64) (i32.const 0)) (then unreachable))
      (if (call $fork_env (i32.const 72)) (then unreachable))
      (if (i32.ne (call $create (i32.const 80) (i32.const 0)) (i32.const 58)) (then unreachable))
      (if (i32.ne (call $switch (i64.load (i32.const 64))) (i32.const 58)) (then unreachable))
      (call $exit2 (i32.const 0))
      (drop (call $switch (i64.load (i32.const 64))))
      unreachable)))",
              7);
}

TEST_F(ForkEnvTest, EndOfTheThread_EndsItsChild) {
  expect_code(std::string(kThreads) + R"(
    (func (export "wasi_thread_start") (param i32 i32)
      (drop (call $fork_env (i32.const 64)))
      (call $thread_exit (i32.const 0)))
    (func (export "_start")
      (drop (call $join (call $spawn (i32.const 0))))
      (if (call $join_child (i32.const 72) (i32.const 0) (i32.const 80)) (then unreachable))
      (call $exit (i32.load8_u (i32.const 84))))))",
              9);
}

}  // namespace
}  // namespace selvedge::wasix
