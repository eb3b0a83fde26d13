// Guest threads and futexes, by whole programs.

#include <gtest/gtest.h>

#include <cstddef>
#include <fstream>
#include <string>

#include "wasix/process.h"
#include "wasix/testing/machine.h"

namespace selvedge::wasix {
namespace {

using testing::Machine;
using Kind = ExitStatus::Kind;

// A program with `body` as its functions; it imports what the bodies below use, and a shared memory
// of 1 to 4 pages.
std::string program(std::string_view body) {
  return R"((module
  (import "env" "memory" (memory 1 4 shared))
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasix_32v1" "thread_join" (func $join (param i32) (result i32)))
  (import "wasix_32v1" "thread_exit" (func $thread_exit (param i32)))
  (import "wasix_32v1" "thread_sleep" (func $sleep (param i64) (result i32)))
  (import "wasix_32v1" "thread_id" (func $id (param i32) (result i32)))
  (import "wasix_32v1" "futex_wait" (func $futex_wait (param i32 i32 i32 i32) (result i32)))
  (import "wasix_32v1" "futex_wake" (func $futex_wake (param i32 i32) (result i32)))
  (import "wasix_32v1" "futex_wake_all" (func $futex_wake_all (param i32 i32) (result i32)))
)" + std::string(body) +
         ")";
}

class ThreadsTest : public ::testing::Test {
 protected:
  ExitStatus run(std::string_view body, ProcessOptions options = {}) {
    auto linked = machine_.link_wat(program(body));
    EXPECT_TRUE(linked) << linked.error().message();
    return machine_.run(*linked, std::move(options));
  }

  Machine machine_;
};

TEST_F(ThreadsTest, Spawn_SharesMemoryAndJoins) {
  // The thread stores its argument; the main thread exits with it.
  const ExitStatus status = run(R"(
    (func (export "wasi_thread_start") (param $id i32) (param $argument i32)
      (i32.store (i32.const 64) (local.get $argument)))
    (func (export "_start")
      (drop (call $join (call $spawn (i32.const 42))))
      (call $exit (i32.load (i32.const 64)))))");
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 42U);
}

TEST_F(ThreadsTest, ThreadId_IsTheOneThatSpawnAnswered) {
  const ExitStatus status = run(R"(
    (func (export "wasi_thread_start") (param $id i32) (param $argument i32)
      (drop (call $id (i32.const 64)))
      (i32.store (i32.const 68) (local.get $id)))
    (func (export "_start") (local $spawned i32)
      (local.set $spawned (call $spawn (i32.const 0)))
      (drop (call $join (local.get $spawned)))
      (drop (call $id (i32.const 72)))
      (call $exit (i32.or
        (i32.ne (local.get $spawned) (i32.load (i32.const 64)))
        (i32.or (i32.ne (local.get $spawned) (i32.load (i32.const 68)))
                (i32.ne (i32.const 1) (i32.load (i32.const 72))))))))");
  EXPECT_EQ(status.code, 0U) << status.message;
}

TEST_F(ThreadsTest, Futex_PingPong_AlternatesTenThousandTimes) {
  // The word at 0 counts: the main thread makes it odd, the other even. 16 holds "no timeout".
  const ExitStatus status = run(R"(
    (func $turn (param $parity i32)
      (loop $again
        (block $done
          (br_if $done (i32.ge_u (i32.load (i32.const 0)) (i32.const 20000)))
          (if (i32.eq (i32.and (i32.load (i32.const 0)) (i32.const 1)) (local.get $parity))
            (then
              (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
              (drop (call $futex_wake (i32.const 0) (i32.const 8))))
            (else
              (drop (call $futex_wait (i32.const 0) (i32.load (i32.const 0)) (i32.const 16)
                                      (i32.const 12)))))
          (br $again))))
    (func (export "wasi_thread_start") (param i32 i32)
      (call $turn (i32.const 1)) (drop (call $futex_wake (i32.const 0) (i32.const 8))))
    (func (export "_start") (local $thread i32)
      (local.set $thread (call $spawn (i32.const 0)))
      (call $turn (i32.const 0))
      (drop (call $futex_wake (i32.const 0) (i32.const 8)))
      (drop (call $join (local.get $thread)))
      (call $exit (i32.ne (i32.load (i32.const 0)) (i32.const 20000)))))");
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 0U);
}

TEST_F(ThreadsTest, FutexWait_TimesOut_AndSaysNotWoken) {
  // The timeout at 16: one millisecond. 12 becomes 0, which was 7.
  const ExitStatus status = run(R"(
    (func (export "_start")
      (i32.store8 (i32.const 12) (i32.const 7))
      (i32.store8 (i32.const 16) (i32.const 1))
      (i64.store (i32.const 24) (i64.const 1000000))
      (if (call $futex_wait (i32.const 0) (i32.const 0) (i32.const 16) (i32.const 12))
        (then unreachable))
      (call $exit (i32.load8_u (i32.const 12)))))");
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 0U);
}

