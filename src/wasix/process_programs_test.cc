// The forms of starting another program, and what a command's manifest adds, by whole programs.

#include "wasix/testing/process_programs.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/format.h"
#include "engine/engine.h"
#include "wasix/fs_commands.h"
#include "wasix/fs_devices.h"
#include "wasix/fs_memory.h"
#include "wasix/fs_merged.h"
#include "wasix/process.h"
#include "wasix/stdio.h"
#include "wasix/testing/file_systems.h"
#include "wasix/testing/machine.h"
#include "wasix/workload.h"

namespace selvedge::wasix {
namespace {

using testing::Machine;
using testing::process_program;
using testing::TextLoader;
using Kind = ExitStatus::Kind;

// Prints its arguments and then its environment, with a NUL behind each, and ends with 9.
constexpr std::string_view kTell = R"(
  (func $print (param $size i32)
    (i32.store (i32.const 16) (i32.const 8192))
    (i32.store (i32.const 20) (local.get $size))
    (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24))))
  (func (export "_start")
    (drop (call $args_sizes (i32.const 0) (i32.const 4)))
    (drop (call $args (i32.const 4096) (i32.const 8192)))
    (call $print (i32.load (i32.const 4)))
    (drop (call $environ_sizes (i32.const 0) (i32.const 4)))
    (drop (call $environ (i32.const 4096) (i32.const 8192)))
    (call $print (i32.load (i32.const 4)))
    (call $exit (i32.const 9))))";

class ProgramsTest : public ::testing::Test {
 protected:
  ProgramsTest() {
    files_ = *MemoryFileSystem::create({.clock = machine_.clock(), .lower = nullptr});
    root_ = files_;
    static_cast<void>(files_->open_root()->make_directory("dir"));
    static_cast<void>(files_->open_root()->open("file", {.oflags = Oflags::kCreat, .write = true}));
    loader_.commands["tell"] = process_program("", kTell);
  }

  // `body` of a program that knows "tell"; NULs of the output as '|'.
  ExitStatus run(std::string_view body) {
    ProcessOptions options{.arguments = {"first"}, .environment = {"A=caller", "C=caller"}};
    options.preopens.push_back({.guest_path = "/", .directory = root_->open_root()});
    options.workload =
        std::make_shared<Workload>(machine_.reactor(), WorkloadOptions{.loader = &loader_});
    options.standard_output = std::make_shared<LineHandle>([this](std::string_view line) {
      for (const char byte : line) {
        output_.push_back(byte == '\0' ? '|' : byte);
      }
    });
    auto linked = machine_.link_wat(process_program("tell", body));
    if (!linked) {
      return {.kind = Kind::kFailed, .message = linked.error().message()};
    }
    return machine_.run(*linked, std::move(options));
  }

  Machine machine_;
  TextLoader loader_{machine_};
  std::shared_ptr<MemoryFileSystem> files_;
  std::shared_ptr<FileSystem> root_;  // of the program
  std::string output_;
};

constexpr std::string_view kStartAndWait = R"(
  (func (export "_start")
    (if (call $start (i32.const 0)) (then unreachable))
    (if (call $wait) (then unreachable))
    (call $exit (i32.load16_u (i32.const 82)))))";

TEST_F(ProgramsTest, Command_GetsTheArgumentsAndVariablesOfItsManifest) {
  loader_.manifest = {
      .module = nullptr, .arguments = {"-m", "x"}, .environment = {"B=own", "A=own"}};
  EXPECT_EQ(run(kStartAndWait).code, 9U);
  // The caller's variables win.
  EXPECT_EQ(output_, "tell|-m|x|A=caller|C=caller|B=own|");
}

TEST_F(ProgramsTest, CommandThatIsAFileInBin_IsStillTheCommand) {
  loader_.manifest = {.module = nullptr, .arguments = {"-m"}};
  const auto commands = make_command_file_system(
      machine_.clock(), {{.name = "tell",
                          .owner = std::make_shared<int>(),
                          .bytes = base::as_bytes(std::string_view("not the module"))}});
  files_->freeze();
  root_ = *MemoryFileSystem::create(
      {.clock = machine_.clock(), .lower = merge_file_systems(files_, "/", *commands, {})});
  EXPECT_EQ(run(kStartAndWait).code, 9U);
  EXPECT_EQ(output_, "tell|-m|A=caller|C=caller|");
  // What the guest puts in its place is a file.
  ASSERT_TRUE(testing::put(*root_->open_root(), "bin/tell", "no module"));
  EXPECT_EQ(run("(func (export \"_start\") (call $exit (call $start (i32.const 0))))").code,
            static_cast<unsigned>(Errno::kNoexec));
}

