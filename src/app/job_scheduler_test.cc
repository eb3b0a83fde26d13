#include "app/job_scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "app/app_store.h"
#include "base/format.h"
#include "io/testing/simulation.h"
#include "store/directory_store.h"
#include "store/pause.h"
#include "store/testing/store_world.h"

// Goal: each run of a job happens once among all nodes of a store, whatever ends, steps or answers
// late. Method: several schedulers on one real store, in simulated time; actions that are only
// counted.

namespace selvedge::app {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr const char* kEveryMinute =
    "jobs: [{name: tick, trigger: '* * * * *', action: {fetch: {path: /tick}}}]";

// What happened, on all nodes.
struct Journal {
  std::vector<std::string> began;  // "node job"
  std::vector<std::string> ended;
};

class CountingActions final : public JobActions {
 public:
  CountingActions(io::Reactor& reactor, std::string node, Journal& journal)
      : reactor_(reactor), node_(std::move(node)), journal_(journal) {}

  io::Task<JobOutcome> perform(ScheduledJob job) override {
    journal_.began.push_back(fmt::format("{} {}", node_, job.config.name));
    co_await reactor_.sleep(duration);
    if (cut_off) {
      co_return fail(ErrorKind::kDisconnected, "the node is being stopped");
    }
    journal_.ended.push_back(fmt::format("{} {}", node_, job.config.name));
    if (failures > 0) {
      --failures;
      co_return JobOutcome{.result = JobResult::kFailed, .message = "answered 500"};
    }
    co_return JobOutcome();
  }

  io::Task<> keep_started(std::string app, VersionNumber version) override {
    kept.push_back(fmt::format("{} {}", app, version));
    return io::Task<>::ready({});
  }

  std::vector<std::string> kept;
  base::Duration duration = milliseconds(20);
  int failures = 0;
  bool cut_off = false;

 private:
  io::Reactor& reactor_;
  std::string node_;
  Journal& journal_;
};

class World {
 public:
  explicit World(std::uint64_t seed) : simulation(seed), random_(seed) {
    auto opened =
        store::DirectoryStore::open({.root = folder_.path(), .random = random_, .pause = pause_});
    EXPECT_TRUE(opened.has_value());
    store_ = *std::move(opened);
    apps_.emplace(*store_, simulation.clock());
    auto package = apps_->put_image({.name = "test",
                                     .version = "1",
                                     .entrypoint = std::nullopt,
                                     .modules = {},
                                     .volumes = {},
                                     .commands = {}});
    EXPECT_TRUE(package.has_value());
    package_ = *package;
  }

  VersionNumber deploy(const std::string& app, std::string_view config) {
    auto made =
        apps_->create_version(app, package_, fmt::format("kind: wasmer.io/App.v0\n{}\n", config));
    EXPECT_TRUE(made.has_value());
    EXPECT_TRUE(apps_->activate(app, {.versions = {{.version = made->number, .weight = 1}}}));
    return made->number;
  }
  void activate(const std::string& app, VersionNumber version) {
    EXPECT_TRUE(apps_->activate(app, {.versions = {{.version = version, .weight = 1}}}));
  }
  std::vector<JobRun> runs(const std::string& app, const std::string& job) {
    auto stored = JobStore(*apps_).state(app, job);
    EXPECT_TRUE(stored.has_value());
    return stored->state.runs;
  }
  // "result" of each.
  std::vector<std::string> results(const std::string& app, const std::string& job) {
    std::vector<std::string> texts;
    for (const JobRun& run : runs(app, job)) {
      texts.emplace_back(to_string(run.result));
    }
    return texts;
  }
  AppStore& apps() { return *apps_; }
  // To a second behind a full minute.
  void run_to_minute() {
    const auto now = simulation.clock().wall_now().time_since_epoch();
    simulation.run_for(minutes(1) - now % minutes(1) + seconds(1));
  }

  io::testing::Simulation simulation;
  Journal journal;

