#include "io/single_flight.h"

#include <gtest/gtest.h>

#include <string>

#include "io/deadline.h"
#include "io/testing/simulation.h"

namespace selvedge::io {
namespace {

class SingleFlightTest : public ::testing::Test {
 public:
  Task<int> work(int result) {
    ++started_;
    co_await reactor().sleep(std::chrono::seconds(1));
    ++ended_;
    if (result < 0) {
      co_return fail(ErrorKind::kInvalid, "a negative number");
    }
    co_return result;
  }
  Task<> ask(std::string key, int result) {
    auto answer = co_await flights_.run(std::move(key), [this, result] { return work(result); });
    (answer.has_value() ? answers_ : errors_) += 1;
    last_ = answer.has_value() ? *answer : -1;
    co_return {};
  }
  Reactor& reactor() { return host_.reactor(); }
  void cancel() { flights_.cancel(); }

 protected:
  testing::Simulation simulation_{1};
  testing::SimulatedHost& host_ = simulation_.add_host("host", {});
  SingleFlight<std::string, int> flights_{reactor()};
  TaskScope scope_{reactor()};
  int started_ = 0;
  int ended_ = 0;
  int answers_ = 0;
  int errors_ = 0;
  int last_ = 0;
};

TEST_F(SingleFlightTest, OneWorkForAllWhoAskMeanwhile) {
  for (int i = 0; i < 10; ++i) {
    scope_.spawn(ask("a", 7));
  }
  scope_.spawn(ask("b", 8));
  ASSERT_TRUE(reactor().run(scope_.close()).has_value());
  EXPECT_EQ(started_, 2);
  EXPECT_EQ(answers_, 11);
  EXPECT_EQ(flights_.size(), 0U);
}

TEST_F(SingleFlightTest, WhoAsksLaterStartsAnew) {
  ASSERT_TRUE(reactor().run(ask("a", 7)).has_value());
  ASSERT_TRUE(reactor().run(ask("a", 8)).has_value());
  EXPECT_EQ(started_, 2);
  EXPECT_EQ(last_, 8);
}

TEST_F(SingleFlightTest, AllGetTheError) {
  scope_.spawn(ask("a", -1));
  scope_.spawn(ask("a", -1));
  ASSERT_TRUE(reactor().run(scope_.close()).has_value());
  EXPECT_EQ(started_, 1);
  EXPECT_EQ(errors_, 2);
}

TEST_F(SingleFlightTest, TheWorkGoesOnWithoutItsFirstCaller) {
  const auto impatient = reactor().run([](SingleFlightTest& test) -> Task<> {
    co_return co_await with_deadline(test.ask("a", 7),
                                     test.reactor().deadline_after(std::chrono::milliseconds(1)));
  }(*this));
  EXPECT_EQ(impatient.error().kind(), ErrorKind::kTimeout);
  ASSERT_TRUE(reactor().run(ask("a", 8)).has_value());
  EXPECT_EQ(started_, 1);
  EXPECT_EQ(last_, 7);
}

TEST_F(SingleFlightTest, CancelAnswersThoseWhoWaitAndAllLater) {
  scope_.spawn(ask("a", 7));
  ASSERT_TRUE(reactor()
                  .run([](SingleFlightTest& test) -> Task<> {
                    co_await test.reactor().sleep(std::chrono::milliseconds(1));
                    test.cancel();
                    co_return {};
                  }(*this))
                  .has_value());
  ASSERT_TRUE(reactor().run(scope_.close()).has_value());
  ASSERT_TRUE(reactor().run(ask("a", 7)).has_value());
  EXPECT_EQ(errors_, 2);
  EXPECT_EQ(ended_, 0);
}

}  // namespace
}  // namespace selvedge::io
