#include "app/guest_shard.h"

#include <algorithm>
#include <utility>

#include "wasix/fs_devices.h"

namespace selvedge::app {

GuestShard::GuestShard(io::Reactor& reactor, engine::Engine& engine, const base::Clock& clock,
                       base::Random& random, io::HelperPool* helpers,
                       const engine::CpuClock* cpu_clock, HostNetwork host_network)
    : reactor_(reactor),
      engine_(engine),
      scheduler_(engine.ticker(), clock, {}, cpu_clock,
                 {.sharing = &engine.work_sharing(),
                  .wake = [&reactor] { reactor.wake(); },
                  .time_asleep = [&reactor] { return reactor.time_asleep(); }}),
      background_(reactor, scheduler_),
      process_shard_{.reactor = reactor,
                     .scheduler = scheduler_,
                     .clock = clock,
                     .random = random,
                     .helpers = helpers},
      host_network_(host_network),
      device_files_(wasix::make_device_file_system(clock)),
      layered_device_files_(
          wasix::add_shared_memory(*device_files_, {.clock = clock, .lower = nullptr}, false)) {}

std::shared_ptr<const engine::LinkedModule> GuestShard::counted_here(
    std::shared_ptr<const engine::LinkedModule> module) {
  // When there may be as many gone as there are.
  if (modules_.size() >= sweep_modules_at_) {
    std::erase_if(modules_, [](const auto& entry) { return entry.second.expired(); });
    sweep_modules_at_ = std::max(kSweepModulesMin, 2 * modules_.size());
  }
  auto& known = modules_[module.get()];
  auto counted = known.lock();
  if (counted == nullptr) {
    const engine::LinkedModule* const counted_module = module.get();
    // Lets go of it with the last owner here: the entry stays a while longer.
    counted = {counted_module, [module = std::move(module)](const engine::LinkedModule*) mutable {
                 module.reset();
               }};
    known = counted;
  }
  return counted;
}

}  // namespace selvedge::app
