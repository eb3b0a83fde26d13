// Processes of one workload, by whole programs.

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/format.h"
#include "engine/engine.h"
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

class ChildrenTest : public ::testing::Test {
 protected:
  ChildrenTest() {
    files_ = *MemoryFileSystem::create({.clock = machine_.clock(), .lower = nullptr});
    loader_.commands["seven"] =
        process_program("", R"((func (export "_start") (call $exit (i32.const 7))))");
  }

  void put_file(std::string_view path, base::ByteSpan bytes) {
    auto opened = files_->open_root()->open(path, {.oflags = Oflags::kCreat, .write = true});
    ASSERT_TRUE(opened);
    ASSERT_EQ(*std::get<std::shared_ptr<File>>(*opened)->write(std::span(&bytes, 1)), bytes.size());
  }

  ProcessOptions options(std::uint32_t processes_max = 16) {
    ProcessOptions made{.arguments = {"first"}};
    made.preopens.push_back({.guest_path = "/", .directory = files_->open_root()});
    made.workload = std::make_shared<Workload>(
        machine_.reactor(), WorkloadOptions{.loader = &loader_, .processes_max = processes_max});
    return made;
  }

  ExitStatus run(std::string_view wat, ProcessOptions options) {
    auto linked = machine_.link_wat(wat);
    EXPECT_TRUE(linked) << linked.error().message();
    return machine_.run(*linked, std::move(options));
  }
  ExitStatus run(std::string_view wat) { return run(wat, options()); }

  Machine machine_;
  TextLoader loader_{machine_};
  std::shared_ptr<MemoryFileSystem> files_;
};

constexpr std::string_view kExitWithChildsCode = R"(
  (func (export "_start")
    (if (call $start (i32.const 0)) (then unreachable))
    (if (call $wait) (then unreachable))
    (if (i32.ne (i32.load8_u (i32.const 80)) (i32.const 1)) (then unreachable))
    (call $exit (i32.load16_u (i32.const 82)))))";

TEST_F(ChildrenTest, SpawnAndJoin_CommandOfThePackage_GivesItsExitCode) {
  const ExitStatus status = run(process_program("seven", kExitWithChildsCode));
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 7U);
}

TEST_F(ChildrenTest, Spawn_FileByPath_Runs) {
  put_file("tool", *engine::wat_to_wasm(loader_.commands["seven"]));
  const ExitStatus status = run(process_program("/tool", kExitWithChildsCode));
  EXPECT_EQ(status.code, 7U) << status.message;
}

TEST_F(ChildrenTest, Spawn_Script_RunsItsInterpreterWithTheScript) {
  put_file("script", base::as_bytes(std::string_view("#! /bin/count  one argument\nanything\n")));
  // Exits with the number of its arguments: the interpreter, "one argument", the script.
  loader_.commands["count"] = process_program("", R"((func (export "_start")
    (drop (call $args_sizes (i32.const 0) (i32.const 4))) (call $exit (i32.load (i32.const 0)))))");
  EXPECT_EQ(run(process_program("/script", kExitWithChildsCode)).code, 3U);
}

// Leaves the error of starting as the exit code.
constexpr std::string_view kExitWithError = R"(
  (func (export "_start") (call $exit (call $start (i32.const 0)))))";

TEST_F(ChildrenTest, Spawn_WhatCannotRun_IsAnErrno) {
  put_file("text", base::as_bytes(std::string_view("neither module nor script")));
  put_file("loop", base::as_bytes(std::string_view("#!/loop\n")));
  put_file("broken", base::as_bytes(std::string_view("\0asm\1\0\0\0\xFF", 9)));
  EXPECT_EQ(run(process_program("/absent", kExitWithError)).code,
            static_cast<unsigned>(Errno::kNoent));
  EXPECT_EQ(run(process_program("absent", kExitWithError)).code,
            static_cast<unsigned>(Errno::kNoent));
  EXPECT_EQ(run(process_program("/text", kExitWithError)).code,
            static_cast<unsigned>(Errno::kNoexec));
  EXPECT_EQ(run(process_program("/broken", kExitWithError)).code,
            static_cast<unsigned>(Errno::kNoexec));
  EXPECT_EQ(run(process_program("/loop", kExitWithError)).code,
            static_cast<unsigned>(Errno::kLoop));
  EXPECT_EQ(run(process_program("/", kExitWithError)).code, static_cast<unsigned>(Errno::kAcces));
  EXPECT_EQ(run(process_program("seven", kExitWithError), {}).code,
            static_cast<unsigned>(Errno::kNotsup));
}

TEST_F(ChildrenTest, Spawn_MoreArgumentsThanAllowed_IsTooBig) {
  // A text of 20,000 newlines: as many empty arguments.
  const ExitStatus status = run(process_program("seven", R"(
    (func (export "_start")
      (memory.fill (i32.const 2048) (i32.const 10) (i32.const 20000))
      (call $exit (call $spawn (i32.const 512) (i32.const 5) (i32.const 2048) (i32.const 20000)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 64)))))"));
  EXPECT_EQ(status.code, static_cast<unsigned>(Errno::kTooBig)) << status.message;
}

