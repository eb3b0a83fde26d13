#include "wasix/computing_shards.h"

#include <system_error>
#include <utility>

#include "engine/scheduler.h"
#include "wasix/guest_background.h"

namespace selvedge::wasix {

ComputingShards::ComputingShards(engine::Engine& engine, const base::Clock& clock,
                                 const engine::CpuClock* cpu_clock, std::size_t count)
    : engine_(engine), clock_(clock), cpu_clock_(cpu_clock), count_(count) {
  if (count_ > 0) {
    engine_.work_sharing().set_reserve([this] { start(); }, count_);
  }
}

ComputingShards::~ComputingShards() { engine_.work_sharing().set_reserve(nullptr); }

void ComputingShards::start() noexcept {
  if (count_ == 0) {
    return;
  }
  if (auto group = io::ShardGroup::create(clock_, {.shards = std::exchange(count_, 0)})) {
    group_ = *std::move(group);
    // A system that refuses a thread says so by throwing; those that have started compute.
    try {
      group_->start([this](io::Shard& shard) { return compute(shard); });
    } catch (const std::system_error&) {
      return;
    }
  }
}

io::Task<> ComputingShards::compute(io::Shard& shard) {
  engine::Scheduler scheduler(
      engine_.ticker(), clock_, {}, cpu_clock_,
      {.sharing = &engine_.work_sharing(), .wake = [&shard] { shard.reactor().wake(); }});
  const GuestBackground background(shard.reactor(), scheduler);
  co_await shard.stop_requested().wait();
  co_return {};
}

}  // namespace selvedge::wasix
