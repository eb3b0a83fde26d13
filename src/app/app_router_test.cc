#include "app/app_router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>

#include "app/testing/app_world.h"
#include "io/task_scope.h"
#include "io/testing/simulation.h"

// Goal: each request reaches the app and version that its host names, whatever is asked at once and
// whatever changes meanwhile. Method: real programs on a shard in simulated time; a directory that
// the test writes.

namespace selvedge::app {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;

// What a catalog would say, after kAnswerTime.
class ScriptedDirectory final : public AppDirectory {
 public:
  static constexpr base::Duration kAnswerTime = milliseconds(10);

  explicit ScriptedDirectory(io::Reactor& reactor) noexcept : reactor_(reactor) {}

  io::Task<std::optional<ActiveRecord>> find_app(std::string app) override {
    ++app_questions;
    co_await reactor_.sleep(kAnswerTime);
    if (failure.has_value()) {
      co_return fail(*failure, "as the test says");
    }
    const auto found = apps.find(app);
    co_return found == apps.end() ? std::nullopt : std::optional(found->second);
  }
  io::Task<std::shared_ptr<const AppVersion>> find_version(std::string app,
                                                           VersionNumber version) override {
    ++version_questions;
    const auto found = versions.find({app, version});
    const auto known = found == versions.end() ? nullptr : found->second;
    co_await reactor_.sleep(kAnswerTime);
    if (version_failure.has_value()) {
      co_return fail(*version_failure, "as the test says");
    }
    if (known == nullptr) {
      co_return fail(ErrorKind::kNotFound, "no such version");
    }
    co_return known;
  }
  io::Task<std::optional<std::string>> find_domain(std::string domain) override {
    ++domain_questions;
    co_await reactor_.sleep(kAnswerTime);
    const auto found = domains.find(domain);
    co_return found == domains.end() ? std::nullopt : std::optional(found->second);
  }

  std::map<std::string, ActiveRecord> apps;
  std::map<std::pair<std::string, VersionNumber>, std::shared_ptr<const AppVersion>> versions;
  std::map<std::string, std::string> domains;
  std::optional<ErrorKind> failure;
  std::optional<ErrorKind> version_failure;
  int app_questions = 0;
  int version_questions = 0;
  int domain_questions = 0;

 private:
  io::Reactor& reactor_;
};

class AppRouterTest : public ::testing::Test {
 protected:
  AppRouterTest() { beside_.spawn(router_.reap()); }
  ~AppRouterTest() override {
    beside_.cancel();
    EXPECT_TRUE(host_.reactor().run(beside_.close()).has_value());
    EXPECT_TRUE(host_.reactor().run(router_.stop(in(seconds(1)))).has_value());
  }

  io::Deadline in(base::Duration time) { return host_.reactor().deadline_after(time); }
  // Makes the version known to the directory, and active.
  void add(const std::string& app, std::string_view content, std::string_view config = "") {
    const VersionNumber number = world_.deploy(app, testing::cgi_program(content), config);
    auto loaded = world_.loader().load(app, number);
    ASSERT_TRUE(loaded.has_value()) << loaded.error().message();
    directory_.versions[{app, number}] = *std::move(loaded);
    directory_.apps[app] = {.versions = {{.version = number, .weight = 1}}};
  }
  std::unique_ptr<testing::RecordingExchange> get(const std::string& host) {
    auto exchange = std::make_unique<testing::RecordingExchange>("GET", host, "/");
    const auto handled = host_.reactor().run(router_.handle(*exchange));
    EXPECT_TRUE(handled.has_value()) << handled.error().message();
    EXPECT_TRUE(exchange->finished);
    return exchange;
  }
  std::string text_of(const std::string& host) { return get(host)->received; }
  int status_of(const std::string& host) { return get(host)->status; }

