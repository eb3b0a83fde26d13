// What it costs a process with 64 MiB of touched memory to fork and to wait for a child that exits
// at once: a guest here, and a process of this machine.

#include <benchmark/benchmark.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/assert.h"
#include "base/format.h"
#include "wasix/process.h"
#include "wasix/testing/machine.h"
#include "wasix/workload.h"

namespace selvedge::wasix {
namespace {

// Forks of one process, so that its start and its touching of memory do not count.
constexpr std::int64_t kForks = 500;
constexpr std::size_t kTouchedBytes = std::size_t{64} << 20;

// As Asyncify would make it of a function without locals.
std::string forking_guest() {
  return fmt::format(R"((module
  (import "wasix_32v1" "proc_fork" (func $fork (param i32 i32) (result i32)))
  (import "wasix_32v1" "proc_join" (func $join (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1040)
  (global $state (mut i32) (i32.const 0))
  (func (export "asyncify_start_unwind") (param i32) (global.set $state (i32.const 1)))
  (func (export "asyncify_stop_unwind") (global.set $state (i32.const 0)))
  (func (export "asyncify_start_rewind") (param i32) (global.set $state (i32.const 2)))
  (func (export "asyncify_stop_rewind") (global.set $state (i32.const 0)))
  (func (export "asyncify_get_state") (result i32) (global.get $state))
  (func (export "_start")
    (if (i32.eqz (global.get $state)) (then
      (memory.fill (i32.const 65536) (i32.const 1) (i32.const {}))
      (i32.store (i32.const 0) (i32.const {}))))
    (loop $again
      (if (call $fork (i32.const 1) (i32.const 64)) (then unreachable))
      (if (i32.eq (global.get $state) (i32.const 1)) (then (return)))
      (if (i32.eqz (i32.load (i32.const 64))) (then (call $exit (i32.const 0))))
      (i64.store (i32.const 72) (i64.const 0))
      (if (call $join (i32.const 72) (i32.const 0) (i32.const 80)) (then unreachable))
      (i32.store (i32.const 0) (i32.sub (i32.load (i32.const 0)) (i32.const 1)))
      (br_if $again (i32.load (i32.const 0))))))
)",
                     kTouchedBytes, kForks);
}

void Fork_Guest64MiB(benchmark::State& state) {
  testing::Machine machine;
  const auto linked = machine.link_wat(forking_guest());
  SELVEDGE_ASSERT(linked.has_value());
  for (auto _ : state) {
    ProcessOptions options;
    options.workload = std::make_shared<Workload>(machine.reactor(), WorkloadOptions{});
    const ExitStatus status = machine.run(*linked, std::move(options));
    SELVEDGE_ASSERT(status.success());
  }
  state.SetItemsProcessed(state.iterations() * kForks);
}
BENCHMARK(Fork_Guest64MiB)->Unit(benchmark::kMillisecond)->UseRealTime();

void Fork_Native64MiB(benchmark::State& state) {
  const std::vector<std::byte> touched(kTouchedBytes, std::byte{1});
  benchmark::DoNotOptimize(touched.data());
  for (auto _ : state) {
    for (std::int64_t count = 0; count < kForks; ++count) {
      const pid_t child = ::fork();
      SELVEDGE_ASSERT(child >= 0);
      if (child == 0) {
        ::_exit(0);
      }
      SELVEDGE_ASSERT(::waitpid(child, nullptr, 0) == child);
    }
  }
  state.SetItemsProcessed(state.iterations() * kForks);
}
BENCHMARK(Fork_Native64MiB)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace selvedge::wasix
