#include "app/instance_group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <charconv>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "app/testing/app_world.h"
#include "base/format.h"
#include "io/remote_task.h"
#include "io/shard_stream.h"
#include "io/testing/simulation.h"
#include "wire/http1_request_parser.h"

// Goal: requests of several shards share the instances of a version as instance_scaler.h says,
// whatever becomes of instances, and nothing is lost or left behind. Method: shards and programs in
// simulated time; a program answers with its number after the milliseconds that the path names, or
// ends; single cases, and random loads from a seed.

namespace selvedge::app {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

// What is seen of all programs.
struct Programs {
  base::Duration start_time = milliseconds(100);
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
    connections_->spawn(serve(*this, std::move(ends.second)));
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
  static io::Task<> serve(FakeProgram& program, std::unique_ptr<io::Stream> stream) {
    wire::Http1RequestParser parser({});
    std::string input;
    std::array<std::byte, 4096> buffer{};
    for (;;) {
      const auto event = parser.next(base::as_bytes(input));
      if (!event) {
        co_return {};
      }
      input.erase(0, event->consumed);
      if (event->kind == wire::Http1EventKind::kNeedMore) {
        SELVEDGE_CO_TRY(const std::size_t count, co_await stream->read(buffer));
        if (count == 0) {
          co_return {};
        }
        input += base::as_text(std::span(buffer).first(count));
      } else if (event->kind == wire::Http1EventKind::kEnd) {
        SELVEDGE_CO_TRY_VOID(
            co_await answer(program, *stream, std::string(parser.head().target().path())));
        parser.start_next();
      }
    }
  }
  static io::Task<> answer(FakeProgram& program, io::Stream& stream, std::string path) {
    if (path == "/exit") {
      program.kill();
      co_await program.reactor_.sleep(seconds(1000));
    }
    int status = 200;
    if (path == "/health") {
      status = program.all_.ill.contains(program.number_) ? 500 : 200;
    } else {
      ++program.requests_;
      program.all_.most_at_once = std::max(program.all_.most_at_once, program.requests_);
      std::uint64_t pause_ms = 0;
      std::from_chars(path.data() + 1, path.data() + path.size(), pause_ms);
      co_await program.reactor_.sleep(milliseconds(pause_ms));
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
class World {
 public:
  World(std::uint64_t seed, std::size_t shards, AppScaling scaling,
        std::vector<HealthCheckConfig> checks = {})
      : simulation(seed), random{seed} {
    AppVersion made;
    made.app = "site";
    made.record.number = 1;
    made.config.scaling = scaling;
    made.config.health_checks = std::move(checks);
    made.places = InstancePlaces::create(scaler_options(scaling));
    version = std::make_shared<const AppVersion>(std::move(made));
    for (std::size_t i = 0; i < shards; ++i) {
      add_shard(i);
    }
  }
  ~World() { stop(seconds(10)); }

  struct Asked {
    explicit Asked(const std::string& path) : exchange("GET", "site", path) {}
    testing::RecordingExchange exchange;
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
      EXPECT_TRUE(shard->reactor.run(shard->stopping.close()).has_value());
    }
    for (auto& shard : shards) {
      EXPECT_TRUE(shard->reactor.run(shard->questions.close()).has_value());
      EXPECT_TRUE(shard->reactor.run(shard->clients.close()).has_value());
      EXPECT_TRUE(shard->reactor.run(shard->tending.close()).has_value());
    }
  }

  class Peers final : public InstancePeers {
   public:
    Peers(World& world, std::size_t own) noexcept : world_(world), own_(own) {}
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
    World& world_;
    std::size_t own_;
  };
  struct Shard {
    Shard(io::Reactor& its_reactor, World& world, std::size_t number)
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

 public:
  // Once all shards are there.
  void open() {
    for (auto& shard : shards) {
      ProxyLimits limits;
      limits.concurrency_max = scaler().options().limit;
      limits.idle_connections_max = version->config.scaling.single_concurrency ? 0 : 8;
      limits.stop_time_max = seconds(1);
      shard->group = std::make_unique<InstanceGroup>(
          shard->reactor, random,
          InstanceGroup::Options{.version = version,
                                 .peers = &shard->peers,
                                 .limits = limits,
                                 .log = VersionLog("site"),
                                 .make = [this, &reactor = shard->reactor] {
                                   return std::make_unique<FakeProgram>(reactor, programs);
                                 }});
      shard->tending.spawn(tend(*shard, *this));
    }
  }

 private:
  static io::Task<> handle(Shard& shard, Asked& asked, base::MonotonicTime began) {
    const auto handled = co_await shard.group->handle(asked.exchange);
    EXPECT_TRUE(handled.has_value()) << handled.error().message();
    asked.took = shard.reactor.now() - began;
    asked.ended = true;
    co_return {};
  }
  static io::Task<> tend(Shard& shard, World& world) {
    for (;;) {
      co_await shard.reactor.sleep(seconds(1));
      shard.group->tend(world.version->config.scaling.idle_time_max);
      if (world.kept && &shard == world.shards[0].get()) {
        shard.group->keep();
      }
    }
  }
};

class InstanceGroupTest : public ::testing::Test {
 protected:
  World& open(AppScaling scaling, std::vector<HealthCheckConfig> checks = {}) {
    world_.emplace(1, 2, scaling, std::move(checks));
    world_->open();
    return *world_;
  }
  static AppScaling single(std::size_t max) {
    AppScaling made;
    made.single_concurrency = true;
    made.instances_max = max;
    made.idle_time_max = seconds(60);
    return made;
  }
  std::optional<World> world_;
};

TEST_F(InstanceGroupTest, RequestsOfASingleConcurrencyProgram_RunBesideEachOther) {
  World& world = open(single(4));
  for (std::size_t i = 0; i < 4; ++i) {
    world.ask(static_cast<std::size_t>(i % 2), "/1000");
  }
  world.run_for(milliseconds(1500));
  EXPECT_THAT(world.answers(), UnorderedElementsAre(0, 1, 2, 3));
  EXPECT_EQ(world.programs.most_at_once, 1U);
}

TEST_F(InstanceGroupTest, BeyondTheMost_RequestsWaitForWhicheverIsFreeFirst) {
  World& world = open(single(2));
  world.ask(0, "/5000");
  world.run_for(seconds(1));
  for (int i = 0; i < 4; ++i) {
    world.ask(1, "/500");
  }
  world.run_for(milliseconds(3500));
  EXPECT_THAT(world.answers(), ElementsAre(0, 1, 1, 1, 1)) << "0 is still at its first one";
  EXPECT_EQ(world.programs.started, 2);
}

TEST_F(InstanceGroupTest, ARequestThatCausedAStart_TakesWhatIsFreeSooner) {
  World& world = open(single(2));
  world.ask(0, "/1000");
  world.run_for(milliseconds(500));
  world.programs.start_time = seconds(10);
  world.ask(0, "/10");
  world.run_for(seconds(1));
  EXPECT_THAT(world.answers(), ElementsAre(0, 0));
  EXPECT_EQ(world.programs.started, 2);
}

TEST_F(InstanceGroupTest, AboveATargetThatIsNoLimit_NobodyWaitsForTheStart) {
  AppScaling scaling;
  scaling.instances_max = 2;
  World& world = open(scaling);
  world.ask(0, "/10");
  world.run_for(seconds(1));
  world.programs.start_time = seconds(20);
  for (int i = 0; i < 65; ++i) {
    world.ask(0, "/1000");
  }
  world.run_for(milliseconds(1500));
  EXPECT_THAT(world.answers(), Each(0));
  for (const auto& asked : world.asked) {
    EXPECT_TRUE(asked->ended);
  }
  EXPECT_EQ(world.programs.started, 2) << "and the next one is on its way";
}

TEST_F(InstanceGroupTest, OneThatEnds_IsSkippedWhileOthersServe) {
  World& world = open(single(3));
  for (int i = 0; i < 3; ++i) {
    world.ask(0, "/100");
  }
  world.run_for(seconds(1));
  world.programs.start_time = seconds(5);
  world.ask(0, "/exit");
  world.run_for(milliseconds(10));
  for (int i = 0; i < 6; ++i) {
    world.ask(static_cast<std::size_t>(i % 2), "/100");
  }
  world.run_for(seconds(2));
  const std::vector<int> answers = world.answers();
  EXPECT_EQ(answers[3], -502);
  EXPECT_THAT(std::vector(answers.begin() + 4, answers.end()), Each(::testing::AnyOf(1, 2)));
}

TEST_F(InstanceGroupTest, WhenTheOnlyOneEnds_RequestsAreUnavailableUntilItListensAgain) {
  World& world = open(single(3));
  world.ask(0, "/exit");
  world.run_for(milliseconds(130));
  world.ask(0, "/1");
  world.run_for(milliseconds(1));
  EXPECT_THAT(world.answers(), ElementsAre(-502, -503));
  EXPECT_TRUE(world.asked[1]->exchange.headers.find("retry-after").has_value());
  EXPECT_EQ(world.programs.started, 1);
  world.run_for(seconds(1));
  world.ask(0, "/1");
  world.run_for(seconds(1));
  EXPECT_EQ(world.answers()[2], 1);
}

TEST_F(InstanceGroupTest, AProgramThatCannotStart_IsUnavailableAndTriedOnce) {
  World& world = open(single(3));
  world.programs.starts_fail = true;
  for (int i = 0; i < 3; ++i) {
    world.ask(static_cast<std::size_t>(i % 2), "/1");
  }
  world.run_for(milliseconds(20));
  EXPECT_THAT(world.answers(), Each(-503));
}

TEST_F(InstanceGroupTest, AnUnhealthyOne_IsSkippedAndStartedAnew) {
  HealthCheckConfig check;
  check.http.path = "/health";
  check.http.timeout = seconds(1);
  check.interval = seconds(1);
  check.unhealthy_threshold = 1;
  check.healthy_threshold = 1;
  World& world = open(single(2), {check});
  world.ask(0, "/500");
  world.ask(0, "/500");
  world.run_for(seconds(3));
  world.programs.start_time = seconds(3);
  world.programs.ill.insert(0);
  world.run_for(seconds(2));
  EXPECT_THAT(world.programs.asked_to_stop, ElementsAre(0));
  world.ask(0, "/1");
  world.run_for(milliseconds(100));
  EXPECT_EQ(world.answers()[2], 1);
  world.run_for(seconds(5));
  EXPECT_EQ(world.programs.alive, (std::set<int>{1, 2}));
}

TEST_F(InstanceGroupTest, UnusedOnes_EndHighestFirst) {
  World& world = open(single(3));
  for (int i = 0; i < 3; ++i) {
    world.ask(0, "/1000");
  }
  world.run_for(seconds(30));
  for (int i = 0; i < 20; ++i) {  // one after the other: the near one of the lowest number
    world.ask(0, "/1");
    world.run_for(seconds(5));
  }
  EXPECT_EQ(world.programs.alive, (std::set<int>{0}));
  EXPECT_EQ(world.programs.asked_to_stop.size(), 2U);
  world.run_for(seconds(70));
  EXPECT_THAT(world.programs.alive, SizeIs(0));
  EXPECT_EQ(world.shards[0]->group->active() + world.shards[1]->group->active(), 0U);
  world.ask(1, "/1");
  world.run_for(seconds(1));
  EXPECT_EQ(world.asked.back()->answer(), 3) << "from zero again";
}

TEST_F(InstanceGroupTest, TheLeastNumber_IsStartedWithoutRequestsAndKept) {
  AppScaling scaling = single(4);
  scaling.instances_min = 3;
  World& world = open(scaling);
  world.kept = true;
  world.run_for(seconds(300));
  EXPECT_THAT(world.programs.alive, SizeIs(3));
  EXPECT_EQ(world.programs.started, 3);
  world.kept = false;
  world.run_for(seconds(70));
  EXPECT_THAT(world.programs.alive, SizeIs(0));
}

TEST_F(InstanceGroupTest, AtTheLimitOfMemory_RequestsWaitForWhatRuns) {
  World& world = open(single(4));
  world.ask(0, "/1");
  world.run_for(seconds(1));
  world.scaler().allow_starts(false);
  for (int i = 0; i < 3; ++i) {
    world.ask(static_cast<std::size_t>(i % 2), "/1000");
  }
  world.run_for(milliseconds(3500));
  EXPECT_THAT(world.answers(), ElementsAre(0, 0, 0, 0));
  // What waits is not forgotten when there is memory again.
  for (int i = 0; i < 3; ++i) {
    world.ask(static_cast<std::size_t>(i % 2), "/8000");
  }
  world.run_for(seconds(1));
  world.scaler().allow_starts(true);
  world.run_for(seconds(10));
  std::vector<int> later = world.answers();
  later.erase(later.begin(), later.begin() + 4);
  EXPECT_THAT(later, UnorderedElementsAre(0, 1, 2));
}

TEST_F(InstanceGroupTest, WithoutMemoryAndWithoutInstances_RequestsAreUnavailable) {
  World& world = open(single(4));
  world.scaler().allow_starts(false);
  world.ask(0, "/1");
  world.run_for(milliseconds(1));
  EXPECT_THAT(world.answers(), ElementsAre(-503));
  EXPECT_EQ(world.programs.started, 0);
}

TEST_F(InstanceGroupTest, AStop_LetsRequestsEndThatRunOrWait) {
  World& world = open(single(2));
  for (int i = 0; i < 6; ++i) {
    world.ask(static_cast<std::size_t>(i % 2), "/1000");
  }
  world.run_for(milliseconds(500));
  world.stop(seconds(10));
  EXPECT_THAT(world.answers(), Each(::testing::AnyOf(0, 1)));
  EXPECT_THAT(world.programs.alive, SizeIs(0));
}

TEST_F(InstanceGroupTest, AStop_CutsWhatRunsAtItsGrace) {
  World& world = open(single(2));
  world.ask(0, "/100000");
  world.ask(1, "/100000");
  world.run_for(milliseconds(500));
  world.stop(seconds(5));
  EXPECT_THAT(world.answers(), Each(-502));
  EXPECT_THAT(world.programs.alive, SizeIs(0));
}

// Loads of all kinds, with crashes, pauses, and times without memory.
void play(std::uint64_t seed) {
  base::SeededRandom random(seed);
  AppScaling scaling;
  scaling.single_concurrency = random.below(2) == 0;
  scaling.instances_max = 2 + random.below(5);
  scaling.instances_min = random.below(3);
  if (!scaling.single_concurrency) {
    scaling.concurrency_max = 1 + random.below(4);
  }
  scaling.idle_time_max = seconds(20);
  World world(seed, 1 + random.below(3), scaling);
  world.open();
  world.kept = random.below(2) == 0;
  world.programs.start_time = milliseconds(random.below(2000));
  const std::size_t limit = world.scaler().options().limit;
  bool crashes = false;
  for (int round = 0; round < 12; ++round) {
    world.scaler().allow_starts(random.below(4) != 0);
    for (std::uint64_t i = random.below(20); i > 0; --i) {
      const bool crash = random.below(25) == 0;
      crashes = crashes || crash;
      world.ask(random.below(world.shard_count),
                crash ? std::string("/exit") : fmt::format("/{}", random.below(800)));
      world.run_for(milliseconds(random.below(100)));
    }
    world.run_for(milliseconds(random.below(random.below(4) == 0 ? 60'000 : 4000)));
  }
  world.scaler().allow_starts(true);
  world.run_for(seconds(60));
  for (const auto& asked : world.asked) {
    EXPECT_TRUE(asked->ended) << asked->exchange.request().target().path();
    if (!crashes && asked->exchange.status != 200) {
      EXPECT_EQ(asked->exchange.status, 503) << "and only for want of memory";
    }
  }
  EXPECT_LE(world.programs.most_alive, *scaling.instances_max);
  EXPECT_LE(world.programs.most_at_once, limit);
  EXPECT_EQ(world.scaler().busy(), 0U);
  EXPECT_EQ(world.version->places->waiting(), 0U);
  EXPECT_EQ(world.programs.alive.size(), world.kept ? scaling.instances_min : 0U);
  world.ask(0, "/1");
  world.run_for(seconds(10));
  EXPECT_EQ(world.asked.back()->exchange.status, 200) << "it serves on";
}

TEST(InstanceGroupSimulation, WhateverHappens_TheBoundsHoldAndNothingIsLost) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(seed);
    play(seed);
    if (::testing::Test::HasFailure()) {
      return;
    }
  }
}

}  // namespace
}  // namespace selvedge::app
