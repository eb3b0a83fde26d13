#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "gateway/http_server.h"

namespace selvedge::gateway::internal {

// Holds a peer to MinimumRate over one transfer. Only the time spent waiting for the peer counts,
// so a slow handler is not held against it.
class RateWatch {
 public:
  explicit RateWatch(const MinimumRate& rate) noexcept : rate_(rate), allowance_(rate.grace) {}

  // How long the coming wait may take.
  base::Duration allowance() const noexcept { return std::max(allowance_, base::Duration::zero()); }
  // A wait took `waited` and then `bytes` moved.
  void moved(base::Duration waited, std::size_t bytes) noexcept {
    const auto earned = std::chrono::nanoseconds(
        static_cast<std::int64_t>(bytes * (kNanosecondsPerSecond / rate_.bytes_per_second)));
    // What fast bytes earn does not pay for a long silence.
    allowance_ = std::min(allowance_ - waited + earned, rate_.grace);
  }

 private:
  static constexpr std::uint64_t kNanosecondsPerSecond = 1'000'000'000;
  MinimumRate rate_;
  base::Duration allowance_;
};

}  // namespace selvedge::gateway::internal