 private:
  store::testing::TemporaryFolder folder_;
  base::SeededRandom random_;
  store::ThreadPause pause_;
  std::unique_ptr<store::DirectoryStore> store_;
  std::optional<AppStore> apps_;
  crypto::Blake3Hash package_;
};

class Node {
 public:
  Node(World& world, std::string name, std::uint8_t number)
      : host_(world.simulation.add_host(name, {io::IpAddress::v4({10, 0, 0, number})})),
        helpers_(world.simulation),
        actions(host_.reactor(), name, world.journal),
        scheduler(std::make_unique<JobScheduler>(
            host_.reactor(), JobSchedulerOptions{.apps = world.apps(),
                                                 .store_helpers = helpers_,
                                                 .actions = actions,
                                                 .random = world.simulation.random(),
                                                 .node = name})),
        scope_(std::make_unique<io::TaskScope>(host_.reactor())) {
    scope_->spawn(scheduler->run());
  }
  // Nothing of it happens from now on.
  void crash() {
    scope_.reset();
    scheduler.reset();
  }
  Result<> run_now(const std::string& app, const std::string& job) {
    return host_.reactor().run(scheduler->run_now(app, job));
  }
  Result<> stop() {
    return host_.reactor().run(scheduler->stop(host_.reactor().deadline_after(seconds(5))));
  }

 private:
  io::testing::SimulatedHost& host_;
  io::testing::SimulatedHelperPool helpers_;

 public:
  CountingActions actions;
  std::unique_ptr<JobScheduler> scheduler;

