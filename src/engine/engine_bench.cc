// What the engine costs: host calls, suspension, fresh instances, and idle instances' memory.
// Run one by one on a quiet machine: --benchmark_filter=HostCall.

#include <benchmark/benchmark.h>

#include <deque>
#include <fstream>
#include <string>

#include "base/assert.h"
#include "base/system.h"
#include "engine/engine.h"
#include "engine/host_functions.h"
#include "engine/instance.h"
#include "engine/scheduler.h"

namespace selvedge::engine {
namespace {

// Calls made by one entry into the guest, so that entering does not count.
constexpr std::uint64_t kCallsPerEntry = 10'000;

class BenchCall final : public PendingCall<std::uint32_t> {
 public:
  std::optional<std::uint32_t> poll() override { return 1; }
};

std::uint32_t call_now(HostContext&, std::uint32_t a, std::uint32_t b, std::uint32_t c,
                       std::uint32_t d) {
  return a + b + c + d;
}
Blocking<std::uint32_t> call_ready(HostContext&, std::uint32_t a, std::uint32_t b, std::uint32_t c,
                                   std::uint32_t d) {
  return a + b + c + d;
}
Blocking<std::uint32_t> call_waiting(HostContext&) { return std::make_unique<BenchCall>(); }

constexpr std::string_view kWat = R"((module
    (import "bench" "now" (func $now (param i32 i32 i32 i32) (result i32)))
    (import "bench" "ready" (func $ready (param i32 i32 i32 i32) (result i32)))
    (import "bench" "wait" (func $wait (result i32)))
    (memory (export "memory") 2)
    (data (i32.const 1024) "an initial image")
    (func (export "empty") (param i32)
      (loop $l (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
    (func (export "now") (param i32)
      (loop $l (drop (call $now (local.get 0) (i32.const 2) (i32.const 3) (i32.const 4)))
        (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
    (func (export "ready") (param i32)
      (loop $l (drop (call $ready (local.get 0) (i32.const 2) (i32.const 3) (i32.const 4)))
        (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
    (func (export "wait_forever") (loop $l (drop (call $wait)) (br $l)))
    (func (export "nothing"))
    (func (export "touch")
      (i32.store (i32.const 4096) (i32.const 1)) (i32.store (i32.const 70000) (i32.const 1)))))";

struct World {
  explicit World(std::uint32_t instances_max) {
    EngineOptions options;
    options.instances_max = instances_max;
    auto made = Engine::create(std::move(options));
    SELVEDGE_ASSERT(made.has_value());
    engine = *std::move(made);
    functions = std::make_unique<HostFunctions>(*engine);
    functions->define<&call_now>("bench", "now");
    functions->define<&call_ready>("bench", "ready");
    functions->define<&call_waiting>("bench", "wait");
    const auto wasm = wat_to_wasm(kWat);
    auto module = engine->load(*wasm);
    SELVEDGE_ASSERT(module.has_value());
    linked = *functions->link(*std::move(module));
  }
  std::unique_ptr<Engine> engine;
  std::unique_ptr<HostFunctions> functions;
  std::shared_ptr<const LinkedModule> linked;
};

void run_loop(benchmark::State& state, std::string_view name) {
  World world(2);
  HostContext context;
  const auto instance = *Instance::create(world.linked, context);
  for (auto _ : state) {
    const auto fiber = *instance->call(name, {kCallsPerEntry});
    SELVEDGE_ASSERT(fiber->poll() == FiberStatus::kDone);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kCallsPerEntry));
}

// The loop around the calls alone, to be subtracted.
void HostCall_None(benchmark::State& state) { run_loop(state, "empty"); }
BENCHMARK(HostCall_None);
void HostCall_Synchronous(benchmark::State& state) { run_loop(state, "now"); }
BENCHMARK(HostCall_Synchronous);
void HostCall_BlockingButReady(benchmark::State& state) { run_loop(state, "ready"); }
BENCHMARK(HostCall_BlockingButReady);

// One host call that waits: the fiber suspends, is woken, its call is polled, and it resumes.
void Fiber_SuspendAndResume(benchmark::State& state) {
  World world(2);
  HostContext context;
  const auto instance = *Instance::create(world.linked, context);
  const auto fiber = *instance->call("wait_forever");
  fiber->poll();
  for (auto _ : state) {
    fiber->wake();
    benchmark::DoNotOptimize(fiber->poll());
  }
}
BENCHMARK(Fiber_SuspendAndResume);

class NoOwner final : public FiberOwner {
 public:
  void fiber_done(Fiber&) override {}
};

// The same through the scheduler, with its clock readings and its tick.
void Scheduler_SuspendAndResume(benchmark::State& state) {
  World world(2);
  const base::SystemClock clock;
  NoOwner owner;
  Scheduler scheduler(world.engine->ticker(), clock);
  HostContext context;
  const auto instance = *Instance::create(world.linked, context);
  const auto fiber = *instance->call("wait_forever");
  scheduler.start(*fiber, owner, {});
  scheduler.run_slice();
  for (auto _ : state) {
    fiber->wake();
    scheduler.run_slice();
  }
  scheduler.remove(*fiber);
}
BENCHMARK(Scheduler_SuspendAndResume);

void fresh_instance(benchmark::State& state, std::string_view name) {
  World world(16);
  for (auto _ : state) {
    HostContext context;
    const auto instance = *Instance::create(world.linked, context);
    const auto fiber = *instance->call(name);
    SELVEDGE_ASSERT(fiber->poll() == FiberStatus::kDone);
  }
}
// A new instance, one call, and the instance's end.
void Instance_FreshCallDrop(benchmark::State& state) { fresh_instance(state, "nothing"); }
BENCHMARK(Instance_FreshCallDrop);
void Instance_FreshTouchTwoPagesDrop(benchmark::State& state) { fresh_instance(state, "touch"); }
BENCHMARK(Instance_FreshTouchTwoPagesDrop);

void Instance_KillWaiting(benchmark::State& state) {
  World world(16);
  for (auto _ : state) {
    HostContext context;
    const auto instance = *Instance::create(world.linked, context);
    const auto fiber = *instance->call("wait_forever");
    fiber->poll();
  }
}
BENCHMARK(Instance_KillWaiting);

std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  file >> total >> resident;
  return resident * 4096;
}

// Mappings of this process; the kernel allows vm.max_map_count of them.
std::size_t mapping_count() {
  std::ifstream file("/proc/self/maps");
  std::size_t count = 0;
  for (std::string line; std::getline(file, line);) {
    ++count;
  }
  return count;
}

// Instances that wait in a host call: what each adds to the process.
void Instance_ResidentWhileIdle(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  World world(static_cast<std::uint32_t>(count) + 1);
  struct Guest {
    HostContext context;
    std::unique_ptr<Instance> instance;
    std::unique_ptr<Fiber> fiber;
  };
  for (auto _ : state) {
    std::deque<Guest> guests;
    const std::size_t before = resident_bytes();
    const std::size_t mappings_before = mapping_count();
    for (std::size_t index = 0; index < count; ++index) {
      Guest& guest = guests.emplace_back();
      guest.instance = *Instance::create(world.linked, guest.context);
      guest.fiber = *guest.instance->call("wait_forever");
      guest.fiber->poll();
    }
    state.counters["KB_each"] =
        static_cast<double>(resident_bytes() - before) / 1024 / static_cast<double>(count);
    state.counters["mappings_each"] =
        static_cast<double>(mapping_count() - mappings_before) / static_cast<double>(count);
    state.counters["mappings"] = static_cast<double>(mapping_count());
    for (Guest& guest : guests) {
      guest.fiber.reset();
      guest.instance.reset();
    }
  }
}
BENCHMARK(Instance_ResidentWhileIdle)
    ->Arg(1)
    ->Arg(1000)
    ->Arg(10'000)
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

void Engine_Create(benchmark::State& state) {
  for (auto _ : state) {
    EngineOptions options;
    options.instances_max = static_cast<std::uint32_t>(state.range(0));
    benchmark::DoNotOptimize(Engine::create(std::move(options)));
  }
}
BENCHMARK(Engine_Create)->Arg(16)->Arg(1000)->Arg(10'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace selvedge::engine
