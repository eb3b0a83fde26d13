#pragma once

// Measures the instances of a version on one shard: how many, their memory and processor time, the
// limits that they meet.

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "app/app_metrics.h"
#include "base/clock.h"
#include "engine/instance.h"
#include "wasix/process.h"

namespace selvedge::app {

// Counts linear memories, and refuses nothing. Outlives what it counts.
class MemoryMeter final : public engine::MemoryAccount {
 public:
  // `metrics` outlive this.
  explicit MemoryMeter(VersionMetrics& metrics [[clang::lifetimebound]]) noexcept
      : metrics_(metrics) {}

  bool reserve(std::size_t bytes) noexcept override {
    metrics_.add_memory(static_cast<std::int64_t>(bytes));
    return true;
  }
  void release(std::size_t bytes) noexcept override {
    metrics_.add_memory(-static_cast<std::int64_t>(bytes));
  }
  void note_refusal() noexcept override { metrics_.count_limit(Limit::kMemory); }
  std::string limit_text() const override { return {}; }

 private:
  VersionMetrics& metrics_;
};

// One instance, from its start for as long as it lives.
class InstanceMeter {
 public:
  // `process`: of this instance. Both outlive this.
  InstanceMeter(VersionMetrics& metrics [[clang::lifetimebound]],
                const wasix::Process& process [[clang::lifetimebound]]);
  InstanceMeter(const InstanceMeter&) = delete;
  InstanceMeter& operator=(const InstanceMeter&) = delete;
  ~InstanceMeter();

  // Adds the processor time since the last call.
  void sample() noexcept;

 private:
  VersionMetrics& metrics_;
  const wasix::Process& process_;
  base::Duration counted_{};
};

// Counts the limit that ended an instance, if one did.
void count_end(VersionMetrics& metrics, const wasix::ExitStatus& status) noexcept;

}  // namespace selvedge::app
