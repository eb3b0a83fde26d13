// Limits that hold for all processes of a workload together.

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>

#include "wasix/fs_memory.h"
#include "wasix/process.h"
#include "wasix/stdio.h"
#include "wasix/testing/machine.h"
#include "wasix/testing/process_programs.h"
#include "wasix/workload.h"

namespace selvedge::wasix {
namespace {

using testing::Machine;
using testing::process_program;
using testing::TextLoader;
using Kind = ExitStatus::Kind;

constexpr std::uint64_t kPage = 65'536;
constexpr std::string_view kSpin = R"((func (export "_start") (loop (br 0))))";

class WorkloadLimitsTest : public ::testing::Test {
 protected:
  ProcessOptions options() {
    ProcessOptions made{.arguments = {"first"}};
    made.preopens.push_back({.guest_path = "/", .directory = files_->open_root()});
    made.workload = std::make_shared<Workload>(
        machine_.reactor(), WorkloadOptions{.loader = &loader_, .processes_max = 32});
    workload_ = made.workload;
    return made;
  }
  std::unique_ptr<Process> start(std::string_view wat, ProcessOptions made) {
    auto linked = machine_.link_wat(wat);
    EXPECT_TRUE(linked) << linked.error().message();
    auto process = Process::create(machine_.shard(), *linked, std::move(made));
    EXPECT_TRUE(process);
    EXPECT_TRUE((*process)->start());
    return *std::move(process);
  }
  ExitStatus run(std::string_view wat, ProcessOptions made) {
    const auto process = start(wat, std::move(made));
    return *machine_.reactor().run(process->wait());
  }

  Machine machine_;
  TextLoader loader_{machine_};
  std::shared_ptr<MemoryFileSystem> files_ =
      *MemoryFileSystem::create({.clock = machine_.clock(), .lower = nullptr});
  std::shared_ptr<Workload> workload_;
};

// An attack: children without end, each of which takes what it can get.
TEST_F(WorkloadLimitsTest, MemoryHogs_TogetherStayWithinTheLimit) {
  loader_.commands["hog"] = process_program("hog", R"(
    (func (export "_start") (local $count i32)
      (loop $again
        (drop (call $start (i32.const 0)))
        (local.set $count (i32.add (local.get $count) (i32.const 1)))
        (br_if $again (i32.ne (local.get $count) (i32.const 4))))
      (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
      (loop $touch (i32.store (i32.const 0) (i32.const 1)) (br $touch))))");
  ProcessOptions made = options();
  made.limits.instance.memory_bytes_max = 20 * kPage;
  const auto process = start(loader_.commands["hog"], std::move(made));
  EXPECT_TRUE(machine_.run_until([this] {
    EXPECT_LE(workload_->memory().used(), 20 * kPage);
    return workload_->process_count() > 5 && workload_->memory().used() == 20 * kPage;
  }));
  // All of them end at once.
  process->kill();
  EXPECT_EQ(machine_.reactor().run(process->wait())->kind, Kind::kSignaled);
  EXPECT_EQ(workload_->process_count(), 0U);
  EXPECT_EQ(workload_->memory().used(), 0U);
}

TEST_F(WorkloadLimitsTest, RefusedMemory_IsNamedWhenTheProgramTraps) {
  loader_.commands["spin"] = "(module (memory (export \"memory\") 5)" + std::string(kSpin) + ")";
  ProcessOptions made = options();
  made.limits.instance.memory_bytes_max = 7 * kPage;
  const ExitStatus status = run(process_program("spin", R"(
    (func (export "_start")
      (drop (call $start (i32.const 0)))
            (loop $wait_for_the_child
        (br_if $wait_for_the_child (i32.ne (memory.grow (i32.const 2)) (i32.const -1)))
        unreachable)))"),
                                std::move(made));
  EXPECT_EQ(status.kind, Kind::kTrapped);
  EXPECT_NE(status.message.find("the limit of 458752 bytes for all processes of the workload"),
            std::string::npos)
      << status.message;
}

TEST_F(WorkloadLimitsTest, SharedMemory_CountsAndIsGivenBackByZombies) {
  loader_.commands["threaded"] = R"((module
    (import "env" "memory" (memory 4 100 shared)) (export "memory" (memory 0))
    (func (export "_start")
      (if (i32.ne (memory.grow (i32.const 5)) (i32.const 4)) (then unreachable))
      (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable)))))";
  ProcessOptions made = options();
  made.limits.instance.memory_bytes_max = 10 * kPage;
  const ExitStatus status = run(process_program("threaded", R"(
    (func (export "_start") (local $count i32)
      (loop $more
        (if (call $start (i32.const 0)) (then unreachable))
        (i32.store (i32.const 72) (i32.const 0))
        ;; Ended, but not joined: the zombies have no memory.
        (loop $running
          (drop (call $join (i32.const 72) (i32.const 1) (i32.const 80)))
          (br_if $running (i32.eqz (i32.load8_u (i32.const 80)))))
        (if (i32.ne (i32.load16_u (i32.const 82)) (i32.const 0)) (then unreachable))
        (if (i32.ne (i32.load8_u (i32.const 80)) (i32.const 1)) (then unreachable))
        (local.set $count (i32.add (local.get $count) (i32.const 1)))
        (br_if $more (i32.ne (local.get $count) (i32.const 3))))))"),
                                std::move(made));
  EXPECT_TRUE(status.success()) << status.message;
}