TEST_F(ProgramsTest, DeviceIsNoProgram) {
  root_ = make_device_file_system(machine_.clock());
  EXPECT_EQ(run(R"((data (i32.const 600) "/dev/null") (func (export "_start")
      (call $exec1 (i32.const 600) (i32.const 9) (i32.const 0) (i32.const 0)) unreachable))")
                .code,
            126U);
}

TEST_F(ProgramsTest, Command_WithAProgramName_HasItAsItsFirstArgument) {
  loader_.manifest = {.module = nullptr, .program_name = "renamed", .arguments = {"-m"}};
  const ExitStatus status = run(R"(
    (data (i32.const 600) "caller\00one\00")
    (data (i32.const 640) "\58\02\00\00\5f\02\00\00")
    (func (export "_start")
      (drop (call $exec4 (i32.const 512) (i32.const 4) (i32.const 640) (i32.const 2) (i32.const 0)
                         (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0)))
      unreachable))");
  EXPECT_EQ(status.code, 9U) << status.message;
  EXPECT_EQ(output_, "renamed|-m|one|A=caller|C=caller|");
}

TEST_F(ProgramsTest, Exec_WithoutResult_BecomesTheProgramOrEnds) {
  EXPECT_EQ(run(R"((data (i32.const 600) "tell\na\n\nb") (func (export "_start")
      (call $exec1 (i32.const 512) (i32.const 4) (i32.const 600) (i32.const 9)) unreachable))")
                .code,
            9U);
  EXPECT_EQ(output_, "tell|a||b|A=caller|C=caller|");
  output_.clear();
  EXPECT_EQ(run(R"((data (i32.const 600) "X=1\nY=2") (func (export "_start")
      (call $exec2 (i32.const 512) (i32.const 4) (i32.const 0) (i32.const 0)
                   (i32.const 600) (i32.const 7)) unreachable))")
                .code,
            9U);
  EXPECT_EQ(output_, "tell|X=1|Y=2|");
  EXPECT_EQ(run(R"((func (export "_start")
      (call $exec1 (i32.const 512) (i32.const 3) (i32.const 0) (i32.const 0)) unreachable))")
                .code,
            127U);
  EXPECT_EQ(run(R"((data (i32.const 600) "/file") (func (export "_start")
      (call $exec1 (i32.const 600) (i32.const 5) (i32.const 0) (i32.const 0)) unreachable))")
                .code,
            126U);
  EXPECT_EQ(run(R"((func (export "_start")
      (call $exec1 (i32.const -1) (i32.const 5) (i32.const 0) (i32.const 0)) unreachable))")
                .code,
            126U);
}

TEST_F(ProgramsTest, Spawn_WithPointers_KeepsNewlinesAndEmptyStrings) {
  const ExitStatus status = run(R"(
    (data (i32.const 600) "tell\00a\nb\00\00E=1\n2\00")
    (data (i32.const 640) "\58\02\00\00\5d\02\00\00\61\02\00\00" "\62\02\00\00")
    (func (export "_start")
      (if (call $spawn3 (i32.const 512) (i32.const 4) (i32.const 640) (i32.const 3) (i32.const 652)
            (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1)
            (i32.const 0) (i32.const 0) (i32.const 64)) (then unreachable))
      (if (call $wait) (then unreachable))
      (call $exit (i32.load16_u (i32.const 82)))))");
  EXPECT_EQ(status.code, 9U) << status.message;
  // A line of output ends with each newline, which is not part of it.
  EXPECT_EQ(output_, "tell|ab||E=12|");
}

TEST_F(ProgramsTest, Spawn_WithPointers_CopiesLongStringsWhole) {
  const auto length_of_copy = [this](int size) {
    output_.clear();
    const ExitStatus status = run(fmt::format(R"(
    (data (i32.const 640) "\00\02\00\00\00\10\00\00")
    (func (export "_start")
      (memory.fill (i32.const 4096) (i32.const 120) (i32.const {}))
      (if (call $spawn3 (i32.const 512) (i32.const 4) (i32.const 640) (i32.const 2) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1)
            (i32.const 0) (i32.const 0) (i32.const 64)) (then unreachable))
      (if (call $wait) (then unreachable))
      (call $exit (i32.load16_u (i32.const 82)))))",
                                              size));
    EXPECT_EQ(status.code, 9U) << status.message;
    const std::size_t first = output_.find('x');
    return output_.find('|', first) - first;
  };
  EXPECT_EQ(length_of_copy(255), 255U);
  EXPECT_EQ(length_of_copy(256), 256U);
  EXPECT_EQ(length_of_copy(1000), 1000U);
}