  io::testing::Simulation simulation_{1};
  io::testing::SimulatedHost& host_ =
      simulation_.add_host("node", {io::IpAddress::v4({10, 0, 0, 1})});
  base::SeededRandom random_{1};
  testing::AppWorld world_{simulation_.clock()};
  GuestShard shard_{host_.reactor(), world_.engine(), simulation_.clock(), random_, nullptr};
  ScriptedDirectory directory_{host_.reactor()};
  AppRouter router_{shard_, directory_, nullptr, random_, {.domain = "apps.example.com"}};
  io::TaskScope beside_{host_.reactor()};
};

TEST_F(AppRouterTest, TheHostNamesTheApp) {
  add("site", "one");
  add("other", "else");
  EXPECT_EQ(text_of("site.apps.example.com"), "one");
  EXPECT_EQ(text_of("SITE.apps.example.com.:8080"), "one");
  EXPECT_EQ(text_of("other.apps.example.com"), "else");
  EXPECT_EQ(router_.runner_count(), 2U);
}

TEST_F(AppRouterTest, TheHostMayNameAVersion) {
  add("site", "one");
  add("site", "two");
  EXPECT_EQ(text_of("site.apps.example.com"), "two");
  EXPECT_EQ(text_of("site--v1.apps.example.com"), "one");
  EXPECT_EQ(status_of("site--v3.apps.example.com"), 404);
  EXPECT_EQ(status_of("site--vx.apps.example.com"), 404);
}

TEST_F(AppRouterTest, AVersionThatIsNotActive_HasItsOwnNameOnly) {
  add("site", "one");
  directory_.apps.clear();
  EXPECT_EQ(status_of("site.apps.example.com"), 404);
  EXPECT_EQ(text_of("site--v1.apps.example.com"), "one");
}

TEST_F(AppRouterTest, ADomainLeadsToItsApp) {
  add("site", "one");
  directory_.domains["www.example.org"] = "site";
  EXPECT_EQ(text_of("www.example.org"), "one");
  EXPECT_EQ(text_of("WWW.example.org"), "one");
  EXPECT_EQ(directory_.domain_questions, 1);
  EXPECT_EQ(status_of("example.org"), 404);
}

TEST_F(AppRouterTest, WhatIsNoApp_IsNotFound) {
  const auto unknown = get("unknown.apps.example.com");
  EXPECT_EQ(unknown->status, 404);
  EXPECT_THAT(unknown->received, HasSubstr("r1"));
  for (const auto* host : {"apps.example.com", "a.b.apps.example.com", "192.0.2.1", "localhost"}) {
    EXPECT_EQ(status_of(host), 404) << host;
  }
  EXPECT_EQ(router_.metrics().not_found, 5U);
  EXPECT_EQ(directory_.app_questions, 1);
}

TEST_F(AppRouterTest, ThatThereIsNoApp_IsRemembered) {
  EXPECT_EQ(status_of("site.apps.example.com"), 404);
  EXPECT_EQ(status_of("site.apps.example.com"), 404);
  EXPECT_EQ(directory_.app_questions, 1);
}

TEST_F(AppRouterTest, AStoreThatDoesNotAnswer_IsUnavailable) {
  directory_.failure = ErrorKind::kDisconnected;
  const auto answer = get("site.apps.example.com");
  EXPECT_EQ(answer->status, 503);
  EXPECT_TRUE(answer->headers.find("retry-after").has_value());
  EXPECT_EQ(router_.metrics().failed, 1U);
}

TEST_F(AppRouterTest, AVersionThatCannotRun_IsABadGateway) {
  add("site", "one");
  directory_.version_failure = ErrorKind::kUnsupported;
  EXPECT_EQ(status_of("site.apps.example.com"), 502);
}

TEST_F(AppRouterTest, AFailingStart_IsNotTriedForEveryRequest) {
  add("site", "one");
  add("other", "else");
  directory_.version_failure = ErrorKind::kInternal;
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(status_of("site.apps.example.com"), 502);
  }
  EXPECT_EQ(directory_.version_questions, 1);
  directory_.version_failure.reset();
  EXPECT_EQ(text_of("other.apps.example.com"), "else");
  simulation_.run_for(AppRouterOptions().failure_time);
  EXPECT_EQ(text_of("site.apps.example.com"), "one");
}

TEST_F(AppRouterTest, AChangeOfTheApp_EndsTheMemoryOfItsFailure) {
  add("site", "one");
  directory_.version_failure = ErrorKind::kInternal;
  EXPECT_EQ(status_of("site.apps.example.com"), 502);
  directory_.version_failure.reset();
  router_.forget("site");
  EXPECT_EQ(text_of("site.apps.example.com"), "one");
}

TEST_F(AppRouterTest, ABurst_StartsOnce) {
  add("site", "one");
  std::vector<std::unique_ptr<testing::RecordingExchange>> burst;
  io::TaskScope scope(host_.reactor());
  for (int i = 0; i < 5; ++i) {
    burst.push_back(
        std::make_unique<testing::RecordingExchange>("GET", "site.apps.example.com", "/"));
    scope.spawn(router_.handle(*burst.back()));
  }
  EXPECT_TRUE(host_.reactor().run(scope.close()).has_value());
  for (const auto& exchange : burst) {
    EXPECT_EQ(exchange->received, "one");
  }
  EXPECT_EQ(router_.metrics().starts, 1U);
  EXPECT_EQ(directory_.app_questions, 1);
  EXPECT_EQ(directory_.version_questions, 1);
}

