#pragma once

// What was read from somewhere slow, kept for a while: also that there is nothing.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "io/reactor.h"
#include "io/single_flight.h"
#include "io/task.h"

namespace selvedge::app::internal {

// T is copied to whoever asks. One reactor's thread.
template <class T>
class RecordCache {
 public:
  static constexpr int kAttemptsMax = 4;
  // How long an old value does when it could not be read anew.
  static constexpr base::Duration kStaleTime = std::chrono::seconds(1);

  // An entry is read anew after `refresh_time`; while that fails it stays as it was. `entries_max`:
  // all are dropped when there would be more.
  RecordCache(io::Reactor& reactor, base::Duration refresh_time, std::size_t entries_max) noexcept
      : reactor_(reactor),
        refresh_time_(refresh_time),
        entries_max_(entries_max),
        reads_(reactor) {}

  // `read` returns Task<T>; it and what it refers to outlive this, or cancel(). Its errors are not
  // kept.
  template <class Read>
  io::Task<T> get(std::string key, Read read) {
    if (const auto entry = entries_.find(key);
        entry != entries_.end() && reactor_.now() < entry->second.fresh_until) {
      co_return T(entry->second.value);
    }
    co_return co_await reads_.run(key, [this, key, read = std::move(read)]() mutable {
      return read_entry(std::move(key), std::move(read));
    });
  }

  // What is kept of it is good until then; in the past: nothing is.
  base::MonotonicTime fresh_until(std::string_view key) const {
    const auto entry = entries_.find(key);
    return entry == entries_.end() ? base::MonotonicTime() : entry->second.fresh_until;
  }

  // Reads that are under way do not count any more either.
  void forget(std::string_view key) {
    ++generation_;
    if (const auto entry = entries_.find(key); entry != entries_.end()) {
      entries_.erase(entry);
    }
  }
  void forget_everything() {
    ++generation_;
    entries_.clear();
  }
  // Ends reads; who waits for one, or asks from now on, gets kDisconnected.
  void cancel() noexcept {
    entries_.clear();
    reads_.cancel();
  }

 private:
  struct Entry {
    T value;
    base::MonotonicTime fresh_until;
  };

  // Reads again when something was forgotten meanwhile: the value may be the one that was.
  template <class Read>
  io::Task<T> read_entry(std::string key, Read read) {
    for (int attempt = 1;; ++attempt) {
      const std::uint64_t generation = generation_;
      Result<T> value = co_await read();
      const auto known = entries_.find(key);
      if (!value.has_value()) {
        if (known == entries_.end()) {
          co_return value;
        }
        known->second.fresh_until = reactor_.now() + std::min(kStaleTime, refresh_time_);
        co_return T(known->second.value);
      }
      if (generation == generation_) {
        if (known == entries_.end() && entries_.size() >= entries_max_) {
          entries_.clear();
        }
        entries_.insert_or_assign(
            std::move(key), Entry{.value = *value, .fresh_until = reactor_.now() + refresh_time_});
        co_return value;
      }
      if (attempt == kAttemptsMax) {
        co_return value;  // not kept: there is no end to the changes
      }
    }
  }

  io::Reactor& reactor_;
  base::Duration refresh_time_;
  std::size_t entries_max_;
  std::uint64_t generation_ = 0;
  std::map<std::string, Entry, std::less<>> entries_;
  io::SingleFlight<std::string, T> reads_;
};

}  // namespace selvedge::app::internal