TEST_F(ThreadsTest, FutexWakeAll_WakesEveryThread) {
  // Four threads count themselves at 4, wait for the word at 0, and count themselves out at 8.
  const ExitStatus status = run(R"(
    (func (export "wasi_thread_start") (param i32 i32)
      (drop (i32.atomic.rmw.add (i32.const 4) (i32.const 1)))
      (loop $again
        (drop (call $futex_wait (i32.const 0) (i32.const 0) (i32.const 16) (i32.const 12)))
        (br_if $again (i32.eqz (i32.load (i32.const 0)))))
      (drop (i32.atomic.rmw.add (i32.const 8) (i32.const 1))))
    (func (export "_start") (local $left i32)
      (local.set $left (i32.const 4))
      (loop $more
        (drop (call $spawn (i32.const 0)))
        (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
      (loop $counting
        (drop (call $sleep (i64.const 0)))
        (br_if $counting (i32.ne (i32.load (i32.const 4)) (i32.const 4))))
      (i32.store (i32.const 0) (i32.const 1))
      (drop (call $futex_wake_all (i32.const 0) (i32.const 12)))
      (loop $leaving
        (drop (call $sleep (i64.const 1000)))
        (br_if $leaving (i32.ne (i32.load (i32.const 8)) (i32.const 4))))
      (call $exit (i32.const 0))))");
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
}

TEST_F(ThreadsTest, AtomicInstructions_UseTheSameQueueAsFutexCalls) {
  const ExitStatus status = run(R"(
    (func (export "wasi_thread_start") (param i32 i32)
      (i32.store (i32.const 4)
        (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))))
    (func (export "_start") (local $thread i32)
      (i32.store (i32.const 4) (i32.const 9))
      (local.set $thread (call $spawn (i32.const 0)))
      (loop $again
        (drop (call $sleep (i64.const 1000)))
        (drop (call $futex_wake (i32.const 0) (i32.const 12)))
        (br_if $again (i32.eqz (i32.load8_u (i32.const 12)))))
      (drop (call $join (local.get $thread)))
      (if (i32.ne (memory.atomic.wait32 (i32.const 0) (i32.const 1) (i64.const -1))
                  (i32.const 1)) (then unreachable))
      (if (i32.ne (memory.atomic.wait64 (i32.const 8) (i64.load (i32.const 8)) (i64.const 1000))
                  (i32.const 2)) (then unreachable))
      (call $exit (i32.load (i32.const 4)))))");
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 0U);
}

TEST_F(ThreadsTest, Exit_OfAnyThread_EndsTheProcess) {
  const ExitStatus status = run(R"(
    (func (export "wasi_thread_start") (param i32 i32) (call $exit (i32.const 5)))
    (func (export "_start") (drop (call $spawn (i32.const 0)))
      (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))))");
  EXPECT_EQ(status.code, 5U) << status.message;
}

TEST_F(ThreadsTest, Trap_OfAnyThread_EndsTheProcess) {
  const ExitStatus status = run(R"(
    (func (export "wasi_thread_start") (param i32 i32) unreachable)
    (func (export "_start") (drop (call $spawn (i32.const 0))) (loop (br 0))))");
  EXPECT_EQ(status.kind, Kind::kTrapped);
}

TEST_F(ThreadsTest, ThreadExit_OfTheMainThread_LetsTheOthersFinish) {
  const ExitStatus status = run(R"(
    (func (export "wasi_thread_start") (param i32 i32)
      (drop (call $sleep (i64.const 1000000)))
      (call $exit (i32.const 8)))
    (func (export "_start") (drop (call $spawn (i32.const 0)))
      (call $thread_exit (i32.const 1))))");
  EXPECT_EQ(status.kind, Kind::kExited);
  EXPECT_EQ(status.code, 8U);
}

TEST_F(ThreadsTest, SpawnWithoutEnd_IsRefusedAtTheLimit) {
  // The exit code is the number of threads that were there at once.
  const ExitStatus status = run(R"(
    (func (export "wasi_thread_start") (param i32 i32)
      (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))))
    (func (export "_start") (local $count i32)
      (local.set $count (i32.const 1))
      (loop $more
        (if (i32.gt_s (call $spawn (i32.const 0)) (i32.const 0)) (then
          (local.set $count (i32.add (local.get $count) (i32.const 1)))
          (br $more))))
      (call $exit (local.get $count))))",
                                ProcessOptions{.limits = {.threads_max = 6}});
  EXPECT_EQ(status.code, 6U) << status.message;
}