 private:
  std::unique_ptr<io::TaskScope> scope_;
};

TEST(JobScheduler, AJobThatIsDue_RunsOnOneOfTheNodes) {
  World world(1);
  world.deploy("site", kEveryMinute);
  Node a(world, "a", 1);
  Node b(world, "b", 2);
  world.run_to_minute();
  for (int i = 1; i <= 5; ++i) {
    world.simulation.run_for(minutes(1));
    EXPECT_THAT(world.journal.began, SizeIs(static_cast<std::size_t>(i) + 1));
  }
  EXPECT_THAT(world.results("site", "tick"), ElementsAre("succeeded", "succeeded", "succeeded",
                                                         "succeeded", "succeeded", "succeeded"));
}

TEST(JobScheduler, AnAppThatChanges_HasItsNewJobsAndNotTheOldOnes) {
  World world(2);
  Node a(world, "a", 1);
  world.simulation.run_for(seconds(1));
  const auto with = world.deploy("site", kEveryMinute);
  a.scheduler->changed("site");
  world.run_to_minute();
  world.simulation.run_for(seconds(1));
  EXPECT_THAT(world.journal.began, ElementsAre("a tick"));
  world.deploy("site", "");
  a.scheduler->changed("site");
  world.simulation.run_for(minutes(5));
  EXPECT_THAT(world.journal.began, SizeIs(1));
  world.activate("site", with);
  a.scheduler->changed(std::nullopt);
  world.simulation.run_for(minutes(2));
  EXPECT_THAT(world.journal.began, SizeIs(testing::Ge(2U)));
  EXPECT_TRUE(world.apps().remove_app("site").has_value());
  const std::size_t before = world.journal.began.size();
  a.scheduler->changed("site");
  world.simulation.run_for(minutes(5));
  EXPECT_EQ(world.journal.began.size(), before);
}

TEST(JobScheduler, AfterADeployment_RunsOnceForEachNewVersion) {
  World world(3);
  const char* const config =
      "jobs: [{name: migrate, trigger: post-deployment, action: {fetch: {path: /m}}}]";
  const auto first = world.deploy("site", config);
  Node a(world, "a", 1);
  Node b(world, "b", 2);
  world.simulation.run_for(seconds(1));
  EXPECT_THAT(world.journal.began, SizeIs(1));
  const auto second = world.deploy("site", config);
  a.scheduler->changed("site");
  b.scheduler->changed("site");
  world.simulation.run_for(seconds(1));
  EXPECT_THAT(world.journal.began, SizeIs(2));
  world.activate("site", first);
  a.scheduler->changed("site");
  b.scheduler->changed("site");
  world.simulation.run_for(minutes(1));
  world.activate("site", second);
  a.scheduler->changed("site");
  b.scheduler->changed("site");
  world.simulation.run_for(minutes(1));
  EXPECT_THAT(world.journal.began, SizeIs(2));
}

TEST(JobScheduler, AFailedAttempt_IsRepeatedAsOftenAsTheJobSays) {
  World world(4);
  world.deploy(
      "site",
      "jobs: [{name: m, trigger: post-deployment, retries: 2, action: {fetch: {path: /m}}}]");
  world.deploy(
      "blog",
      "jobs: [{name: m, trigger: post-deployment, retries: 1, action: {fetch: {path: /m}}}]");
  Node a(world, "a", 1);
  a.actions.failures = 4;
  world.simulation.run_for(minutes(5));
  const auto site = world.runs("site", "m");
  const auto blog = world.runs("blog", "m");
  ASSERT_THAT(site, SizeIs(1));
  ASSERT_THAT(blog, SizeIs(1));
  EXPECT_EQ(blog[0].attempts, 2U);
  EXPECT_EQ(blog[0].result, JobResult::kFailed);
  EXPECT_EQ(blog[0].message, "answered 500");
  EXPECT_EQ(site[0].attempts, 3U);
  EXPECT_EQ(site[0].result, JobResult::kSucceeded);
}

TEST(JobScheduler, ANodeThatEndsInTheMiddle_IsReplacedWhenItsTimeIsOver) {
  World world(5);
  world.deploy("site",
               "jobs: [{name: m, trigger: post-deployment, timeout: 1m, action: "
               "{fetch: {path: /m}}}]");
  Node a(world, "a", 1);
  a.actions.duration = minutes(1);
  world.simulation.run_for(seconds(1));
  Node b(world, "b", 2);
  world.simulation.run_for(seconds(1));
  a.crash();
  world.simulation.run_for(seconds(60));
  EXPECT_THAT(world.journal.began, ElementsAre("a m"));
  world.simulation.run_for(seconds(60));
  EXPECT_THAT(world.journal.ended, ElementsAre("b m"));
  EXPECT_THAT(world.results("site", "m"), ElementsAre("succeeded"));
}

TEST(JobScheduler, ANodeThatIsStopped_LeavesItsRunToOthersAtOnce) {
  World world(6);
  world.deploy("site", "jobs: [{name: m, trigger: post-deployment, action: {fetch: {path: /m}}}]");
  Node a(world, "a", 1);
  a.actions.duration = seconds(10);
  a.actions.cut_off = true;
  world.simulation.run_for(seconds(1));
  Node b(world, "b", 2);
  world.simulation.run_for(seconds(1));
  a.scheduler->drain();
  world.simulation.run_for(seconds(10));
  EXPECT_TRUE(a.stop().has_value());
  world.simulation.run_for(minutes(11));
  EXPECT_THAT(world.journal.began, ElementsAre("a m", "b m"));
  EXPECT_THAT(world.results("site", "m"), ElementsAre("succeeded"));
}

TEST(JobScheduler, ARunThatNobodyFinishes_IsLostInTheEnd) {
  World world(7);
  world.deploy("site",
               "jobs: [{name: m, trigger: post-deployment, timeout: 1s, action: "
               "{fetch: {path: /m}}}]");
  for (std::uint8_t i = 1; i <= 6; ++i) {
    Node node(world, "n", i);
    node.actions.duration = minutes(10);
    world.simulation.run_for(i == 1 ? seconds(2) : seconds(33));
    node.crash();
  }
  EXPECT_THAT(world.results("site", "m"), ElementsAre("lost"));
  EXPECT_TRUE(world.journal.ended.empty());
}

TEST(JobScheduler, AMissedRun_IsMadeUpForOnceWithinTheDriftAndElseRecorded) {
  World world(8);
  world.deploy("late",
               "jobs: [{name: m, trigger: '*/5 * * * *', max_schedule_drift: 1h, action: "
               "{fetch: {path: /m}}}]");
  world.deploy("skip",
               "jobs: [{name: m, trigger: '0 * * * *', max_schedule_drift: 10m, action: "
               "{fetch: {path: /m}}}]");
  {
    Node a(world, "a", 1);
    world.simulation.run_for(seconds(1));
    a.crash();
  }
  const auto wall = world.simulation.clock().wall_now().time_since_epoch();
  // Half past the hour after the next one.
  world.simulation.run_for(minutes(90) + (std::chrono::hours(1) - wall % std::chrono::hours(1)));
  Node b(world, "b", 2);
  world.simulation.run_for(seconds(1));
  EXPECT_THAT(world.results("late", "m"), ElementsAre("skipped", "succeeded"));
  EXPECT_THAT(world.results("skip", "m"), ElementsAre("skipped"));
}

TEST(JobScheduler, AClockThatGoesBackwards_RunsNothingTwice) {
  World world(9);
  world.deploy("site", kEveryMinute);
  Node a(world, "a", 1);
  world.run_to_minute();
  EXPECT_THAT(world.journal.began, SizeIs(1));
  world.simulation.step_wall_clock(-minutes(5));
  world.simulation.run_for(minutes(5) + seconds(50));
  EXPECT_THAT(world.journal.began, SizeIs(1));
  world.simulation.run_for(minutes(2));
  EXPECT_THAT(world.journal.began, SizeIs(3));
}

TEST(JobScheduler, AClockThatGoesForward_TakesNoRunFromItsNode) {
  World world(10);
  world.deploy("site", "jobs: [{name: m, trigger: post-deployment, action: {fetch: {path: /m}}}]");
  Node a(world, "a", 1);
  Node b(world, "b", 2);
  a.actions.duration = minutes(5);
  b.actions.duration = minutes(5);
  world.simulation.run_for(seconds(10));
  world.simulation.step_wall_clock(std::chrono::hours(24));
  world.simulation.run_for(minutes(6));
  EXPECT_THAT(world.journal.began, SizeIs(1));
  EXPECT_THAT(world.results("site", "m"), ElementsAre("succeeded"));
}

TEST(JobScheduler, ARunOnRequest_BeginsAtOnceAndNotBesideAnother) {
  World world(11);
  world.deploy("site", kEveryMinute);
  Node a(world, "a", 1);
  a.actions.duration = seconds(5);
  EXPECT_TRUE(a.run_now("site", "tick").has_value());
  const auto second = a.run_now("site", "tick");
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().kind(), ErrorKind::kConflict);
  EXPECT_EQ(a.run_now("site", "other").error().kind(), ErrorKind::kNotFound);
  EXPECT_EQ(a.run_now("none", "tick").error().kind(), ErrorKind::kNotFound);
  world.simulation.run_for(seconds(6));
  const auto runs = world.runs("site", "tick");
  ASSERT_FALSE(runs.empty());
  EXPECT_EQ(runs[0].cause, JobCause::kRequest);
}

