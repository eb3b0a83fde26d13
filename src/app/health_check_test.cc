#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "app/internal_exchange.h"
#include "app/proxy_runner.h"
#include "app/testing/answer_requests.h"
#include "base/format.h"
#include "io/testing/simulated_network.h"
#include "io/testing/simulation.h"

// Goal: a program that does not serve any more is found and started anew, while requests wait; one
// that serves is left alone. Method: a program on a simulated network, whose health the test sets.

namespace selvedge::app {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

const io::SocketAddress kAddress(io::IpAddress::v4({10, 0, 0, 2}), 8080);

// Answers /health with `health`, never when that is 0, and everything else with 200.
class FakeProgram final : public UpstreamInstance {
 public:
  FakeProgram(io::testing::SimulatedHost& gateway, io::testing::SimulatedHost& host)
      : gateway_(gateway), host_(host), ended_(gateway.reactor()) {
    ended_.set();
  }

  Result<> start() override {
    ended_.reset();
    ++starts;
    if (heals_at_start) {
      health = 200;
    }
    connections_ = std::make_unique<io::TaskScope>(host_.reactor());
    auto listener = host_.network().listen(kAddress);
    EXPECT_TRUE(listener.has_value());
    listener_ = *std::move(listener);
    connections_->spawn(accept(*this));
    return {};
  }
  io::Task<std::unique_ptr<io::Stream>> connect(io::Deadline deadline) override {
    return gateway_.network().connect(kAddress, deadline);
  }
  io::Event& ended() noexcept override { return ended_; }
  std::string end_reason() const override { return "exited with code 3"; }
  void request_stop() noexcept override {
    ++stops;
    if (obeys_stop) {
      kill();
    }
  }
  void kill() noexcept override {
    if (!ended_.is_set()) {
      ++kills;
      listener_->close();
      connections_->cancel();
      ended_.set();
    }
  }

  int health = 200;
  bool heals_at_start = true;
  bool obeys_stop = true;
  int starts = 0;
  int stops = 0;
  int kills = 0;
  int probes = 0;

 private:
  static io::Task<> accept(FakeProgram& program) {
    for (;;) {
      SELVEDGE_CO_TRY(auto stream, co_await program.listener_->accept());
      program.connections_->spawn(testing::answer_requests(
          std::move(stream), [&program](io::Stream& connection, std::string path) {
            return answer(program, connection, std::move(path));
          }));
    }
  }

  static io::Task<> answer(FakeProgram& program, io::Stream& stream, std::string path) {
    const bool is_probe = path == "/health";
    program.probes += is_probe ? 1 : 0;
    const int status = is_probe ? program.health : 200;
    if (status == 0) {
      co_await program.host_.reactor().sleep(seconds(3600));
    }
    const std::string text = fmt::format("HTTP/1.1 {} x\r\nContent-Length: 2\r\n\r\nok", status);
    co_return co_await stream.write_all(base::as_bytes(text));
  }

  io::testing::SimulatedHost& gateway_;
  io::testing::SimulatedHost& host_;
  io::Event ended_;
  std::unique_ptr<io::Listener> listener_;
  std::unique_ptr<io::TaskScope> connections_;
};

class HealthTest : public ::testing::Test {
 protected:
  static HealthCheckConfig check() {
    HealthCheckConfig made;
    made.http.path = "/health";
    made.http.timeout = seconds(2);
    made.interval = seconds(10);
    made.unhealthy_threshold = 2;
    return made;
  }
  ProxyRunner& start(HealthCheckConfig check, internal::Admission* turns = nullptr) {
    runner_.emplace(host_.reactor(), program_, simulation_.random(), limits_,
                    ProxyHealth{.checks = {std::move(check)}, .host = "site", .turns = turns});
    runner_->start();
    return *runner_;
  }
  // The status of a request.
  int get() {
    auto request = request_of(HttpCheck(), "site");
    EXPECT_TRUE(request.has_value());
    InternalExchange exchange(*std::move(request), "", "r1");
    EXPECT_TRUE(host_.reactor().run(runner_->handle(exchange)).has_value());
    return exchange.status();
  }
  Result<> wait_until_healthy() {
    return host_.reactor().run(
        runner_->wait_until_healthy(host_.reactor().deadline_after(seconds(60))));
  }
  void TearDown() override {
    EXPECT_TRUE(host_.reactor().run(runner_->stop(host_.reactor().deadline_after(seconds(1)))));
  }