TEST_F(ChildrenTest, Spawn_PipeAsStandardOutput_IsReadByTheParent) {
  loader_.commands["hello"] = process_program("", R"(
    (data (i32.const 100) "\6c\00\00\00\05\00\00\00hello")
    (func (export "_start")
      (drop (call $write (i32.const 1) (i32.const 100) (i32.const 1) (i32.const 0)))))");
  // Operations: dup2 of the pipe's writing end onto 1, close of the reading end. The parent closes
  // nothing of its own, so it reads until it has five bytes.
  const ExitStatus status = run(process_program("hello", R"(
    (data (i32.const 200) "\00\01\00\00\40\00\00\00")
    (func (export "_start")
      (if (call $pipe (i32.const 4) (i32.const 8)) (then unreachable))
      (i32.store8 (i32.const 1024) (i32.const 1))
      (i32.store (i32.const 1028) (i32.const 1))
      (i32.store (i32.const 1032) (i32.load (i32.const 8)))
      (i32.store8 (i32.const 1080) (i32.const 0))
      (i32.store (i32.const 1084) (i32.load (i32.const 4)))
      (if (call $start (i32.const 2)) (then unreachable))
      (if (call $read (i32.load (i32.const 4)) (i32.const 200) (i32.const 1) (i32.const 0))
        (then unreachable))
      (if (i32.ne (i32.load (i32.const 256)) (i32.const 0x6c6c6568)) (then unreachable))
      (call $exit (i32.load (i32.const 0)))))"));
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 5U);
}

TEST_F(ChildrenTest, Exec_KeepsTheProcessAndTakesTheArguments) {
  // Exits with 16 times its number of arguments plus its process id.
  loader_.commands["told"] = process_program("", R"((func (export "_start")
    (drop (call $args_sizes (i32.const 0) (i32.const 4))) (drop (call $id (i32.const 8)))
    (call $exit (i32.add (i32.mul (i32.load (i32.const 0)) (i32.const 16))
                         (i32.load (i32.const 8))))))");
  const ExitStatus status = run(process_program("told", R"(
    (data (i32.const 300) "told\na\n\nwith space")
    (func (export "_start")
      (drop (call $exec (i32.const 512) (i32.const 4) (i32.const 300) (i32.const 18) (i32.const 0)
                        (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0)))
      unreachable))"));
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 4 * 16 + kFirstProcess);
}

TEST_F(ChildrenTest, Signal_EndsAChild_AndTheJoinSaysSo) {
  loader_.commands["spin"] = process_program("", R"((func (export "_start") (loop (br 0))))");
  const ExitStatus status = run(process_program("spin", R"(
    (func (export "_start")
      (if (call $start (i32.const 0)) (then unreachable))
      (if (call $signal (i32.load (i32.const 64)) (i32.const 15)) (then unreachable))
      (if (call $wait) (then unreachable))
      (if (i32.ne (i32.load8_u (i32.const 80)) (i32.const 2)) (then unreachable))
      (call $exit (i32.load8_u (i32.const 84)))))"));
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 15U);
}

TEST_F(ChildrenTest, Join_WithoutChildren_IsChild_AndNonblockingSaysNothing) {
  loader_.commands["spin"] = process_program("", R"((func (export "_start") (loop (br 0))))");
  const ExitStatus status = run(process_program("spin", R"(
    (func (export "_start")
      (if (i32.ne (call $join (i32.const 72) (i32.const 0) (i32.const 80)) (i32.const 12))
        (then unreachable))
      (if (call $start (i32.const 0)) (then unreachable))
      (i32.store8 (i32.const 80) (i32.const 9))
      (if (call $join (i32.const 72) (i32.const 1) (i32.const 80)) (then unreachable))
      (if (i32.ne (call $join (i32.const 72) (i32.const 8) (i32.const 80)) (i32.const 28))
        (then unreachable))
      (if (i32.ne (call $join (i32.const -1) (i32.const 0) (i32.const 80)) (i32.const 21))
        (then unreachable))
      (call $exit (i32.load8_u (i32.const 80)))))"));
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 0U);
}

TEST_F(ChildrenTest, SpawnWithoutEnd_IsRefusedAtTheLimit) {
  loader_.commands["spin"] = process_program("", R"((func (export "_start") (loop (br 0))))");
  const ExitStatus status = run(process_program("spin", R"(
    (func (export "_start") (local $error i32) (local $count i32)
      (loop $more
        (local.set $count (i32.add (local.get $count) (i32.const 1)))
        (br_if $more (i32.eqz (local.tee $error (call $start (i32.const 0))))))
      (if (i32.ne (local.get $error) (i32.const 6)) (then unreachable))
      (call $exit (local.get $count))))"),
                                options(4));
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 4U);
}

