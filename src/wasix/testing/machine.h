#pragma once

// A shard with everything that a guest needs, for tests; and a guest whose host calls the test
// makes one by one.

#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/system.h"
#include "engine/engine.h"
#include "engine/host_functions.h"
#include "engine/library.h"
#include "engine/scheduler.h"
#include "io/helper_pool.h"
#include "io/kernel_reactor.h"
#include "wasix/abi.h"
#include "wasix/computing_shards.h"
#include "wasix/guest_background.h"
#include "wasix/process.h"
#include "wasix/thread.h"

namespace selvedge::wasix::testing {

// One thread. Aborts when something of it cannot be made.
class Machine {
 public:
  // `instances_max`: guest threads at once.
  explicit Machine(std::uint32_t instances_max = 16);
  ~Machine();

  io::KernelReactor& reactor() noexcept { return *reactor_; }
  engine::Scheduler& scheduler() noexcept { return *scheduler_; }
  const base::Clock& clock() const noexcept { return clock_; }
  // For a test's own imports, before it links.
  engine::HostFunctions& functions() noexcept { return *functions_; }
  ProcessShard shard() noexcept;

  // Compiled and linked with WASI preview 1 and snapshot 0; the error's sentence as a string.
  Result<std::shared_ptr<const engine::LinkedModule>> link_wat(std::string_view wat);
  Result<std::shared_ptr<const engine::LinkedModule>> link_wasm(base::ByteSpan wasm);
  Result<std::shared_ptr<const engine::Library>> link_library(base::ByteSpan wasm);

  // Runs the module's _start to its end.
  ExitStatus run(std::shared_ptr<const engine::LinkedModule> module, ProcessOptions options);
  // Runs the shard until `condition` holds (true), at most for kTimeMax.
  static constexpr std::chrono::seconds kTimeMax{10};
  bool run_until(const std::function<bool()>& condition);

 private:
  base::SystemClock clock_;
  base::SystemRandom random_;
  std::unique_ptr<io::KernelReactor> reactor_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<engine::HostFunctions> functions_;
  std::unique_ptr<engine::Scheduler> scheduler_;
  // Computes for the guests that have more than one thread to run.
  std::unique_ptr<ComputingShards> computing_;
  std::unique_ptr<GuestBackground> background_;
  io::ThreadHelperPool helpers_;
};

// Calls single imports as a guest would. Its memory is that of a real instance: the first
// kArgumentBytes of it hold the arguments, the rest is the test's.
class CallingGuest final : private engine::FiberOwner {
 public:
  static constexpr std::uint32_t kArgumentBytes = 128;
  // How long a call may take before it is given up.
  static constexpr std::chrono::seconds kCallTimeMax{10};

  // `module`: of trampoline_wat.
  CallingGuest(Machine& machine, std::shared_ptr<const engine::LinkedModule> module,
               ProcessOptions options);
  ~CallingGuest() override;

  // Calls and waits for the result, at most kCallTimeMax; nullopt: the guest ended, see outcome().
  std::optional<Errno> call(std::string_view name, std::initializer_list<std::uint64_t> arguments);
  std::optional<Errno> call(std::string_view name, std::span<const std::uint64_t> arguments);
  // Begins a call that is expected to wait; finish() returns its result, drop() abandons it.
  void begin(std::string_view name, std::span<const std::uint64_t> arguments);
  void begin(std::string_view name, std::initializer_list<std::uint64_t> arguments) {
    begin(name, std::span(arguments.begin(), arguments.size()));
  }
  // Runs the shard until the call has ended (true) or waits for what only time, or the test, can
  // bring.
  bool turn();
  std::optional<Errno> finish();
  void drop() noexcept { fiber_.reset(); }
  // As a signal to the thread does while a call waits.
  void interrupt(Signal signal = Signal::kUsr1) noexcept {
    thread_->add_pending_signals(std::uint32_t{1} << static_cast<std::uint32_t>(signal));
    fiber_->interrupt();
  }

  Process& process() noexcept { return *process_; }
  engine::GuestMemory memory() const noexcept { return thread_->memory(); }
  const engine::Outcome& outcome() const noexcept { return outcome_; }

  // Puts bytes into guest memory; the address behind them.
  std::uint32_t put(std::uint32_t address, std::string_view bytes);
  template <class T>
  void put_value(std::uint32_t address, const T& value) {
    put(address, base::as_text(std::as_bytes(std::span(&value, 1))));
  }
  std::string text(std::uint32_t address, std::uint32_t size) const;
  template <class T>
  T value(std::uint32_t address) const {
    return *memory().read(engine::GuestPtr<T>{address});
  }

 private:
  void make_instance();
  void fiber_done(engine::Fiber& fiber) override;

  Machine& machine_;
  std::shared_ptr<const engine::LinkedModule> module_;
  std::unique_ptr<Process> process_;
  std::unique_ptr<Thread> thread_;
  std::unique_ptr<engine::Instance> instance_;
  std::unique_ptr<engine::Fiber> fiber_;
  engine::Outcome outcome_;
  std::optional<io::Event> done_;
};

}  // namespace selvedge::wasix::testing
