#pragma once

// `health_checks` of app.yaml: how a node finds out that a program does not serve any more. Sources
// of the schema: Wasmer's documentation of app.yaml and its code, which spell what is expected in
// two ways; both are read.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "app/http_check.h"
#include "base/clock.h"

namespace selvedge::app {

inline constexpr std::size_t kHealthChecksMax = 8;
inline constexpr std::uint32_t kHealthThresholdMax = 100;

struct HealthCheckConfig {
  // Its timeout is set.
  HttpCheck http;
  base::Duration interval = std::chrono::seconds(60);
  // Failures in a row after which the program is started anew; successes in a row after which it is
  // healthy, at its start.
  std::uint32_t unhealthy_threshold = 1;
  std::uint32_t healthy_threshold = 1;

  friend bool operator==(const HealthCheckConfig&, const HealthCheckConfig&) = default;
};

inline constexpr base::Duration kHealthTimeoutDefault = std::chrono::seconds(5);
inline constexpr base::Duration kHealthIntervalMin = std::chrono::milliseconds(100);

}  // namespace selvedge::app