// An attack: the child cannot be made, and is joined and signalled nevertheless.
TEST_F(ChildrenTest, ChildThatCannotBeMade_LeavesNothingBehind) {
  loader_.commands["huge"] = R"((module (import "env" "memory" (memory 1000 1000 shared))
    (func (export "_start"))))";
  ProcessOptions made = options();
  made.limits.instance.memory_bytes_max = 65'536;
  const ExitStatus status = run(process_program("huge", R"(
    (func (export "_start")
      (if (i32.ne (call $start (i32.const 0)) (i32.const 48)) (then unreachable))
      (if (i32.ne (call $join (i32.const 72) (i32.const 0) (i32.const 80)) (i32.const 12))
        (then unreachable))
      (if (i32.ne (call $signal (i32.const 2) (i32.const 9)) (i32.const 71))
        (then unreachable))))"),
                                std::move(made));
  EXPECT_TRUE(status.success()) << status.message;
}

TEST_F(ChildrenTest, Chdir_IsChecked) {
  ASSERT_TRUE(files_->open_root()->make_directory("dir"));
  put_file("file", {});
  // The error of a spawn whose only operation is a chdir to the `length` bytes at `path`.
  const auto code = [this](std::string_view path, std::size_t length) {
    return static_cast<Errno>(run(process_program("seven", fmt::format(R"(
      (data (i32.const 600) "dirfilelost")
      (func (export "_start")
        (memory.fill (i32.const 32768) (i32.const 100) (i32.const 5000))
        (i32.store (i32.const 1024) (i32.const 3))
        (i32.store (i32.const 1036) (i32.const {}))
        (i32.store (i32.const 1040) (i32.const {}))
        (call $exit (call $start (i32.const 1)))))",
                                                                       path, length)))
                                  .code);
  };
  EXPECT_EQ(code("600", 3), Errno::kSuccess);
  EXPECT_EQ(code("603", 4), Errno::kNotdir);
  EXPECT_EQ(code("607", 4), Errno::kNoent);
  EXPECT_EQ(code("607", 0), Errno::kNoent);
  EXPECT_EQ(code("32768", 5000), Errno::kNametoolong);
}

TEST_F(ChildrenTest, PreopenedDirectory_OutlivesWhatClosesItsNumber) {
  ASSERT_TRUE(files_->open_root()->make_directory("dir"));
  // Exits with the error of a path beneath descriptor 3.
  loader_.commands["look"] = process_program("", R"((data (i32.const 8) "/dir")
    (func (export "_start") (call $exit (call $chdir (i32.const 8) (i32.const 4)))))");
  // Operation `command` on descriptor 3, with 0 or the path "dir"; then the child's end.
  const auto code = [this](int command) {
    return run(process_program("look", fmt::format(R"((data (i32.const 600) "dir")
      (func (export "_start") (local $error i32)
        (drop (call $close (i32.const 3)))
        (i32.store8 (i32.const 1024) (i32.const {}))
        (i32.store (i32.const 1028) (i32.const 3))
        (i32.store (i32.const 1036) (i32.const 600))
        (i32.store (i32.const 1040) (i32.const 3))
        (if (local.tee $error (call $start (i32.const 1)))
          (then (call $exit (local.get $error))))
        (if (call $wait) (then unreachable))
        (call $exit (i32.load16_u (i32.const 82)))))",
                                                   command)))
        .code;
  };
  EXPECT_EQ(code(0), 0U);
  EXPECT_EQ(code(1), static_cast<unsigned>(Errno::kNotsup));
  EXPECT_EQ(code(2), static_cast<unsigned>(Errno::kNotsup));
}

TEST_F(ChildrenTest, EndOfTheFirstProcess_EndsAllOthers) {
  loader_.commands["spin"] = process_program("", R"((func (export "_start") (loop (br 0))))");
  ProcessOptions made = options();
  const std::shared_ptr<Workload> workload = made.workload;
  const ExitStatus status = run(process_program("spin", kExitWithError), std::move(made));
  EXPECT_EQ(status.code, 0U) << status.message;
  EXPECT_EQ(workload->process_count(), 0U);
}

// An attack: a process names those of another workload.
TEST_F(ChildrenTest, ProcessesOfAnotherWorkload_HaveNoNames) {
  auto other = Process::create(
      machine_.shard(), *machine_.link_wat("(module (func (export \"_start\") (loop (br 0))))"),
      options());
  ASSERT_TRUE(other);
  ASSERT_TRUE((*other)->start());
  const ExitStatus status = run(process_program("", R"(
    (func (export "_start") (local $pid i32)
      (local.set $pid (i32.const 2))
      (loop $more
        (if (i32.ne (call $signal (local.get $pid) (i32.const 9)) (i32.const 71))
          (then unreachable))
        (if (i32.ne (call $parent (local.get $pid) (i32.const 0)) (i32.const 71))
          (then unreachable))
        (local.set $pid (i32.add (local.get $pid) (i32.const 1)))
        (br_if $more (i32.ne (local.get $pid) (i32.const 1000))))))"));
  EXPECT_TRUE(status.success()) << status.message;
  EXPECT_TRUE((*other)->running());
}

}  // namespace
}  // namespace selvedge::wasix
