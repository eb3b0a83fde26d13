// What a switch between two contexts of a guest thread costs, there and back.

#include <benchmark/benchmark.h>

#include <cstdint>

#include "base/assert.h"
#include "base/format.h"
#include "wasix/process.h"
#include "wasix/testing/machine.h"

namespace selvedge::wasix {
namespace {

// Of one process, so that its start does not count.
constexpr std::int64_t kRounds = 100'000;

void Context_SwitchThereAndBack(benchmark::State& state) {
  testing::Machine machine;
  // As many mutable globals as a C program has, and some more.
  const auto linked = machine.link_wat(fmt::format(R"((module
  (import "wasix_32v1" "context_create" (func $create (param i32 i32) (result i32)))
  (import "wasix_32v1" "context_switch" (func $switch (param i64) (result i32)))
  (memory (export "memory") 1)
  (table 2 funcref) (elem (i32.const 1) $back)
  (global (mut i32) (i32.const 1))
  (global (mut i32) (i32.const 2))
  (global (mut i64) (i64.const 3))
  (func $back (loop $again (drop (call $switch (i64.const 0))) (br $again)))
  (func (export "_start") (local $left i32)
    (if (call $create (i32.const 0) (i32.const 1)) (then unreachable))
    (local.set $left (i32.const {}))
    (loop $again
      (if (call $switch (i64.load (i32.const 0))) (then unreachable))
      (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))))
)",
                                                   kRounds));
  SELVEDGE_ASSERT(linked.has_value());
  for (auto _ : state) {
    const ExitStatus status = machine.run(*linked, {});
    SELVEDGE_ASSERT(status.success());
  }
  state.SetItemsProcessed(state.iterations() * kRounds);
}
BENCHMARK(Context_SwitchThereAndBack)->Unit(benchmark::kMillisecond)->UseRealTime();

void Context_CreateAndDestroy(benchmark::State& state) {
  testing::Machine machine;
  const auto linked = machine.link_wat(fmt::format(R"((module
  (import "wasix_32v1" "context_create" (func $create (param i32 i32) (result i32)))
  (import "wasix_32v1" "context_destroy" (func $destroy (param i64) (result i32)))
  (memory (export "memory") 1)
  (table 2 funcref) (elem (i32.const 1) $begin)
  (func $begin)
  (func (export "_start") (local $left i32)
    (local.set $left (i32.const {}))
    (loop $again
      (if (call $create (i32.const 0) (i32.const 1)) (then unreachable))
      (if (call $destroy (i64.load (i32.const 0))) (then unreachable))
      (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))))
)",
                                                   kRounds / 10));
  SELVEDGE_ASSERT(linked.has_value());
  for (auto _ : state) {
    const ExitStatus status = machine.run(*linked, {});
    SELVEDGE_ASSERT(status.success());
  }
  state.SetItemsProcessed(state.iterations() * kRounds / 10);
}
BENCHMARK(Context_CreateAndDestroy)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace selvedge::wasix
