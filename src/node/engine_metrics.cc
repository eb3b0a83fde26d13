#include "node/engine_metrics.h"

#include <utility>

#include "base/metrics_text.h"

namespace selvedge::node {

std::string expose_engine_metrics(engine::Engine& engine) {
  const engine::WorkSharing& sharing = engine.work_sharing();
  base::MetricsText text;
  text.family("selvedge_guest_loans_total", "Times that an idle shard computed for a busy one",
              base::MetricType::kCounter);
  text.series({}, sharing.loans());
  text.family("selvedge_guest_slices_away_total",
              "Time slices that guests had on another shard than their own",
              base::MetricType::kCounter);
  text.series({}, sharing.slices_away());
  return std::move(text).take();
}

}  // namespace selvedge::node
