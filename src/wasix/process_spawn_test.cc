// What posix_spawn() of wasix-libc asks of proc_spawn2: steps, folders, and texts that are not
// there.

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/format.h"
#include "engine/engine.h"
#include "wasix/fs_memory.h"
#include "wasix/process.h"
#include "wasix/testing/machine.h"
#include "wasix/testing/process_programs.h"
#include "wasix/workload.h"

namespace selvedge::wasix {
namespace {

using testing::Machine;
using testing::process_program;
using testing::TextLoader;

// step(INDEX, COMMAND, FD, PATH, SIZE) writes an operation; the fields that its command does not
// have hold what malloc gave, as in the library. run_child(STEPS) is the errno, negative, or the
// child's exit code.
constexpr std::string_view kSteps = R"(
  (data (i32.const 700) "dir/sub")
  (data (i32.const 720) "moved")
  (func $step (param $index i32) (param $command i32) (param $fd i32) (param $path i32)
      (param $size i32) (local $at i32)
    (local.set $at (i32.add (i32.const 1024) (i32.mul (local.get $index) (i32.const 56))))
    (memory.fill (local.get $at) (i32.const 0xa5) (i32.const 56))
    (i32.store8 (local.get $at) (local.get $command))
    (i32.store offset=4 (local.get $at) (local.get $fd))
    (i32.store offset=12 (local.get $at) (local.get $path))
    (i32.store offset=16 (local.get $at) (local.get $size)))
  (func $run_child (param $steps i32) (result i32) (local $error i32)
    (if (local.tee $error (call $start (local.get $steps)))
      (then (return (i32.sub (i32.const 0) (local.get $error)))))
    (if (call $wait) (then unreachable))
    (i32.load16_u (i32.const 82)))
)";
// A folder beneath the preopened one, opened in two steps with the rights that open() asks for.
constexpr std::string_view kOpenFolder = R"(
  (func $open_folder (result i32)
    (if (call $path_open (i32.const 3) (i32.const 1) (i32.const 700) (i32.const 3) (i32.const 2)
                         (i64.const -4194626) (i64.const -1) (i32.const 0)
                         (i32.const 0))
      (then unreachable))
    (if (call $path_open (i32.load (i32.const 0)) (i32.const 1) (i32.const 704) (i32.const 3)
                         (i32.const 2) (i64.const -4194626) (i64.const -1) (i32.const 0)
                         (i32.const 0))
      (then unreachable))
    (i32.load (i32.const 0)))
)";

class SpawnTest : public ::testing::Test {
 protected:
  SpawnTest() {
    files_ = *MemoryFileSystem::create({.clock = machine_.clock(), .lower = nullptr});
    EXPECT_TRUE(files_->open_root()->make_directory("dir"));
    EXPECT_TRUE(files_->open_root()->make_directory("dir/sub"));
    // Exits with the length of its working directory, plus 100 when that is "/dir/sub".
    loader_.commands["where"] = process_program("", R"(
      (data (i32.const 32) "/dir/sub")
      (func (export "_start")
        (i32.store (i32.const 40) (i32.const 64))
        (if (call $getcwd (i32.const 1024) (i32.const 40)) (then unreachable))
        (call $exit (i32.add (i32.load (i32.const 40))
          (i32.mul (i32.const 100)
                   (i64.eq (i64.load (i32.const 32)) (i64.load (i32.const 1024))))))))");
  }

  // The exit code of a program whose `_start` ends with what `body` leaves on the stack.
  int run(std::string_view child, std::string_view body) {
    auto linked = machine_.link_wat(process_program(
        child, fmt::format(R"({}{}(func (export "_start") (local $fd i32) {} (call $exit)))",
                           kSteps, kOpenFolder, body)));
    EXPECT_TRUE(linked) << linked.error().message();
    ProcessOptions options{.arguments = {"first"}, .environment = {"A=1", "B=2"}};
    options.preopens.push_back({.guest_path = "/", .directory = files_->open_root()});
    options.workload =
        std::make_shared<Workload>(machine_.reactor(), WorkloadOptions{.loader = &loader_});
    const ExitStatus status = machine_.run(*linked, std::move(options));
    EXPECT_EQ(status.kind, ExitStatus::Kind::kExited) << status.message;
    return static_cast<int>(status.code);
  }

  static int error_of(Errno error) { return -static_cast<int>(error); }

  Machine machine_;
  TextLoader loader_{machine_};
  std::shared_ptr<MemoryFileSystem> files_;
};

constexpr int kInSub = 108;
constexpr int kInRoot = 1;

TEST_F(SpawnTest, Fchdir_MovesTheChildToTheFolderOfADescriptor) {
  EXPECT_EQ(run("where", R"(
    (call $step (i32.const 0) (i32.const 4) (call $open_folder) (i32.const 0) (i32.const 0))
    (call $run_child (i32.const 1)))"),
            kInSub);
  // A preopened one.
  EXPECT_EQ(run("where", R"(
    (call $step (i32.const 0) (i32.const 3) (i32.const -1) (i32.const 700) (i32.const 7))
    (call $step (i32.const 1) (i32.const 4) (i32.const 3) (i32.const 0) (i32.const 0))
    (call $run_child (i32.const 2)))"),
            kInRoot);
}

