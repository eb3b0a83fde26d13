#pragma once

// How often and how long a command waits for a node that asks it to come again (429). A node says
// so before it does anything of a request, so any request can be repeated.

#include <algorithm>
#include <chrono>
#include <optional>

namespace selvedge::cli {

class RetryBudget {
 public:
  static constexpr int kRetriesMax = 20;
  static constexpr std::chrono::seconds kWaitTotalMax{60};
  // For a node that says 0, or nothing that can be read.
  static constexpr std::chrono::seconds kWaitMin{1};

  // How long to wait before the next try; nullopt: there is none, because that would be too often
  // or too long.
  std::optional<std::chrono::seconds> next(std::chrono::seconds retry_after) {
    const std::chrono::seconds wait = std::max(retry_after, kWaitMin);
    if (retries_ == kRetriesMax || wait > kWaitTotalMax - waited_) {
      return std::nullopt;
    }
    ++retries_;
    waited_ += wait;
    return wait;
  }

 private:
  int retries_ = 0;
  std::chrono::seconds waited_{0};
};

}  // namespace selvedge::cli
