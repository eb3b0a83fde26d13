#include "node/rate_limiter.h"

#include <algorithm>
#include <chrono>
#include <vector>

namespace selvedge::node {

double RateLimiter::left_in(const Bucket& bucket) const noexcept {
  const std::chrono::duration<double> passed = clock_.now() - bucket.counted;
  return std::min(limit_.burst, bucket.left + std::max(passed.count(), 0.0) * limit_.per_second);
}

std::optional<base::Duration> RateLimiter::wait_for(double left) const noexcept {
  if (left >= 1) {
    return std::nullopt;
  }
  return std::chrono::ceil<base::Duration>(
      std::chrono::duration<double>((1 - left) / limit_.per_second));
}

std::optional<base::Duration> RateLimiter::wait_of(std::string_view name) const {
  const auto found = buckets_.find(name);
  return found == buckets_.end() ? std::nullopt : wait_for(left_in(found->second));
}

std::optional<base::Duration> RateLimiter::take(std::string_view name) {
  auto found = buckets_.find(name);
  if (found == buckets_.end()) {
    make_room();
    found = buckets_.emplace(name, Bucket{.left = limit_.burst, .counted = clock_.now()}).first;
  }
  Bucket& bucket = found->second;
  bucket.left = left_in(bucket);
  bucket.counted = clock_.now();
  const auto wait = wait_for(bucket.left);
  if (!wait.has_value()) {
    bucket.left -= 1;
  }
  return wait;
}

void RateLimiter::make_room() {
  if (buckets_.size() < names_max_) {
    return;
  }
  std::erase_if(buckets_,
                [this](const auto& entry) { return left_in(entry.second) >= limit_.burst; });
  if (buckets_.size() < names_max_) {
    return;
  }
  // Many at once, so that the next ones have room too.
  std::vector<base::MonotonicTime> times;
  times.reserve(buckets_.size());
  for (const auto& [name, bucket] : buckets_) {
    times.push_back(bucket.counted);
  }
  const auto quarter = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 4);
  std::ranges::nth_element(times, quarter);
  std::erase_if(buckets_,
                [limit = *quarter](const auto& entry) { return entry.second.counted <= limit; });
}

}  // namespace selvedge::node
