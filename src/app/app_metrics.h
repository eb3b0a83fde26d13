#pragma once

// What a node counts of its apps, by version: requests, latency, starts, processor time, memory,
// limits. Exposed in the Prometheus text format.
//
// The series are bounded: beyond apps_max apps, and versions_max versions of one, what comes is
// counted together under the label "other". A version that nothing has used for long has no series
// any more.

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/metrics.h"

namespace selvedge::app {

// A limit that a version has met.
enum class Limit : unsigned char {
  kMemory,       // growth was refused
  kCpuTime,      // an instance was ended
  kRequestTime,  // no answer, or no whole one, in time
  kQueue,        // too many requests at once
  kInstances,    // the node has no instance free
  kOther,        // another limit of a program ended an instance
};
inline constexpr std::size_t kLimitCount = 6;

// Any thread. What every request changes stands together at the beginning.
struct VersionMetrics {
  VersionMetrics();

  void count_request(std::uint16_t status, base::Duration duration, std::uint64_t bytes) noexcept;
  void observe_start(base::Duration duration) noexcept;
  void count_limit(Limit limit) noexcept { limits[static_cast<std::size_t>(limit)].add(); }
  // Of what all instances of the version have on this node.
  void add_memory(std::int64_t bytes) noexcept;

  // What of it a request that succeeds quickly changes.
  static constexpr std::size_t kOftenChangedBytes = 192;

  base::Gauge requests_active;
  base::Gauge instances;
  base::Counter instances_started;
  base::Gauge memory;  // bytes
  base::Gauge memory_peak;
  base::Counter cpu_time;  // microseconds
  base::Counter response_bytes;
  // By the status' first digit; [0]: the client got none.
  std::array<base::Counter, 6> requests;
  base::Histogram request_time;  // microseconds
  // Microseconds. Of a program that listens, until it does; of others, until the version is loaded.
  base::Histogram start_time;
  std::array<base::Counter, kLimitCount> limits;
};

struct AppMetricsLimits {
  std::size_t apps_max = 1000;
  std::size_t versions_max = 16;  // of one app
  // A version that nobody holds keeps its series for so long.
  base::Duration unused_time_max = std::chrono::hours(1);
};

// Any thread; takes a lock, so not for every request.
class AppMetrics {
 public:
  // `clock` outlives this.
  explicit AppMetrics(const base::Clock& clock [[clang::lifetimebound]],
                      AppMetricsLimits limits = {})
      : clock_(clock), limits_(limits) {}

  // To be held for as long as the version is in use on a shard.
  std::shared_ptr<VersionMetrics> of(const std::string& app, std::uint64_t version);
  // The app was removed: who takes its name begins at zero.
  void forget(const std::string& app);
  std::string expose();

 private:
  struct Entry {
    std::shared_ptr<VersionMetrics> metrics;
    base::MonotonicTime used;  // when somebody was last seen to hold it
  };
  using Versions = std::map<std::string, Entry>;  // by label

  void drop_unused();

  const base::Clock& clock_;
  AppMetricsLimits limits_;
  std::mutex mutex_;
  std::map<std::string, Versions> apps_;
};

}  // namespace selvedge::app
