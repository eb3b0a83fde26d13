// Threads that compute for guests: they start when there is something to compute, and a system that
// refuses them takes nothing from the guests but the time.

#include "wasix/computing_shards.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <string_view>
#include <system_error>
#include <thread>

#include "wasix/process.h"
#include "wasix/testing/machine.h"

namespace selvedge::wasix {
namespace {

using testing::Machine;

// Two threads count to 20 million together, from when "begin" has been called; the exit code says
// whether they did.
constexpr std::string_view kProgram = R"((module
  (import "env" "memory" (memory 1 1 shared))
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasix_32v1" "thread_join" (func $join (param i32) (result i32)))
  (import "test" "begin" (func $begin (result i32)))
  (func $count
    (loop $more
      (br_if $more (i32.lt_u (i32.atomic.rmw.add (i32.const 0) (i32.const 1))
                             (i32.const 20000000)))))
  (func (export "wasi_thread_start") (param i32 i32) (call $count))
  (func (export "_start") (local $thread i32)
    (local.set $thread (call $spawn (i32.const 0)))
    (drop (call $begin))
    (call $count)
    (drop (call $join (local.get $thread)))
    (call $exit (i32.ne (i32.load (i32.const 0)) (i32.const 20000002))))))";

std::uint32_t nothing(Thread& /*thread*/) { return 0; }

rlimit address_space() {
  rlimit limit{};
  EXPECT_EQ(::getrlimit(RLIMIT_AS, &limit), 0);
  return limit;
}

// From now on no more address space than a thread's stack needs is left: none can be created.
std::uint32_t refuse_threads(Thread& /*thread*/) {
  std::uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  rlimit limit = address_space();
  limit.rlim_cur = pages * static_cast<std::uint64_t>(::getpagesize()) + (1U << 20U);
  EXPECT_EQ(::setrlimit(RLIMIT_AS, &limit), 0);
  EXPECT_THROW(std::thread([] {}).join(), std::system_error);
  return 0;
}

template <auto kBegin>
void expect_to_finish() {
  Machine machine;
  machine.functions().define<kBegin>("test", "begin");
  const auto linked = machine.link_wat(kProgram);
  ASSERT_TRUE(linked) << linked.error().message();
  const ExitStatus status = machine.run(*linked, {});
  EXPECT_EQ(status.kind, ExitStatus::Kind::kExited) << status.message;
  EXPECT_EQ(status.code, 0U);
}

TEST(ComputingShardsTest, TwoThreadsCompute_BothFinish) { expect_to_finish<&nothing>(); }

TEST(ComputingShardsTest, SystemRefusesThreads_GuestsComputeAtHome) {
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  GTEST_SKIP() << "sanitizers need the address space that this takes away";
#endif
  const rlimit before = address_space();
  expect_to_finish<&refuse_threads>();
  EXPECT_EQ(::setrlimit(RLIMIT_AS, &before), 0);
}

}  // namespace
}  // namespace selvedge::wasix
