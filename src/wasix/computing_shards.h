#pragma once

// Shards that serve nothing and have no guests of their own: they compute for schedulers that have
// too much (engine/work_sharing.h), where there are no other shards to do it.

#include <cstddef>
#include <memory>

#include "base/clock.h"
#include "engine/cpu_clock.h"
#include "engine/engine.h"
#include "io/shard.h"

namespace selvedge::wasix {

class ComputingShards {
 public:
  // `count` of them start when a scheduler first finds nobody to lend to, or as many as the system
  // allows. One for each engine. Everything outlives this.
  ComputingShards(engine::Engine& engine [[clang::lifetimebound]],
                  const base::Clock& clock [[clang::lifetimebound]],
                  const engine::CpuClock* cpu_clock, std::size_t count);
  // Ends them; what they have borrowed is given back.
  ~ComputingShards();
  ComputingShards(const ComputingShards&) = delete;
  ComputingShards& operator=(const ComputingShards&) = delete;

 private:
  void start() noexcept;
  io::Task<> compute(io::Shard& shard);

  engine::Engine& engine_;
  const base::Clock& clock_;
  const engine::CpuClock* cpu_clock_;
  std::size_t count_;
  std::unique_ptr<io::ShardGroup> group_;
};

}  // namespace selvedge::wasix
