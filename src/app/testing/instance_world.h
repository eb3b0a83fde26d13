#pragma once

// A version with several instances on shards in simulated time, for tests of InstanceGroup.
// Programs are fakes: each run has a number, counted from 0 over all of them, and answers requests
// with it.

#include <algorithm>
#include <charconv>
#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "app/instance_group.h"
#include "app/testing/answer_requests.h"
#include "app/testing/app_world.h"
#include "base/assert.h"
#include "base/format.h"
#include "io/remote_task.h"
#include "io/shard_stream.h"
#include "io/testing/simulation.h"

namespace selvedge::app::testing {

// What is seen of all programs.
struct Programs {
  base::Duration start_time = std::chrono::milliseconds(100);
  bool starts_fail = false;
  int started = 0;
  std::set<int> alive;
  std::size_t most_alive = 0;
  std::size_t most_at_once = 0;  // requests in one
  std::set<int> ill;             // answer 500 to health checks
  std::vector<int> asked_to_stop;
};

class FakeProgram final : public OwnedInstance {
 public:
  FakeProgram(io::Reactor& reactor, Programs& all) : reactor_(reactor), all_(all), ended_(reactor) {
    ended_.set();
  }

  Result<> start() override {
    if (all_.starts_fail) {
      return fail(ErrorKind::kInternal, "as the test says");
    }
    ended_.reset();
    number_ = all_.started++;
    requests_ = 0;
    all_.alive.insert(number_);
    all_.most_alive = std::max(all_.most_alive, all_.alive.size());
    listens_at_ = reactor_.now() + all_.start_time;
    connections_ = std::make_unique<io::TaskScope>(reactor_);
    return {};
  }
  io::Task<std::unique_ptr<io::Stream>> connect(io::Deadline) override {
    using Connection = io::Task<std::unique_ptr<io::Stream>>;
    if (ended_.is_set() || reactor_.now() < listens_at_) {
      return Connection::ready(fail(ErrorKind::kDisconnected, "it does not listen"));
    }
    auto ends = io::make_shard_stream_pair(reactor_, reactor_);
    connections_->spawn(
        answer_requests(std::move(ends.second), [this](io::Stream& stream, std::string path) {
          return answer(*this, stream, std::move(path));
        }));
    return Connection::ready(std::move(ends.first));
  }
  io::Event& ended() noexcept override { return ended_; }
  std::string end_reason() const override { return "exited with code 3"; }
  void request_stop() noexcept override {
    all_.asked_to_stop.push_back(number_);
    kill();
  }
  void kill() noexcept override {
    if (!ended_.is_set()) {
      all_.alive.erase(number_);
      connections_->cancel();
      ended_.set();
    }
  }
  void sample() noexcept override {}
  io::Task<> close() override {
    kill();
    if (connections_ != nullptr) {
      co_return co_await connections_->close();
    }
    co_return {};
  }

 private:
  static io::Task<> answer(FakeProgram& program, io::Stream& stream, std::string path) {
    if (path == "/exit") {
      program.kill();
      co_await program.reactor_.sleep(std::chrono::seconds(1000));
    }
    int status = 200;
    if (path == "/health") {
      status = program.all_.ill.contains(program.number_) ? 500 : 200;
    } else {
      ++program.requests_;
      program.all_.most_at_once = std::max(program.all_.most_at_once, program.requests_);
      std::uint64_t pause_ms = 0;
      std::from_chars(path.data() + 1, path.data() + path.size(), pause_ms);
      co_await program.reactor_.sleep(std::chrono::milliseconds(pause_ms));
      --program.requests_;
    }
    const std::string content = std::to_string(program.number_);
    const std::string text = fmt::format("HTTP/1.1 {} x\r\nContent-Length: {}\r\n\r\n{}", status,
                                         content.size(), content);
    co_return co_await stream.write_all(base::as_bytes(text));
  }

  io::Reactor& reactor_;
  Programs& all_;
  int number_ = -1;
  std::size_t requests_ = 0;
  base::MonotonicTime listens_at_;
  io::Event ended_;
  std::unique_ptr<io::TaskScope> connections_;
};

// A version on several shards.
class InstanceWorld {
 public:
  InstanceWorld(std::uint64_t seed, std::size_t shards_count, AppScaling scaling,
                std::vector<HealthCheckConfig> checks = {})
      : simulation(seed), random{seed} {
    AppVersion made;
    made.app = "site";
    made.record.number = 1;
    made.config.scaling = scaling;
    made.config.health_checks = std::move(checks);
    made.places = InstancePlaces::create(scaler_options(scaling));
    version = std::make_shared<const AppVersion>(std::move(made));
    for (std::size_t i = 0; i < shards_count; ++i) {
      add_shard(i);
    }
    for (auto& shard : shards) {
      open(*shard);
    }
  }
  ~InstanceWorld() { stop(std::chrono::seconds(10)); }

  struct Asked {
    explicit Asked(const std::string& path) : exchange("GET", "site", path) {}
    RecordingExchange exchange;
    base::Duration took{};
    bool ended = false;
    // The number of the program that answered, or the negative status.
    int answer() const {
      return exchange.status == 200 ? std::stoi(exchange.received) : -exchange.status;
    }
  };