TEST_F(SpawnTest, Fchdir_ToADescriptorThatAStepOpened_StartsFromTheChildsFolder) {
  EXPECT_EQ(run("where", R"(
    (call $step (i32.const 0) (i32.const 3) (i32.const -1) (i32.const 700) (i32.const 3))
    (call $step (i32.const 1) (i32.const 2) (i32.const 9) (i32.const 704) (i32.const 3))
    (i32.store (i32.const 1100) (i32.const 1))
    (i32.store16 (i32.const 1104) (i32.const 2))
    (i64.store (i32.const 1112) (i64.const 0))
    (i64.store (i32.const 1120) (i64.const 0))
    (i32.store16 (i32.const 1128) (i32.const 0))
    (call $step (i32.const 2) (i32.const 4) (i32.const 9) (i32.const 0) (i32.const 0))
    (call $run_child (i32.const 3)))"),
            kInSub);
}

TEST_F(SpawnTest, Fchdir_ToWhatIsNoFolder_IsAnErrno) {
  const auto error = [this](std::string_view fd) {
    return run("where", fmt::format(R"(
      (call $step (i32.const 0) (i32.const 4) (i32.const {}) (i32.const 0) (i32.const 0))
      (call $run_child (i32.const 1)))",
                                    fd));
  };
  EXPECT_EQ(error("99"), error_of(Errno::kBadf));
  EXPECT_EQ(error("-1"), error_of(Errno::kBadf));
  EXPECT_EQ(error("1"), error_of(Errno::kNotdir));
}

// The path of a working directory is all that a process has of it: another folder that has taken
// the path must not become it.
TEST_F(SpawnTest, Fchdir_ToAFolderThatHasMoved_IsNoent) {
  EXPECT_EQ(run("where", R"(
    (local.set $fd (call $open_folder))
    (call $step (i32.const 0) (i32.const 4) (local.get $fd) (i32.const 0) (i32.const 0))
    (if (call $path_rename (i32.const 3) (i32.const 700) (i32.const 7)
                           (i32.const 3) (i32.const 720) (i32.const 5)) (then unreachable))
    (call $run_child (i32.const 1)))"),
            error_of(Errno::kNoent));
  ASSERT_TRUE(files_->open_root()->make_directory("dir/sub"));
  EXPECT_EQ(run("where", R"(
    (local.set $fd (call $open_folder))
    (call $step (i32.const 0) (i32.const 4) (local.get $fd) (i32.const 0) (i32.const 0))
    (if (call $path_rename (i32.const 3) (i32.const 700) (i32.const 7)
                           (i32.const 3) (i32.const 720) (i32.const 2)) (then unreachable))
    (if (call $path_rename (i32.const 3) (i32.const 720) (i32.const 5)
                           (i32.const 3) (i32.const 700) (i32.const 7)) (then unreachable))
    (call $run_child (i32.const 1)))"),
            error_of(Errno::kNoent));
}

TEST_F(SpawnTest, CloseOfWhatIsNotOpen_IsNoFailure) {
  EXPECT_EQ(run("where", R"(
    (call $step (i32.const 0) (i32.const 0) (i32.const 99) (i32.const 0) (i32.const 0))
    (call $step (i32.const 1) (i32.const 0) (i32.const -1) (i32.const 0) (i32.const 0))
    (call $run_child (i32.const 2)))"),
            kInRoot);
}

TEST_F(SpawnTest, RelativeProgram_IsLookedForInTheChildsFolder) {
  auto tool = engine::wat_to_wasm(
      process_program("", R"((func (export "_start") (call $exit (i32.const 7))))"));
  ASSERT_TRUE(tool);
  auto opened =
      files_->open_root()->open("dir/sub/tool", {.oflags = Oflags::kCreat, .write = true});
  ASSERT_TRUE(opened);
  const base::ByteSpan bytes = *tool;
  ASSERT_TRUE(std::get<std::shared_ptr<File>>(*opened)->write(std::span(&bytes, 1)));
  EXPECT_EQ(run("./tool", R"(
    (call $step (i32.const 0) (i32.const 3) (i32.const -1) (i32.const 700) (i32.const 7))
    (call $run_child (i32.const 1)))"),
            7);
  EXPECT_EQ(run("./tool", "(call $run_child (i32.const 0))"), error_of(Errno::kNoent));
}

// The library measures a null PATH, and finds what is at the address 0.
TEST_F(SpawnTest, NullPathWithALength_IsNone) {
  EXPECT_EQ(run("where", R"(
    (i32.store (i32.const 0) (i32.const 0x6f6e2f))
    (call $spawn (i32.const 512) (i32.const 5) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 1) (i32.const 0) (i32.const 3) (i32.const 64)))"),
            0);
}

// system() of the library passes an empty text for its own environment.
TEST_F(SpawnTest, EmptyTextAsEnvironment_IsTheCallers) {
  loader_.commands["count"] = process_program("", R"((func (export "_start")
    (drop (call $environ_sizes (i32.const 0) (i32.const 4)))
    (call $exit (i32.load (i32.const 0)))))");
  EXPECT_EQ(run("count", R"(
    (if (call $spawn (i32.const 512) (i32.const 5) (i32.const 0) (i32.const 0)
      (i32.const 600) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 64)) (then unreachable))
    (if (call $wait) (then unreachable))
    (i32.load16_u (i32.const 82)))"),
            2);
}

}  // namespace
}  // namespace selvedge::wasix
