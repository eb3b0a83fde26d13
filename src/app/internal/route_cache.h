#pragma once

// What a request's host has led to, as long as nothing has changed: one look, so that finding an
// app costs hardly more with ten thousand of them than with one.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"

namespace selvedge::app::internal {

// One thread.
template <class Target>
class RouteCache {
 public:
  // Of before something changed: what began then is not kept.
  using Epoch = std::uint64_t;

  // `entries_max`: all are dropped when there would be more.
  explicit RouteCache(std::size_t entries_max) noexcept : entries_max_(entries_max) {}

  // nullptr: it has to be found out.
  std::shared_ptr<Target> find(std::string_view host, base::MonotonicTime now) const {
    const auto known = entries_.find(host);
    if (known == entries_.end() || known->second.epoch != epoch_ || now >= known->second.until) {
      return nullptr;
    }
    return known->second.target.lock();
  }
  Epoch epoch() const noexcept { return epoch_; }
  // `epoch`: when it was begun to find this out. Does not keep the target.
  void put(std::string_view host, const std::shared_ptr<Target>& target, base::MonotonicTime until,
           Epoch epoch) {
    if (epoch != epoch_) {
      return;
    }
    if (entries_.size() >= entries_max_) {
      entries_.clear();
    }
    entries_.insert_or_assign(std::string(host),
                              Entry{.target = target, .until = until, .epoch = epoch});
  }
  void forget_everything() noexcept { ++epoch_; }

 private:
  struct Entry {
    std::weak_ptr<Target> target;
    base::MonotonicTime until;
    Epoch epoch = 0;
  };
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };

  std::size_t entries_max_;
  Epoch epoch_ = 0;
  std::unordered_map<std::string, Entry, Hash, std::equal_to<>> entries_;
};

}  // namespace selvedge::app::internal