TEST_F(ThreadsTest, SharedMemory_GrowsToTheProcessLimitOnly) {
  const ExitStatus status = run(
      R"(
    (func (export "_start")
      (if (i32.ne (memory.grow (i32.const 1)) (i32.const 1)) (then unreachable))
      (call $exit (i32.eq (memory.grow (i32.const 1)) (i32.const -1)))))",
      ProcessOptions{.limits = {.instance = {.memory_bytes_max = 2 * 65'536}}});
  EXPECT_EQ(status.kind, Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 1U);
}

TEST_F(ThreadsTest, BadArguments_AreErrnosOrTraps) {
  // kFault for a futex, a flag or a timeout outside memory; kInval for a futex that is not aligned
  // and a tag that is no tag.
  const ExitStatus status = run(R"(
    (func (export "_start")
      (if (i32.ne (call $futex_wait (i32.const -1) (i32.const 0) (i32.const 16) (i32.const 12))
                  (i32.const 21)) (then unreachable))
      (if (i32.ne (call $futex_wait (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 12))
                  (i32.const 21)) (then unreachable))
      (if (i32.ne (call $futex_wait (i32.const 0) (i32.const 0) (i32.const 16) (i32.const -1))
                  (i32.const 21)) (then unreachable))
      (if (i32.ne (call $futex_wait (i32.const 2) (i32.const 0) (i32.const 16) (i32.const 12))
                  (i32.const 28)) (then unreachable))
      (i32.store8 (i32.const 16) (i32.const 2))
      (if (i32.ne (call $futex_wait (i32.const 0) (i32.const 0) (i32.const 16) (i32.const 12))
                  (i32.const 28)) (then unreachable))
      (if (i32.ne (call $join (i32.const 1)) (i32.const 16)) (then unreachable))
      (if (i32.ne (call $join (i32.const 77)) (i32.const 71)) (then unreachable))
      (if (i32.ne (call $futex_wake (i32.const -2) (i32.const 0)) (i32.const 21))
        (then unreachable))))");
  EXPECT_TRUE(status.success()) << status.message;
}

TEST_F(ThreadsTest, CpuTimeLimit_CountsAllThreads) {
  const ExitStatus status =
      run(R"(
    (func (export "wasi_thread_start") (param i32 i32) (loop (br 0)))
    (func (export "_start")
      (drop (call $spawn (i32.const 0))) (drop (call $spawn (i32.const 0)))
      (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))))",
          {.limits = {.instance = {.cpu_time_max = std::chrono::milliseconds(30)}}});
  EXPECT_EQ(status.kind, Kind::kLimit) << status.message;
  EXPECT_TRUE(status.timed_out);
}

std::size_t threads_of_this_program() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word == "Threads:") {
      std::size_t count = 0;
      status >> count;
      return count;
    }
  }
  return 0;
}

// Fewer under ThreadSanitizer, whose own address space leaves no room for ten thousand memories.
#if __has_feature(thread_sanitizer)
constexpr std::uint32_t kThreads = 500;
#else
constexpr std::uint32_t kThreads = 10'000;
#endif

// Blocked guests cost no thread of the host: ten thousand of them wait for one futex.
TEST(ManyThreadsTest, TenThousandWaiting_NeedNoThreadOfTheHost) {
  Machine machine(kThreads + 1);
  const auto linked = machine.link_wat(program(std::string(R"(
    (func (export "wasi_thread_start") (param i32 i32)
      (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))
      (drop (i32.atomic.rmw.add (i32.const 8) (i32.const 1))))
    (func (export "_start") (local $count i32)
      (loop $more
        (br_if $more (i32.gt_s (call $spawn (i32.const 0)) (i32.const 0))))
      ;; Until the host says so.
      (drop (memory.atomic.wait32 (i32.const 4) (i32.const 0) (i64.const -1)))
      (drop (memory.atomic.notify (i32.const 0) (i32.const -1)))
      (loop $running
        (drop (call $sleep (i64.const 0)))
        (br_if $running (i32.lt_u (i32.atomic.load (i32.const 8)) (i32.const )") +
                                               std::to_string(kThreads) + R"())))
      (call $exit (i32.const 7))))"));
  ASSERT_TRUE(linked) << linked.error().message();
  const auto process =
      *Process::create(machine.shard(), *linked, {.limits = {.threads_max = kThreads + 1}});
  const std::size_t before = threads_of_this_program();
  ASSERT_TRUE(process->start());
  ASSERT_TRUE(machine.run_until([&] {
    return process->threads().count() == kThreads + 1 && !machine.scheduler().has_work();
  }));
  // The machine's own for guests that compute may have started.
  EXPECT_LE(threads_of_this_program(), before + 1);
  EXPECT_EQ(process->futexes().wake(4, 1), 1U);
  const ExitStatus status = *machine.reactor().run(process->wait());
  EXPECT_EQ(status.code, 7U) << status.message;
}

}  // namespace
}  // namespace selvedge::wasix