TEST_F(WorkloadLimitsTest, ChildWhoseSharedMemoryDoesNotFit_IsNomem) {
  loader_.commands["threaded"] = R"((module
    (import "env" "memory" (memory 10 100 shared)) (export "memory" (memory 0))
    (func (export "_start"))))";
  ProcessOptions made = options();
  made.limits.instance.memory_bytes_max = 10 * kPage;
  const ExitStatus status = run(process_program("threaded", R"(
    (func (export "_start") (call $exit (call $start (i32.const 0)))))"),
                                std::move(made));
  EXPECT_EQ(status.code, static_cast<unsigned>(Errno::kNomem)) << status.message;
}

TEST_F(WorkloadLimitsTest, CpuTimeOfChildren_EndsTheWorkload) {
  loader_.commands["spin"] = "(module (memory (export \"memory\") 1)" + std::string(kSpin) + ")";
  ProcessOptions made = options();
  made.limits.instance.cpu_time_max = std::chrono::milliseconds(40);
  const ExitStatus status = run(process_program("spin", R"(
    (func (export "_start") (local $count i32)
      (loop $more
        (drop (call $start (i32.const 0)))
        (local.set $count (i32.add (local.get $count) (i32.const 1)))
        (br_if $more (i32.ne (local.get $count) (i32.const 4))))
      (drop (call $wait)) unreachable))"),
                                std::move(made));
  EXPECT_EQ(status.kind, Kind::kLimit) << status.message;
  EXPECT_TRUE(status.timed_out);
  EXPECT_EQ(status.message, "the processes of the workload used their 40 ms of CPU time together");
  EXPECT_EQ(workload_->process_count(), 0U);
}

TEST_F(WorkloadLimitsTest, OutputOfChildren_EndsTheWorkload) {
  loader_.commands["print"] = process_program("", R"(
    (data (i32.const 100) "\00\00\00\00\64\00\00\00")
    (func (export "_start")
      (drop (call $write (i32.const 1) (i32.const 100) (i32.const 1) (i32.const 0)))))");
  ProcessOptions made = options();
  made.standard_output = std::make_shared<LineHandle>([](std::string_view) {});
  made.limits.output_bytes_max = 350;
  const ExitStatus status = run(process_program("print", R"(
    (func (export "_start") (local $count i32)
      (loop $more
        (drop (call $start (i32.const 0)))
        (drop (call $wait))
        (local.set $count (i32.add (local.get $count) (i32.const 1)))
        (br_if $more (i32.ne (local.get $count) (i32.const 10))))))"),
                                std::move(made));
  EXPECT_EQ(status.kind, Kind::kLimit) << status.message;
  EXPECT_EQ(status.message, "the limit of 350 bytes of output is passed");
}

}  // namespace
}  // namespace selvedge::wasix
