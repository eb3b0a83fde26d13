#include "engine/testing/guests.h"

#include <cstdlib>
#include <utility>

namespace selvedge::engine::testing {

EngineOptions small_pool(std::uint32_t instances_max) {
  EngineOptions options;
  options.instances_max = instances_max;
  options.memory_bytes_max = std::uint64_t{64} << 20;
  options.table_elements_max = 10'000;
  options.host_stack_bytes = 512 << 10;
  options.parallel_compilation = false;
  return options;
}

std::unique_ptr<Engine> make_engine(EngineOptions options) {
  auto engine = Engine::create(std::move(options));
  if (!engine) {
    ADD_FAILURE() << engine.error().message();
    return nullptr;
  }
  return *std::move(engine);
}

std::shared_ptr<const Module> compile(Engine& engine, std::string_view wat) {
  const auto wasm = wat_to_wasm(wat);
  if (!wasm) {
    ADD_FAILURE() << wasm.error().message();
    return nullptr;
  }
  auto module = engine.load(*wasm);
  if (!module) {
    ADD_FAILURE() << module.error().message();
    return nullptr;
  }
  return *std::move(module);
}

Guest::Guest(const HostFunctions& functions, std::shared_ptr<const Module> module,
             const InstanceLimits& limits) {
  if (module == nullptr) {
    return;
  }
  auto linked = functions.link(std::move(module));
  if (!linked) {
    ADD_FAILURE() << linked.error().message();
    return;
  }
  auto instance = Instance::create(*std::move(linked), *this, limits);
  if (!instance) {
    ADD_FAILURE() << instance.error().message();
    return;
  }
  instance_ = *std::move(instance);
}

Guest::~Guest() {
  fiber_.reset();
  instance_.reset();
}

Fiber& Guest::call(std::string_view name, std::initializer_list<std::uint64_t> arguments) {
  if (instance_ == nullptr) {
    ADD_FAILURE() << "there is no instance to call";
    std::abort();
  }
  fiber_.reset();
  auto fiber = instance_->call(name, arguments);
  if (!fiber) {
    ADD_FAILURE() << fiber.error().message();
    std::abort();
  }
  fiber_ = *std::move(fiber);
  return *fiber_;
}

Outcome Guest::run(std::string_view name, std::initializer_list<std::uint64_t> arguments,
                   int polls_max) {
  Fiber& fiber = call(name, arguments);
  for (int poll = 0; poll < polls_max; ++poll) {
    if (fiber.poll() == FiberStatus::kDone) {
      return fiber.outcome();
    }
  }
  fiber_.reset();
  return {.reason = EndReason::kKilled, .message = "too many polls"};
}

}  // namespace selvedge::engine::testing
