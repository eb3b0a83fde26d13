#pragma once

// How often somebody may do something: a bucket for each name (a token, an address), which fills
// again with time. Bounded, however many names come: full buckets are forgotten first, since they
// say nothing, then those that were used longest ago.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"

namespace selvedge::node {

struct RateLimit {
  double per_second;  // greater than 0
  double burst;       // at least 1
};

// One thread.
class RateLimiter {
 public:
  static constexpr std::size_t kNamesMaxDefault = 4096;

  RateLimiter(const base::Clock& clock [[clang::lifetimebound]], RateLimit limit,
              std::size_t names_max = kNamesMaxDefault) noexcept
      : clock_(clock), limit_(limit), names_max_(names_max) {}

  // Takes one from the bucket. nullopt: it was there; else how long until the next one is.
  std::optional<base::Duration> take(std::string_view name);
  // The same answer without taking.
  std::optional<base::Duration> wait_of(std::string_view name) const;

  std::size_t size() const noexcept { return buckets_.size(); }

 private:
  struct Bucket {
    double left;
    base::MonotonicTime counted;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>()(text);
    }
  };
  double left_in(const Bucket& bucket) const noexcept;
  std::optional<base::Duration> wait_for(double left) const noexcept;
  void make_room();

  const base::Clock& clock_;
  RateLimit limit_;
  std::size_t names_max_;
  std::unordered_map<std::string, Bucket, Hash, std::equal_to<>> buckets_;
};

}  // namespace selvedge::node
