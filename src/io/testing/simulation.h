#pragma once

// A world in one thread: simulated time, hosts with their reactors, and the network between them. A
// seed decides everything that is random, so a seed reproduces a run event for event.
//
//   Simulation simulation(seed, {.datagram_loss_ppm = 10'000});
//   SimulatedHost& a = simulation.add_host("a", {IpAddress::v4({10, 0, 0, 1})});
//   SimulatedHost& b = simulation.add_host("b", {IpAddress::v4({10, 0, 0, 2})});
//   TaskScope server(b.reactor());
//   server.spawn(serve(b.network()));
//   auto result = a.reactor().run(client(a.network()));      // turns the whole world

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "io/helper_pool.h"
#include "io/network.h"
#include "io/reactor.h"
#include "io/socket_address.h"

namespace selvedge::io::testing {

class Simulation;
class SimulatedHost;
class SimulatedNetwork;

// The sins of the network. Probabilities in parts per million.
struct SimulationOptions {
  base::Duration latency_min = std::chrono::microseconds(50);
  base::Duration latency_max = std::chrono::microseconds(500);
  // A lost segment of a stream arrives this much later; so does all that follows it.
  base::Duration retransmission_delay = std::chrono::milliseconds(200);
  // A stream that could not deliver anything for this long breaks.
  base::Duration give_up_after = std::chrono::seconds(20);
  // What a receiving end buffers before its sender must wait.
  std::size_t stream_buffer_bytes = 65'536;
  std::size_t segment_bytes_max = 1460;
  std::uint32_t segment_loss_ppm = 0;
  std::uint32_t connection_reset_ppm = 0;  // for each segment
  std::uint32_t datagram_loss_ppm = 0;
  std::uint32_t datagram_duplication_ppm = 0;
};

// The reactor of a simulated host. post() and wake() only from the simulation's thread.
class SimulatedReactor final : public Reactor {
 public:
  explicit SimulatedReactor(Simulation& simulation);
  ~SimulatedReactor() override;

  void post(std::move_only_function<void()> function) override;
  bool try_post(std::move_only_function<void()> function) override;
  void wake() noexcept override {}
  // Nothing that runs in a simulation takes time.
  base::Duration time_asleep() const noexcept override { return exact_now() - began_; }

 protected:
  bool run_until(const bool& done) override;

 private:
  friend class Simulation;
  bool has_work() noexcept;
  void turn();
  std::optional<base::MonotonicTime> next_timer_time() noexcept { return next_timer(); }

  Simulation& simulation_;
  base::MonotonicTime began_ = now();
  std::vector<std::move_only_function<void()>> posted_;
};

// Runs functions on the simulation's thread, each after a random delay.
class SimulatedHelperPool final : public HelperPool {
 public:
  static constexpr base::Duration kDelayMax = std::chrono::milliseconds(5);
  explicit SimulatedHelperPool(Simulation& simulation) noexcept : simulation_(simulation) {}

 protected:
  bool submit(std::move_only_function<void()> run_job) override;

 private:
  Simulation& simulation_;
};

class SimulatedHost {
 public:
  SimulatedHost(Simulation& simulation, std::string name, std::vector<IpAddress> addresses);
  ~SimulatedHost();
  SimulatedHost(const SimulatedHost&) = delete;
  SimulatedHost& operator=(const SimulatedHost&) = delete;

  const std::string& name() const noexcept { return name_; }
  const std::vector<IpAddress>& addresses() const noexcept { return addresses_; }
  SimulatedReactor& reactor() noexcept { return reactor_; }
  SimulatedNetwork& network() noexcept { return *network_; }

 private:
  std::string name_;
  std::vector<IpAddress> addresses_;
  SimulatedReactor reactor_;
  std::unique_ptr<SimulatedNetwork> network_;
};

class Simulation {
 public:
  // What one turn of a busy reactor costs: time passes for those who only yield.
  static constexpr base::Duration kTurnDuration = std::chrono::microseconds(1);

  explicit Simulation(std::uint64_t seed, SimulationOptions options = {});
  ~Simulation();
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  // ---- The world ----

  SimulatedHost& add_host(std::string name, std::vector<IpAddress> addresses);
  // The host with that address; null when there is none. Loopback addresses belong to `from`.
  SimulatedHost* host_at(const IpAddress& address, SimulatedHost& from) noexcept;
  // Nothing passes between the two until they are healed. Both directions.
  void partition(const SimulatedHost& a, const SimulatedHost& b);
  void heal(const SimulatedHost& a, const SimulatedHost& b);
  bool reachable(const SimulatedHost& a, const SimulatedHost& b) const;
  // Steps the wall clock of all hosts, as an operator or NTP might.
  void step_wall_clock(base::Duration step) noexcept { clock_.wall_offset += step; }

  // ---- Time ----

  const base::Clock& clock() const noexcept { return clock_; }
  base::MonotonicTime now() const noexcept { return clock_.time; }
  // Lets everything happen that happens within `duration` from now.
  void run_for(base::Duration duration);
  // Lets the next thing happen; false when nothing ever will, or nothing before `limit`.
  bool step(base::MonotonicTime limit = base::MonotonicTime::max());

  // ---- For the parts of the simulation ----

  const SimulationOptions& options() const noexcept { return options_; }
  base::Random& random() noexcept { return random_; }
  bool chance(std::uint32_t parts_per_million) noexcept {
    return parts_per_million != 0 && random_.below(1'000'000) < parts_per_million;
  }
  base::Duration random_latency() noexcept;
  // Calls `action` at `when`, after what is scheduled for the same time already.
  void at(base::MonotonicTime when, std::move_only_function<void()> action);
  // Adds to the trace: what happened, at the present time.
  void note(std::string_view what, std::uint64_t value) noexcept;

  // A digest of everything noted so far: equal for equal runs.
  std::uint64_t trace_digest() const noexcept { return trace_digest_; }
  std::uint64_t event_count() const noexcept { return event_count_; }

 private:
  friend class SimulatedReactor;
  struct SimulatedClock final : base::Clock {
    base::MonotonicTime now() const noexcept override { return time; }
    base::WallTime wall_now() const noexcept override {
      return base::WallTime(time.time_since_epoch() + wall_offset);
    }
    base::MonotonicTime time{std::chrono::hours(1)};
    base::Duration wall_offset = std::chrono::hours(24 * 365 * 50);  // early 2020
  };
  using Key = std::pair<base::MonotonicTime, std::uint64_t>;

  bool turn_busy_reactors();
  std::optional<base::MonotonicTime> next_time() noexcept;

  SimulationOptions options_;
  base::SeededRandom random_;
  SimulatedClock clock_;
  std::uint64_t sequence_ = 0;
  std::uint64_t event_count_ = 0;
  std::uint64_t trace_digest_;
  std::set<std::pair<const SimulatedHost*, const SimulatedHost*>> partitions_;
  std::map<Key, std::move_only_function<void()>> events_;
  std::vector<SimulatedReactor*> reactors_;
  std::vector<std::unique_ptr<SimulatedHost>> hosts_;
};

}  // namespace selvedge::io::testing