TEST_F(ProgramsTest, Spawn_WithBadPointers_IsAnErrno) {
  const auto spawn = [](std::string_view args, std::string_view count) {
    return "(call $spawn3 (i32.const 512) (i32.const 4) (i32.const " + std::string(args) +
           ") (i32.const " + std::string(count) + R"() (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0)
      (i32.const 64)))";
  };
  const auto code = [&](std::string_view args, std::string_view count) {
    return run("(data (i32.const 640) \"\\ff\\ff\\00\\00\") (data (i32.const 65535) \"x\") "
               "(func (export \"_start\") (call $exit " +
               spawn(args, count) + "))")
        .code;
  };
  EXPECT_EQ(code("65534", "1"), static_cast<unsigned>(Errno::kFault));
  EXPECT_EQ(code("640", "1"), static_cast<unsigned>(Errno::kFault));  // no NUL before the end
  EXPECT_EQ(code("640", "100000"), static_cast<unsigned>(Errno::kTooBig));
}

TEST_F(ProgramsTest, Spawn_OldForm_GivesPipesToTheParent) {
  const ExitStatus status = run(R"(
    (data (i32.const 600) "tell\nx") (data (i32.const 620) "dir")
    (data (i32.const 200) "\00\20\00\00\40\00\00\00")
    (func (export "_start")
      (if (call $spawn1 (i32.const 512) (i32.const 4) (i32.const 0) (i32.const 600) (i32.const 6)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2)
            (i32.const 620) (i32.const 3) (i32.const 64)) (then unreachable))
      ;; Ends of pipes for input and output, none for errors.
      (if (i32.ne (i32.load8_u (i32.const 68)) (i32.const 1)) (then unreachable))
      (if (i32.ne (i32.load8_u (i32.const 76)) (i32.const 1)) (then unreachable))
      (if (i32.load8_u (i32.const 84)) (then unreachable))
      (i32.store (i32.const 300) (i32.load (i32.const 80)))
      (if (call $wait) (then unreachable))
      (if (i32.ne (i32.load16_u (i32.const 82)) (i32.const 9)) (then unreachable))
      (if (call $read (i32.load (i32.const 300)) (i32.const 200) (i32.const 1) (i32.const 304))
        (then unreachable))
      (call $exit (i32.load (i32.const 304)))))");
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, std::string_view("tell|x|A=caller|C=caller|").size());
  EXPECT_EQ(output_, "");
}

TEST_F(ProgramsTest, Spawn_OldForm_WhatItCannotDo_IsAnErrno) {
  const auto code = [this](std::string_view chroot, std::string_view preopens,
                           std::string_view mode, std::string_view directory_len) {
    return static_cast<Errno>(
        run("(data (i32.const 620) \"filex\") (func (export \"_start\") (call $exit (call $spawn1 "
            "(i32.const 512) (i32.const 4) (i32.const " +
            std::string(chroot) + ") (i32.const 0) (i32.const 0) (i32.const 0) (i32.const " +
            std::string(preopens) + ") (i32.const 1) (i32.const " + std::string(mode) +
            ") (i32.const 1) (i32.const 620) (i32.const " + std::string(directory_len) +
            ") (i32.const 64))))")
            .code);
  };
  EXPECT_EQ(code("1", "0", "1", "0"), Errno::kNotsup);
  EXPECT_EQ(code("0", "1", "1", "0"), Errno::kNotsup);
  EXPECT_EQ(code("0", "0", "3", "0"), Errno::kNotsup);
  EXPECT_EQ(code("0", "0", "4", "0"), Errno::kInval);
  EXPECT_EQ(code("0", "0", "1", "4"), Errno::kNotdir);
  EXPECT_EQ(code("0", "0", "1", "5"), Errno::kNoent);
  EXPECT_EQ(code("0", "0", "1", "0"), Errno::kSuccess);
}

// wasix-libc makes dup2 of preview 1's function; a program of preview 1 alone moves by it.
TEST_F(ProgramsTest, Renumber_OfPreview1_CopiesForProgramsOfWasix) {
  static constexpr std::string_view kBody = R"(
    (import "wasi_snapshot_preview1" "fd_renumber" (func $renumber (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (func (export "_start")
      (if (call $renumber (i32.const 0) (i32.const 1)) (then unreachable))
      (call $exit (call $close (i32.const 0)))))";
  const auto run = [this](std::string_view imports) {
    return machine_.run(
        *machine_.link_wat("(module " + std::string(imports) + std::string(kBody) + ")"), {});
  };
  EXPECT_EQ(run("").code, static_cast<unsigned>(Errno::kBadf));
  EXPECT_TRUE(
      run(R"((import "wasix_32v1" "thread_id" (func (param i32) (result i32))))").success());
}

}  // namespace
}  // namespace selvedge::wasix
