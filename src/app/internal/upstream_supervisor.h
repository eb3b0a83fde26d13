#pragma once

// Keeps the program of a ProxyRunner running, and hands out connections to it. One reactor's
// thread.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "app/internal/upstream_pool.h"
#include "app/proxy_runner.h"
#include "app/upstream_instance.h"

namespace selvedge::app::internal {

// A connection with no request on it.
struct UpstreamConnection {
  std::unique_ptr<io::Stream> stream;
  bool is_reused = false;
  std::uint64_t run = 0;  // of the program
};

// Which kept connections will do.
enum class Reuse : std::uint8_t {
  kAny,
  kBrief,  // that were at work a moment ago, so that the program has hardly closed it
  kNone,
};

class HealthMonitor;

class UpstreamSupervisor {
 public:
  // Attempts to reach a program that has just been started.
  static constexpr base::Duration kProbePauseMin = std::chrono::milliseconds(1);
  static constexpr base::Duration kProbePauseMax = std::chrono::milliseconds(50);
  static constexpr base::Duration kBriefIdle = std::chrono::seconds(1);
  // A start so soon after an unhealthy run is waited for by requests.
  static constexpr base::Duration kWaitedDelayMax = std::chrono::seconds(1);
  // For a killed program to be gone.
  static constexpr base::Duration kKillTimeMax = std::chrono::seconds(5);

  UpstreamSupervisor(io::Reactor& reactor, UpstreamInstance& instance, base::Random& random,
                     const ProxyLimits& limits, ProxyMetrics& metrics, const VersionLog& log);

  // Who watches the program. Before run(); outlives this.
  void set_monitor(HealthMonitor& monitor) noexcept { monitor_ = &monitor; }

  // Starts the program again and again, until stop().
  io::Task<> run();
  // Asks the program to end, ends it at stop_time_max, and makes run() end.
  io::Task<> stop();

  // Waits while the program starts. kOverloaded: it does not listen, see retry_after();
  // kDisconnected: it refuses; kTimeout.
  io::Task<UpstreamConnection> acquire(Reuse reuse);
  io::Task<> wait_until_ready(io::Deadline deadline);
  io::Task<> wait_until_healthy(io::Deadline deadline);
  // The monitor says so of the present run, or what it saw last that is wrong.
  void set_healthy() noexcept;
  void set_complaint(std::string complaint) noexcept { complaint_ = std::move(complaint); }
  // Keeps the connection for another request.
  void release(UpstreamConnection connection);
  // The program that it leads to still runs.
  bool runs(const UpstreamConnection& connection) const noexcept;
  // At least a second.
  std::chrono::seconds retry_after() const noexcept;

 private:
  // A connection that was kept, if there is one of the program as it runs now.
  std::optional<UpstreamConnection> take_kept(Reuse reuse);
  io::Task<UpstreamConnection> try_acquire(Reuse reuse);
  io::Task<UpstreamConnection> acquire_slowly(Reuse reuse);
  enum class State : std::uint8_t { kStarting, kReady, kDown };
  // One run, from its start to its end. Yields why it ended.
  io::Task<std::string> run_once();
  io::Task<> wait_until_it_listens();
  // Asks it to end, and ends it at stop_time_max.
  io::Task<> end_run();
  io::Task<> kill();
  base::Duration next_delay();
  void set_state(State state) noexcept;

  io::Reactor& reactor_;
  UpstreamInstance& instance_;
  base::Random& random_;
  const ProxyLimits& limits_;
  ProxyMetrics& metrics_;
  const VersionLog& log_;
  UpstreamPool pool_;
  State state_ = State::kStarting;
  HealthMonitor* monitor_ = nullptr;
  std::uint64_t run_ = 0;
  std::uint64_t healthy_run_ = 0;
  std::uint64_t ended_runs_ = 0;
  bool was_unhealthy_ = false;  // the last run
  std::string complaint_;       // of the last check, or how the last run ended by itself
  std::uint32_t failures_ = 0;  // runs in a row that were not good
  std::optional<base::MonotonicTime> ready_since_;
  base::MonotonicTime retry_at_;
  io::Event state_changed_;  // notified
  io::Event stopping_;
};

}  // namespace selvedge::app::internal
