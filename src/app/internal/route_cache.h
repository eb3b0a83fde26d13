#pragma once

// What a request's host has led to, as long as nothing has changed: one look, so that finding an
// app costs hardly more with ten thousand of them than with one. What a look needs lies side by
// side in one table; each step to somewhere else would be another wait for memory.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace selvedge::app::internal {

// One thread.
template <class Target>
class RouteCache {
 public:
  // Of before something changed: what began then is not kept.
  using Epoch = std::uint64_t;
  // Longer ones are not kept.
  static constexpr std::size_t kHostBytesMax = 64;

  // `entries_max`: all are dropped when there would be more, at the latest when twice as many.
  explicit RouteCache(std::size_t entries_max) noexcept : entries_max_(entries_max) {}

  // nullptr: it has to be found out.
  std::shared_ptr<Target> find(std::string_view host, base::MonotonicTime now) const {
    if (entries_.empty()) {
      return nullptr;
    }
    const Entry& entry = entries_[place_of(host, hash_of(host))];
    return entry.epoch == epoch_ && now < entry.until && entry.name() == host ? entry.target.lock()
                                                                              : nullptr;
  }
  Epoch epoch() const noexcept { return epoch_; }
  // `epoch`: when it was begun to find this out. Does not keep the target.
  void put(std::string_view host, const std::shared_ptr<Target>& target, base::MonotonicTime until,
           Epoch epoch) {
    if (epoch != epoch_ || host.size() > kHostBytesMax) {
      return;
    }
    if (used_ * 2 >= entries_.size()) {
      grow();
    }
    Entry& entry = entries_[place_of(host, hash_of(host))];
    used_ += entry.epoch == kNever ? 1 : 0;
    entry = {.hash = hash_of(host), .epoch = epoch, .until = until, .target = target};
    entry.size = host.size();
    std::ranges::copy(host, entry.host.begin());
  }
  void forget_everything() noexcept { ++epoch_; }

 private:
  static constexpr Epoch kNever = 0;
  static constexpr std::size_t kEntriesMin = 64;

  struct Entry {
    std::size_t hash = 0;
    Epoch epoch = kNever;
    base::MonotonicTime until;
    std::weak_ptr<Target> target;
    std::size_t size = 0;
    std::array<char, kHostBytesMax> host{};

    std::string_view name() const noexcept { return {host.data(), size}; }
  };

  static std::size_t hash_of(std::string_view host) noexcept {
    return std::hash<std::string_view>()(host);
  }
  // Where it is, or would be: of a power of two, of which at least a half is free.
  std::size_t place_of(std::string_view host, std::size_t hash) const noexcept {
    const std::size_t mask = entries_.size() - 1;
    std::size_t place = hash & mask;
    while (entries_[place].epoch != kNever &&
           !(entries_[place].hash == hash && entries_[place].name() == host)) {
      place = (place + 1) & mask;
    }
    return place;
  }
  void grow() {
    std::vector<Entry> before = std::exchange(entries_, {});
    const auto kept = static_cast<std::size_t>(
        std::ranges::count(before, epoch_, [](const Entry& entry) { return entry.epoch; }));
    const bool full = kept >= entries_max_;
    std::size_t size = kEntriesMin;
    while (!full && size <= kept * 2) {
      size *= 2;
    }
    entries_.resize(size);
    used_ = full ? 0 : kept;
    for (Entry& entry : before) {
      if (!full && entry.epoch == epoch_) {
        entries_[place_of(entry.name(), entry.hash)] = std::move(entry);
      }
    }
  }

  std::size_t entries_max_;
  Epoch epoch_ = kNever + 1;
  std::vector<Entry> entries_;
  std::size_t used_ = 0;
};

}  // namespace selvedge::app::internal