TEST_F(AppRouterTest, WeightsDivideTheRequests) {
  add("site", "one");
  add("site", "two");
  directory_.apps["site"] = {
      .versions = {{.version = 1, .weight = 3}, {.version = 2, .weight = 1}}};
  std::map<std::string, int> counts;
  for (int i = 0; i < 100; ++i) {
    ++counts[text_of("site.apps.example.com")];
  }
  EXPECT_GT(counts["one"], 60);
  EXPECT_GT(counts["two"], 10);
  EXPECT_EQ(counts["one"] + counts["two"], 100);
}

TEST_F(AppRouterTest, WhatIsForgotten_IsAskedAtTheNextRequest) {
  add("site", "one");
  EXPECT_EQ(text_of("site.apps.example.com"), "one");
  add("site", "two");
  EXPECT_EQ(text_of("site.apps.example.com"), "one");
  router_.forget("site");
  EXPECT_EQ(text_of("site.apps.example.com"), "two");
  add("site", "three");
  router_.forget_everything();
  EXPECT_EQ(text_of("site.apps.example.com"), "three");
}

TEST_F(AppRouterTest, AChangeThatNobodyTellsOf_IsSeenAfterTheRefreshTime) {
  add("site", "one");
  add("other", "else");
  directory_.domains["www.example.org"] = "site";
  for (const auto* host : {"site.apps.example.com", "www.example.org"}) {
    EXPECT_EQ(text_of(host), "one");
    EXPECT_EQ(text_of(host), "one");
  }
  simulation_.run_for(seconds(50));
  EXPECT_EQ(text_of("www.example.org"), "one");
  directory_.domains["www.example.org"] = "other";
  add("site", "two");
  EXPECT_EQ(text_of("site.apps.example.com"), "one");
  EXPECT_EQ(text_of("www.example.org"), "one");
  simulation_.run_for(seconds(11));
  EXPECT_EQ(text_of("site.apps.example.com"), "two");
  EXPECT_EQ(text_of("www.example.org"), "else");
}

TEST_F(AppRouterTest, ForgettingTheSame_KeepsTheRunner) {
  add("site", "one");
  EXPECT_EQ(text_of("site.apps.example.com"), "one");
  router_.forget("site");
  EXPECT_EQ(text_of("site.apps.example.com"), "one");
  EXPECT_EQ(router_.metrics().starts, 1U);
  EXPECT_EQ(directory_.version_questions, 2);
}

TEST_F(AppRouterTest, AnotherVersionOfTheSameNumber_ReplacesTheRunner) {
  add("site", "one");
  EXPECT_EQ(text_of("site.apps.example.com"), "one");
  add("site", "recreated");
  directory_.versions[{"site", 1}] = directory_.versions[{"site", 2}];
  directory_.apps["site"] = {.versions = {{.version = 1, .weight = 1}}};
  router_.forget("site");
  EXPECT_EQ(text_of("site.apps.example.com"), "recreated");
  EXPECT_EQ(router_.runner_count(), 1U);
  EXPECT_EQ(router_.metrics().ends, 1U);
}

TEST_F(AppRouterTest, AChangeDuringTheStart_IsSeenByWhoComesAfterIt) {
  add("site", "one");
  testing::RecordingExchange first("GET", "site.apps.example.com", "/");
  testing::RecordingExchange second("GET", "site.apps.example.com", "/");
  io::TaskScope scope(host_.reactor());
  scope.spawn(router_.handle(first));
  simulation_.run_for(ScriptedDirectory::kAnswerTime * 3 / 2);
  ASSERT_EQ(directory_.version_questions, 1);
  add("site", "recreated");
  directory_.versions[{"site", 1}] = directory_.versions[{"site", 2}];
  directory_.apps["site"] = {.versions = {{.version = 1, .weight = 1}}};
  router_.forget("site");
  scope.spawn(router_.handle(second));
  EXPECT_TRUE(host_.reactor().run(scope.close()).has_value());
  EXPECT_EQ(second.received, "recreated");
}