TEST(JobScheduler, AVersionWithALeastNumberOfInstances_IsKeptStartedOnEveryNode) {
  World world(13);
  const auto version = world.deploy("site", "scaling: {min_instances: 1, idle_timeout: 20s}");
  Node a(world, "a", 1);
  Node b(world, "b", 2);
  world.simulation.run_for(seconds(25));
  EXPECT_THAT(a.actions.kept, ElementsAre("site 1", "site 1", "site 1"));
  EXPECT_THAT(b.actions.kept, SizeIs(3));
  world.deploy("site", "");
  a.scheduler->changed("site");
  world.simulation.run_for(seconds(60));
  EXPECT_THAT(a.actions.kept, SizeIs(3));
  world.activate("site", version);
  a.scheduler->changed("site");
  world.simulation.run_for(seconds(1));
  EXPECT_THAT(a.actions.kept, SizeIs(4));
}

TEST(JobScheduler, ManyRuns_KeepTheLastOnes) {
  World world(12);
  world.deploy("site", "jobs: [{name: m, trigger: 1s, action: {fetch: {path: /m}}}]");
  Node a(world, "a", 1);
  world.simulation.run_for(minutes(3));
  EXPECT_THAT(world.runs("site", "m"), SizeIs(kJobRunsMax));
  EXPECT_GE(world.journal.began.size(), 170U);
}

// Nodes end and come, clocks step back and forth; whatever happens, no time of the schedule is run
// to its end twice, and all goes on afterwards.
TEST(JobScheduler, RandomTroubles_NeverRunATimeTwice) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    World world(seed);
    base::SeededRandom random(seed);
    world.deploy("site",
                 "jobs: [{name: m, trigger: 10s, timeout: 5s, max_schedule_drift: 30s, "
                 "jitter_percent_max: 30, action: {fetch: {path: /m}}}]");
    std::vector<std::unique_ptr<Node>> nodes;
    std::uint8_t number = 0;
    for (int step = 0; step < 40; ++step) {
      switch (random.below(4)) {
        case 0:
          if (nodes.size() < 3) {
            nodes.push_back(std::make_unique<Node>(world, fmt::format("n{}", number), ++number));
            nodes.back()->actions.duration = milliseconds(random.below(3000));
          }
          break;
        case 1:
          if (nodes.size() > 1) {
            const auto at = static_cast<std::ptrdiff_t>(random.below(nodes.size()));
            (*(nodes.begin() + at))->crash();
            nodes.erase(nodes.begin() + at);
          }
          break;
        case 2:
          world.simulation.step_wall_clock(seconds(random.below(40)) - seconds(20));
          break;
        default:
          break;
      }
      world.simulation.run_for(milliseconds(random.below(20'000)));
    }
    std::vector<std::int64_t> dues;
    for (const JobRun& run : world.runs("site", "m")) {
      if (run.result != JobResult::kSkipped) {
        dues.push_back(run.due_ms);
      }
    }
    EXPECT_EQ(std::ranges::adjacent_find(dues, std::greater_equal<>()), dues.end());
    const std::size_t before = world.journal.ended.size();
    if (!nodes.empty()) {
      world.simulation.run_for(minutes(3));
      EXPECT_GT(world.journal.ended.size(), before);
    }
  }
}

}  // namespace
}  // namespace selvedge::app
