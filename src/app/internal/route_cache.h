#pragma once

// What a request's host has led to, as long as nothing has changed: one look, so that finding an
// app costs hardly more with ten thousand of them than with one. What a look needs of a host of
// usual length is one cache line of one table, which can be asked for as soon as the host is known.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "app/internal/prefetch.h"
#include "base/clock.h"

namespace selvedge::app::internal {

// One thread.
template <class Target>
class RouteCache {
 public:
  // Of before something changed: what began then is not kept.
  using Epoch = std::uint64_t;
  // Longer ones are not kept. Up to 27 bytes are in the first line of an entry.
  static constexpr std::size_t kHostBytesMax = 91;

  // `entries_max`: all are dropped when there would be more, at the latest when twice as many.
  explicit RouteCache(std::size_t entries_max) noexcept : entries_max_(entries_max) {}

  // Begins to fetch what find() looks at first.
  void prefetch(std::string_view host) const noexcept {
    if (!entries_.empty()) {
      __builtin_prefetch(&entries_[first_place_of(host)]);
    }
  }
  // nullptr: it has to be found out. Begins to fetch the target, as far as it is of use at once.
  std::shared_ptr<Target> find(std::string_view host, base::MonotonicTime now) const {
    if (entries_.empty()) {
      return nullptr;
    }
    const Entry& entry = entries_[place_of(host)];
    if (entry.free() || entry.epoch != static_cast<std::uint32_t>(epoch_) || now >= entry.until) {
      return nullptr;
    }
    if (entry.beginning != nullptr) {
      internal::prefetch(entry.beginning, std::min(sizeof(Target), kTargetBytesOfUse));
    }
    return entry.target.lock();
  }
  Epoch epoch() const noexcept { return epoch_; }
  // `epoch`: when it was begun to find this out. Does not keep the target.
  void put(std::string_view host, const std::shared_ptr<Target>& target, base::MonotonicTime until,
           Epoch epoch) {
    if (epoch != epoch_ || host.empty() || host.size() > kHostBytesMax) {
      return;
    }
    if (used_ * 2 >= entries_.size()) {
      grow();
    }
    Entry& entry = entries_[place_of(host)];
    used_ += entry.free() ? 1 : 0;
    entry.beginning = target.get();
    entry.target = target;
    entry.until = until;
    entry.epoch = static_cast<std::uint32_t>(epoch);
    entry.size = static_cast<std::uint8_t>(host.size());
    std::ranges::copy(host, entry.host.begin());
  }
  void forget_everything() noexcept { ++epoch_; }

 private:
  static constexpr std::size_t kEntriesMin = 64;
  // The beginning of a target, with the count of its owners before it.
  static constexpr std::size_t kTargetBytesOfUse = 896;

  // Its lines lie side by side, which processors fetch together.
  struct alignas(2 * kCacheLineBytes) Entry {
    const Target* beginning = nullptr;  // may be gone
    std::weak_ptr<Target> target;
    base::MonotonicTime until;
    // The lower half: `until` passes long before it could come again.
    std::uint32_t epoch = 0;
    std::uint8_t size = 0;  // of the host; 0: nothing was ever here
    std::array<char, kHostBytesMax> host{};

    bool free() const noexcept { return size == 0; }
    std::string_view name() const noexcept { return {host.data(), size}; }
  };
  static_assert(sizeof(Entry) == 2 * kCacheLineBytes);

  std::size_t first_place_of(std::string_view host) const noexcept {
    return std::hash<std::string_view>()(host) & (entries_.size() - 1);
  }
  // Where it is, or would be: of a power of two, of which at least a half is free.
  std::size_t place_of(std::string_view host) const noexcept {
    std::size_t place = first_place_of(host);
    while (!entries_[place].free() && entries_[place].name() != host) {
      place = (place + 1) & (entries_.size() - 1);
    }
    return place;
  }
  void grow() {
    std::vector<Entry> before = std::exchange(entries_, {});
    const auto is_kept = [this](const Entry& entry) {
      return !entry.free() && entry.epoch == static_cast<std::uint32_t>(epoch_);
    };
    const auto kept = static_cast<std::size_t>(std::ranges::count_if(before, is_kept));
    const bool full = kept >= entries_max_;
    std::size_t size = kEntriesMin;
    while (!full && size <= kept * 2) {
      size *= 2;
    }
    entries_.resize(size);
    used_ = full ? 0 : kept;
    for (Entry& entry : before) {
      if (!full && is_kept(entry)) {
        entries_[place_of(entry.name())] = std::move(entry);
      }
    }
  }

  std::size_t entries_max_;
  Epoch epoch_ = 1;
  std::vector<Entry> entries_;
  std::size_t used_ = 0;
};

}  // namespace selvedge::app::internal