TEST_F(AppRouterTest, AnIdleRunner_EndsAndStartsAgain) {
  add("site", "one", "scaling: {idle_timeout: 10s}\n");
  EXPECT_EQ(text_of("site.apps.example.com"), "one");
  simulation_.run_for(seconds(9));
  EXPECT_EQ(router_.runner_count(), 1U);
  EXPECT_EQ(text_of("site.apps.example.com"), "one");
  simulation_.run_for(seconds(9));
  EXPECT_EQ(router_.runner_count(), 1U) << "the last request counts";
  simulation_.run_for(seconds(3));
  EXPECT_EQ(router_.runner_count(), 0U);
  EXPECT_EQ(text_of("site.apps.example.com"), "one");
  EXPECT_EQ(router_.metrics().starts, 2U);
}

TEST_F(AppRouterTest, SeveralInstances_EndByThemselvesAndThenTheRunner) {
  const VersionNumber number = world_.deploy("site", testing::listening_program(),
                                             "scaling: {max_instances: 3, idle_timeout: 10s}\n");
  auto loaded = world_.loader().load("site", number);
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message();
  ASSERT_NE((*loaded)->places, nullptr);
  InstanceScaler& scaler = (*loaded)->places->scaler();
  directory_.versions[{"site", number}] = *std::move(loaded);
  directory_.apps["site"] = {.versions = {{.version = number, .weight = 1}}};
  EXPECT_EQ(status_of("site.apps.example.com"), 503) << "the program ends before it listens";
  EXPECT_NE(scaler.state(0), InstanceScaler::State::kStopped);
  EXPECT_EQ(scaler.state(1), InstanceScaler::State::kStopped);
  router_.set_allowance(minutes(10), false);
  EXPECT_FALSE(scaler.starts_allowed());
  simulation_.run_for(seconds(9));
  EXPECT_EQ(router_.runner_count(), 1U);
  simulation_.run_for(seconds(15));
  EXPECT_EQ(scaler.state(0), InstanceScaler::State::kStopped);
  EXPECT_EQ(router_.runner_count(), 0U);
}

TEST_F(AppRouterTest, WhenMemoryIsScarce_IdleRunnersEndEarly) {
  add("used", "one");
  add("idle", "two");
  EXPECT_EQ(text_of("idle.apps.example.com"), "two");
  simulation_.run_for(seconds(8));
  EXPECT_EQ(text_of("used.apps.example.com"), "one");
  router_.set_allowance(seconds(6), true);
  simulation_.run_for(seconds(2));
  EXPECT_EQ(router_.runner_count(), 1U);
  EXPECT_EQ(text_of("idle.apps.example.com"), "two");
}

TEST_F(AppRouterTest, WithoutMemoryForMore_OnlyWhatRunsIsServed) {
  add("running", "one");
  add("other", "two");
  EXPECT_EQ(text_of("running.apps.example.com"), "one");
  router_.set_allowance(minutes(10), false);
  EXPECT_EQ(text_of("running.apps.example.com"), "one");
  EXPECT_EQ(status_of("other.apps.example.com"), 503);
  router_.set_allowance(minutes(10), true);
  EXPECT_EQ(text_of("other.apps.example.com"), "two");
}

TEST_F(AppRouterTest, AfterTheStop_NothingIsServed) {
  add("site", "one");
  EXPECT_EQ(text_of("site.apps.example.com"), "one");
  EXPECT_TRUE(host_.reactor().run(router_.stop(in(seconds(1)))).has_value());
  EXPECT_EQ(status_of("site.apps.example.com"), 503);
  EXPECT_EQ(router_.runner_count(), 0U);
}

TEST_F(AppRouterTest, AStopDuringAStart_AnswersUnavailable) {
  add("site", "one");
  // At every moment of a start, a different one each time.
  for (int i = 0; i < 5; ++i) {
    AppRouter router(shard_, directory_, nullptr, random_, {.domain = "apps.example.com"});
    testing::RecordingExchange exchange("GET", "site.apps.example.com", "/");
    io::TaskScope scope(host_.reactor());
    scope.spawn(router.handle(exchange));
    simulation_.run_for(ScriptedDirectory::kAnswerTime * i / 2);
    EXPECT_TRUE(host_.reactor().run(router.stop(in(seconds(1)))).has_value());
    EXPECT_TRUE(host_.reactor().run(scope.close()).has_value());
    EXPECT_TRUE(exchange.status == 503 || exchange.status == 200) << exchange.status;
    EXPECT_EQ(router.runner_count(), 0U);
  }
}

}  // namespace
}  // namespace selvedge::app