  io::testing::Simulation simulation_{3};
  io::testing::SimulatedHost& host_ =
      simulation_.add_host("gateway", {io::IpAddress::v4({10, 0, 0, 1})});
  io::testing::SimulatedHost& other_ =
      simulation_.add_host("program", {io::IpAddress::v4({10, 0, 0, 2})});
  FakeProgram program_{host_, other_};
  ProxyLimits limits_;
  std::optional<ProxyRunner> runner_;
};

TEST_F(HealthTest, AProgramThatServes_IsAskedAtItsIntervalAndLeftAlone) {
  start(check());
  EXPECT_TRUE(wait_until_healthy().has_value());
  const int first = program_.probes;
  simulation_.run_for(seconds(105));
  EXPECT_EQ(program_.probes, first + 10);
  EXPECT_EQ(program_.starts, 1);
}

TEST_F(HealthTest, OneThatFailsAsOftenAsTheThreshold_IsStartedAnew) {
  start(check());
  EXPECT_TRUE(wait_until_healthy().has_value());
  program_.health = 500;
  simulation_.run_for(seconds(15));
  EXPECT_EQ(program_.starts, 1);
  simulation_.run_for(seconds(10));
  EXPECT_EQ(program_.starts, 2);
  EXPECT_EQ(program_.stops, 1);
  EXPECT_EQ(runner_->metrics().unhealthy, 1U);
  EXPECT_EQ(get(), 200);
}

TEST_F(HealthTest, ASuccessInBetween_BeginsTheCountAnew) {
  start(check());
  EXPECT_TRUE(wait_until_healthy().has_value());
  for (int i = 0; i < 5; ++i) {
    program_.health = 500;
    simulation_.run_for(seconds(10));
    program_.health = 200;
    simulation_.run_for(seconds(10));
  }
  EXPECT_EQ(program_.starts, 1);
}

TEST_F(HealthTest, OneThatDoesNotAnswerTheCheck_IsStartedAnew) {
  start(check());
  EXPECT_TRUE(wait_until_healthy().has_value());
  program_.health = 0;
  simulation_.run_for(seconds(30));
  EXPECT_EQ(program_.starts, 2);
}

TEST_F(HealthTest, RequestsWaitWhileItIsStartedAnew) {
  program_.obeys_stop = false;
  limits_.stop_time_max = seconds(5);
  start(check());
  EXPECT_TRUE(wait_until_healthy().has_value());
  program_.health = 500;
  while (program_.stops == 0) {
    simulation_.run_for(milliseconds(100));
  }
  EXPECT_EQ(program_.starts, 1);
  EXPECT_EQ(get(), 200);
  EXPECT_EQ(program_.starts, 2);
  EXPECT_EQ(program_.kills, 1);
  EXPECT_EQ(runner_->metrics().unavailable, 0U);
}

TEST_F(HealthTest, OneThatIsNeverHealthy_IsServedAtFirstAndThenStartedLaterEachTime) {
  program_.health = 503;
  program_.heals_at_start = false;
  limits_.init_time_max = seconds(20);
  start(check());
  EXPECT_EQ(get(), 200);
  const auto healthy = wait_until_healthy();
  ASSERT_FALSE(healthy.has_value());
  EXPECT_THAT(healthy.error().message(), HasSubstr("GET /health answered 503, not 200 to 299"));
  simulation_.run_for(seconds(600));
  EXPECT_GE(program_.starts, 10);
  EXPECT_LE(program_.starts, 40);
}

TEST_F(HealthTest, ASlowStart_IsNotTakenForIllness) {
  program_.health = 503;
  program_.heals_at_start = false;
  start(check());
  simulation_.run_for(seconds(15));
  EXPECT_EQ(program_.starts, 1);
  program_.health = 200;
  EXPECT_TRUE(wait_until_healthy().has_value());
  EXPECT_EQ(program_.starts, 1);
}

TEST_F(HealthTest, AProgramThatServesOneRequestAtATime_IsNotAskedMeanwhile) {
  internal::Admission turns(host_.reactor(), 1, 16);
  start(check(), &turns);
  EXPECT_TRUE(wait_until_healthy().has_value());
  {
    const auto turn = host_.reactor().run(turns.enter(host_.reactor().deadline_after(seconds(1))));
    ASSERT_TRUE(turn.has_value());
    const int before = program_.probes;
    simulation_.run_for(seconds(100));
    EXPECT_EQ(program_.probes, before);
  }
  EXPECT_EQ(program_.starts, 1);
  simulation_.run_for(seconds(20));
  EXPECT_EQ(program_.starts, 1);
}

TEST_F(HealthTest, OneThatEndsByItself_IsStartedAsEver) {
  start(check());
  EXPECT_TRUE(wait_until_healthy().has_value());
  program_.kill();
  simulation_.run_for(seconds(5));
  EXPECT_EQ(program_.starts, 2);
  EXPECT_EQ(runner_->metrics().unhealthy, 0U);
  EXPECT_TRUE(wait_until_healthy().has_value());
}

}  // namespace
}  // namespace selvedge::app
