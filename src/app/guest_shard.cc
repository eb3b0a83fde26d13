#include "app/guest_shard.h"

namespace selvedge::app {

GuestShard::GuestShard(io::Reactor& reactor, engine::Engine& engine, const base::Clock& clock,
                       base::Random& random, io::HelperPool* helpers,
                       const engine::CpuClock* cpu_clock, HostNetwork host_network)
    : reactor_(reactor),
      engine_(engine),
      scheduler_(engine.ticker(), clock, {}, cpu_clock,
                 {.sharing = &engine.work_sharing(), .wake = [&reactor] { reactor.wake(); }}),
      background_(reactor, scheduler_),
      process_shard_{.reactor = reactor,
                     .scheduler = scheduler_,
                     .clock = clock,
                     .random = random,
                     .helpers = helpers},
      host_network_(host_network) {}

}  // namespace selvedge::app
