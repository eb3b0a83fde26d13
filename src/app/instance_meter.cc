#include "app/instance_meter.h"

#include <chrono>

namespace selvedge::app {

InstanceMeter::InstanceMeter(VersionMetrics& metrics, const wasix::Process& process)
    : metrics_(metrics), process_(process) {
  metrics_.instances.add(1);
  metrics_.instances_started.add();
}

InstanceMeter::~InstanceMeter() {
  sample();
  metrics_.instances.add(-1);
}

void InstanceMeter::sample() noexcept {
  const base::Duration total = process_.workload().cpu_time().total;
  const auto more = std::chrono::floor<std::chrono::microseconds>(total - counted_);
  if (more.count() > 0) {
    metrics_.cpu_time.add(static_cast<std::uint64_t>(more.count()));
    counted_ += more;
  }
}

void count_end(VersionMetrics& metrics, const wasix::ExitStatus& status) noexcept {
  if (status.kind == wasix::ExitStatus::Kind::kLimit) {
    metrics.count_limit(status.timed_out ? Limit::kCpuTime : Limit::kOther);
  } else if (status.kind == wasix::ExitStatus::Kind::kFailed) {
    metrics.count_limit(Limit::kInstances);
  }
}

}  // namespace selvedge::app
