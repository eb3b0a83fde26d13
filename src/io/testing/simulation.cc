#include "io/testing/simulation.h"

#include <algorithm>

#include "base/assert.h"
#include "io/testing/simulated_network.h"

namespace selvedge::io::testing {

SimulatedReactor::SimulatedReactor(Simulation& simulation)
    : Reactor(simulation.clock()), simulation_(simulation) {
  simulation_.reactors_.push_back(this);
}

SimulatedReactor::~SimulatedReactor() { std::erase(simulation_.reactors_, this); }

void SimulatedReactor::post(std::move_only_function<void()> function) {
  posted_.push_back(std::move(function));
}

bool SimulatedReactor::try_post(std::move_only_function<void()> function) {
  if (posted_.size() >= kMailboxMax) {
    return false;
  }
  posted_.push_back(std::move(function));
  return true;
}

bool SimulatedReactor::has_work() noexcept {
  if (has_ready() || !posted_.empty() || (background() != nullptr && background()->has_work())) {
    return true;
  }
  const std::optional<base::MonotonicTime> timer = next_timer();
  return timer && *timer <= simulation_.now();
}

void SimulatedReactor::turn() {
  update_time();
  fire_timers();
  for (auto& function : std::exchange(posted_, {})) {
    begin_work();
    function();
  }
  run_ready();
  if (background() != nullptr && background()->has_work()) {
    begin_work();
    background()->run_slice();
  }
}

bool SimulatedReactor::run_until(const bool& done) {
  while (!done) {
    if (!simulation_.step()) {
      return false;
    }
  }
  return true;
}

bool SimulatedHelperPool::submit(std::move_only_function<void()> run_job) {
  const auto delay = base::Duration(static_cast<base::Duration::rep>(
      simulation_.random().below(static_cast<std::uint64_t>(kDelayMax.count()))));
  simulation_.at(simulation_.now() + delay, std::move(run_job));
  return true;
}

SimulatedHost::SimulatedHost(Simulation& simulation, std::string name,
                             std::vector<IpAddress> addresses)
    : name_(std::move(name)),
      addresses_(std::move(addresses)),
      reactor_(simulation),
      network_(std::make_unique<SimulatedNetwork>(simulation, *this)) {}

SimulatedHost::~SimulatedHost() = default;

Simulation::Simulation(std::uint64_t seed, SimulationOptions options)
    : options_(options), random_(seed), trace_digest_(seed) {}

Simulation::~Simulation() {
  // What is under way may refer to hosts.
  events_.clear();
}

SimulatedHost& Simulation::add_host(std::string name, std::vector<IpAddress> addresses) {
  hosts_.push_back(std::make_unique<SimulatedHost>(*this, std::move(name), std::move(addresses)));
  return *hosts_.back();
}

SimulatedHost* Simulation::host_at(const IpAddress& address, SimulatedHost& from) noexcept {
  if (address.is_loopback()) {
    return &from;
  }
  const auto found = std::ranges::find_if(hosts_, [&](const std::unique_ptr<SimulatedHost>& host) {
    return std::ranges::find(host->addresses(), address) != host->addresses().end();
  });
  return found == hosts_.end() ? nullptr : found->get();
}

void Simulation::partition(const SimulatedHost& a, const SimulatedHost& b) {
  partitions_.insert({&a, &b});
  partitions_.insert({&b, &a});
}

void Simulation::heal(const SimulatedHost& a, const SimulatedHost& b) {
  partitions_.erase({&a, &b});
  partitions_.erase({&b, &a});
}

bool Simulation::reachable(const SimulatedHost& a, const SimulatedHost& b) const {
  return !partitions_.contains({&a, &b});
}

base::Duration Simulation::random_latency() noexcept {
  const auto range =
      static_cast<std::uint64_t>((options_.latency_max - options_.latency_min).count());
  return options_.latency_min +
         base::Duration(static_cast<base::Duration::rep>(random_.below(range + 1)));
}

void Simulation::at(base::MonotonicTime when, std::move_only_function<void()> action) {
  events_.emplace(Key(std::max(when, now()), sequence_++), std::move(action));
}

void Simulation::note(std::string_view what, std::uint64_t value) noexcept {
  // FNV-1a over the words.
  const auto mix = [this](std::uint64_t word) {
    trace_digest_ = (trace_digest_ ^ word) * 0x100000001b3;
  };
  for (const char character : what) {
    mix(static_cast<unsigned char>(character));
  }
  mix(static_cast<std::uint64_t>(now().time_since_epoch().count()));
  mix(value);
  ++event_count_;
}

bool Simulation::turn_busy_reactors() {
  bool busy = false;
  // By index: a turn may add hosts.
  for (std::size_t i = 0; i < reactors_.size(); ++i) {
    SimulatedReactor& reactor = *reactors_[i];
    if (reactor.has_work()) {
      reactor.turn();
      busy = true;
    }
  }
  return busy;
}

std::optional<base::MonotonicTime> Simulation::next_time() noexcept {
  std::optional<base::MonotonicTime> next;
  if (!events_.empty()) {
    next = events_.begin()->first.first;
  }
  for (SimulatedReactor* reactor : reactors_) {
    const std::optional<base::MonotonicTime> timer = reactor->next_timer_time();
    if (timer && (!next || *timer < *next)) {
      next = timer;
    }
  }
  return next;
}

bool Simulation::step(base::MonotonicTime limit) {
  if (turn_busy_reactors()) {
    clock_.time = std::min(std::max(clock_.time, limit), clock_.time + kTurnDuration);
  } else {
    const std::optional<base::MonotonicTime> next = next_time();
    if (!next || *next > limit) {
      return false;
    }
    clock_.time = std::max(clock_.time, *next);
  }
  while (!events_.empty() && events_.begin()->first.first <= now()) {
    auto event = events_.extract(events_.begin());
    event.mapped()();
  }
  return true;
}

void Simulation::run_for(base::Duration duration) {
  const base::MonotonicTime end = now() + duration;
  while (now() < end && step(end)) {
  }
  clock_.time = std::max(clock_.time, end);
}

}  // namespace selvedge::io::testing