  void ask(std::size_t shard, const std::string& path) {
    asked.push_back(std::make_unique<Asked>(path));
    shards[shard]->clients.spawn(handle(*shards[shard], *asked.back(), simulation.now()));
  }
  std::vector<int> answers() const {
    std::vector<int> made;
    made.reserve(asked.size());
    for (const auto& one : asked) {
      made.push_back(one->ended ? one->answer() : 0);
    }
    return made;
  }
  InstanceScaler& scaler() { return version->places->scaler(); }
  void run_for(base::Duration time) { simulation.run_for(time); }
  void stop(base::Duration grace) {
    for (auto& shard : shards) {
      if (!std::exchange(shard->stopped, true)) {
        shard->tending.cancel();
        shard->stopping.spawn(shard->group->stop(shard->reactor.deadline_after(grace)));
      }
    }
    for (auto& shard : shards) {
      SELVEDGE_ASSERT(shard->reactor.run(shard->stopping.close()).has_value());
    }
    for (auto& shard : shards) {
      SELVEDGE_ASSERT(shard->reactor.run(shard->questions.close()).has_value());
      SELVEDGE_ASSERT(shard->reactor.run(shard->clients.close()).has_value());
      SELVEDGE_ASSERT(shard->reactor.run(shard->tending.close()).has_value());
    }
  }

  class Peers final : public InstancePeers {
   public:
    Peers(InstanceWorld& world, std::size_t own) noexcept : world_(world), own_(own) {}
    std::optional<std::size_t> home_of(const std::string&, VersionNumber,
                                       std::size_t instance) const override {
      const std::size_t home = instance % world_.shard_count;
      return home == own_ ? std::nullopt : std::optional(home);
    }
    io::Task<std::unique_ptr<io::Stream>> connect(std::size_t shard, std::string, VersionNumber,
                                                  std::size_t instance) override {
      io::Reactor& here = world_.shards[own_]->reactor;
      return io::run_on(world_.shards[shard]->questions, here,
                        [&group = *world_.shards[shard]->group, &here, instance] {
                          return group.connect_for(here, instance);
                        });
    }
    io::Task<> start(std::size_t shard, std::string, VersionNumber, std::size_t instance) override {
      return io::run_on(world_.shards[shard]->questions, world_.shards[own_]->reactor,
                        [&group = *world_.shards[shard]->group, instance] {
                          return io::Task<>::ready(group.start_here(instance));
                        });
    }

   private:
    InstanceWorld& world_;
    std::size_t own_;
  };
  struct Shard {
    Shard(io::Reactor& its_reactor, InstanceWorld& world, std::size_t number)
        : reactor(its_reactor),
          peers(world, number),
          questions(reactor),
          clients(reactor),
          tending(reactor),
          stopping(reactor) {}
    io::Reactor& reactor;
    Peers peers;
    std::unique_ptr<InstanceGroup> group;
    bool stopped = false;
    io::TaskScope questions;
    io::TaskScope clients;
    io::TaskScope tending;
    io::TaskScope stopping;
  };

  io::testing::Simulation simulation;
  base::SeededRandom random;
  Programs programs;
  std::shared_ptr<const AppVersion> version;
  std::size_t shard_count = 0;
  std::vector<std::unique_ptr<Asked>> asked;
  std::vector<std::unique_ptr<Shard>> shards;
  bool kept = false;  // as the active version is

 private:
  void add_shard(std::size_t number) {
    auto& host =
        simulation.add_host(fmt::format("shard{}", number),
                            {io::IpAddress::v4({10, 0, 0, static_cast<std::uint8_t>(number + 1)})});
    ++shard_count;
    shards.push_back(std::make_unique<Shard>(host.reactor(), *this, number));
  }

  void open(Shard& shard) {
    ProxyLimits limits;
    limits.concurrency_max = scaler().options().limit;
    limits.idle_connections_max = version->config.scaling.single_concurrency ? 0 : 8;
    limits.stop_time_max = std::chrono::seconds(1);
    shard.group = std::make_unique<InstanceGroup>(
        shard.reactor, random,
        InstanceGroup::Options{.version = version,
                               .peers = &shard.peers,
                               .limits = limits,
                               .log = VersionLog("site"),
                               .make = [this, &reactor = shard.reactor] {
                                 return std::make_unique<FakeProgram>(reactor, programs);
                               }});
    shard.tending.spawn(tend(shard, *this));
  }
  static io::Task<> handle(Shard& shard, Asked& asked, base::MonotonicTime began) {
    const auto handled = co_await shard.group->handle(asked.exchange);
    SELVEDGE_ASSERT(handled.has_value());
    asked.took = shard.reactor.now() - began;
    asked.ended = true;
    co_return {};
  }
  static io::Task<> tend(Shard& shard, InstanceWorld& world) {
    for (;;) {
      co_await shard.reactor.sleep(std::chrono::seconds(1));
      shard.group->tend(world.version->config.scaling.idle_time_max);
      if (world.kept && &shard == world.shards[0].get()) {
        shard.group->keep();
      }
    }
  }
};

}  // namespace selvedge::app::testing
