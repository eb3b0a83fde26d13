#include "wasix/testing/machine.h"

#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "io/deadline.h"
#include "wasix/host_functions.h"

namespace selvedge::wasix::testing {

namespace {

template <class T>
T expect(Result<T> result) {
  if (!result) {
    log::error("test machine: {}", result.error().message());
  }
  SELVEDGE_ASSERT(result.has_value());
  return *std::move(result);
}

engine::EngineOptions small_engine(std::uint32_t instances_max) {
  engine::EngineOptions options;
  options.instances_max = instances_max;
  options.memory_bytes_max = std::uint64_t{64} << 20;
  options.parallel_compilation = false;
  return options;
}

io::Task<> wait_event(io::Event& event, io::Deadline deadline) {
  co_return co_await event.wait(deadline);
}

io::Task<bool> yield_once(io::Reactor& reactor) {
  co_await reactor.yield();
  co_return true;
}

io::Task<ExitStatus> wait_process(Process& process) { co_return co_await process.wait(); }

}  // namespace

Machine::Machine(std::uint32_t instances_max)
    : reactor_(expect(io::KernelReactor::create(clock_))),
      engine_(expect(engine::Engine::create(small_engine(instances_max)))),
      functions_(std::make_unique<engine::HostFunctions>(*engine_)),
      scheduler_(std::make_unique<engine::Scheduler>(
          engine_->ticker(), clock_, std::function<void()>(), nullptr,
          engine::WorkSharingMembership{
              .sharing = &engine_->work_sharing(),
              .wake = [this] { reactor_->wake(); },
              .time_asleep = [this] { return reactor_->time_asleep(); }})),
      computing_(std::make_unique<ComputingShards>(*engine_, clock_, nullptr, 1)),
      background_(std::make_unique<GuestBackground>(*reactor_, *scheduler_)) {
  register_preview1(*functions_);
  register_snapshot0(*functions_);
  register_wasix(*functions_);
}

Machine::~Machine() = default;

ProcessShard Machine::shard() noexcept {
  return {.reactor = *reactor_,
          .scheduler = *scheduler_,
          .clock = clock_,
          .random = random_,
          .helpers = &helpers_};
}

Result<std::shared_ptr<const engine::LinkedModule>> Machine::link_wat(std::string_view wat) {
  SELVEDGE_TRY(const auto wasm, engine::wat_to_wasm(wat));
  return link_wasm(wasm);
}

Result<std::shared_ptr<const engine::LinkedModule>> Machine::link_wasm(base::ByteSpan wasm) {
  SELVEDGE_TRY(auto module, engine_->load(wasm));
  return functions_->link(std::move(module));
}

Result<std::shared_ptr<const engine::Library>> Machine::link_library(base::ByteSpan wasm) {
  SELVEDGE_TRY(auto module, engine_->load(wasm));
  return functions_->link_library(std::move(module), wasm);
}

ExitStatus Machine::run(std::shared_ptr<const engine::LinkedModule> module,
                        ProcessOptions options) {
  const auto process = expect(Process::create(shard(), std::move(module), std::move(options)));
  if (const Result<> started = process->start(); !started) {
    return *process->status();
  }
  return expect(reactor_->run(wait_process(*process)));
}

bool Machine::run_until(const std::function<bool()>& condition) {
  const base::MonotonicTime end = clock_.now() + kTimeMax;
  while (!condition()) {
    if (clock_.now() > end) {
      return false;
    }
    static_cast<void>(reactor_->run(yield_once(*reactor_)));
    if (scheduler_->has_work()) {
      scheduler_->run_slice();
    }
  }
  return true;
}

CallingGuest::CallingGuest(Machine& machine, std::shared_ptr<const engine::LinkedModule> module,
                           ProcessOptions options)
    : machine_(machine),
      module_(std::move(module)),
      process_(expect(Process::create(machine.shard(), module_, std::move(options)))) {
  done_.emplace(machine.reactor());
  make_instance();
}

CallingGuest::~CallingGuest() {
  fiber_.reset();
  instance_.reset();
}

void CallingGuest::make_instance() {
  instance_.reset();
  thread_ = std::make_unique<Thread>(*process_);
  instance_ = expect(engine::Instance::create(module_, *thread_));
  begin("nop", {});
  static_cast<void>(finish());
}

void CallingGuest::begin(std::string_view name, std::span<const std::uint64_t> arguments) {
  if (outcome_.reason != engine::EndReason::kFinished) {
    outcome_ = {};
    make_instance();  // one that ended must not be called again
  }
  for (std::size_t index = 0; index < arguments.size(); ++index) {
    put_value(static_cast<std::uint32_t>(index * 8), arguments[index]);
  }
  outcome_ = {};
  done_->reset();
  fiber_.reset();
  fiber_ = expect(instance_->call(name));
  machine_.scheduler().start(*fiber_, *this, {});
}

bool CallingGuest::turn() {
  do {
    while (machine_.scheduler().has_work()) {
      machine_.scheduler().run_slice();
    }
    static_cast<void>(expect(machine_.reactor().run(yield_once(machine_.reactor()))));
  } while (machine_.scheduler().has_work());
  return fiber_ == nullptr;
}

std::optional<Errno> CallingGuest::finish() {
  const auto ended = machine_.reactor().run(
      wait_event(*done_, machine_.reactor().deadline_at(machine_.clock().now() + kCallTimeMax)));
  SELVEDGE_ASSERT(ended.has_value());
  if (outcome_.reason != engine::EndReason::kFinished) {
    return std::nullopt;
  }
  return static_cast<Errno>(outcome_.result);
}

std::optional<Errno> CallingGuest::call(std::string_view name,
                                        std::initializer_list<std::uint64_t> arguments) {
  return call(name, std::span(arguments.begin(), arguments.size()));
}

std::optional<Errno> CallingGuest::call(std::string_view name,
                                        std::span<const std::uint64_t> arguments) {
  begin(name, arguments);
  return finish();
}

void CallingGuest::fiber_done(engine::Fiber& fiber) {
  outcome_ = fiber.outcome();
  fiber_.reset();
  done_->set();
}

std::uint32_t CallingGuest::put(std::uint32_t address, std::string_view bytes) {
  const auto target = memory().bytes(address, bytes.size());
  SELVEDGE_ASSERT(target.has_value());
  if (!bytes.empty()) {
    std::memcpy(target->data(), bytes.data(), bytes.size());
  }
  return address + static_cast<std::uint32_t>(bytes.size());
}

std::string CallingGuest::text(std::uint32_t address, std::uint32_t size) const {
  return memory().read_string(address, size).value_or("out of bounds");
}

}  // namespace selvedge::wasix::testing
