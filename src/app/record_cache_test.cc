#include "app/internal/record_cache.h"

#include <gtest/gtest.h>

#include <functional>
#include <utility>

#include "io/task_scope.h"
#include "io/testing/simulation.h"

// Goal: who asks gets what was true when they asked, at the price of as few reads as that takes.
// Method: reads that take simulated time and answer what the test says at their end.

namespace selvedge::app::internal {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr base::Duration kReadTime = milliseconds(10);
constexpr base::Duration kRefreshTime = seconds(60);
constexpr std::size_t kEntriesMax = 3;

class RecordCacheTest : public testing::Test {
 protected:
  io::Task<int> read() {
    ++reads_;
    const Result<int> seen =
        fails_ ? Result<int>(fail(ErrorKind::kDisconnected, "no store")) : Result<int>(value_);
    co_await host_.reactor().sleep(kReadTime);
    if (!seen.has_value()) {
      co_return fail(seen.error().clone());
    }
    co_return *seen;
  }
  Result<int> get(const std::string& key = "a") {
    return host_.reactor().run(cache_.get(key, [this] { return read(); }));
  }
  // Asks beside, and adds the answer to `answers_`.
  void ask(const std::string& key = "a") {
    scope_.spawn([](RecordCacheTest& test, std::string name) -> io::Task<> {
      const auto value = co_await test.cache_.get(std::move(name), [&test] { return test.read(); });
      test.answers_.push_back(value.value_or(-1));
      co_return {};
    }(*this, key));
  }

  io::testing::Simulation simulation_{1};
  io::testing::SimulatedHost& host_ =
      simulation_.add_host("node", {io::IpAddress::v4({10, 0, 0, 1})});
  int value_ = 1;
  bool fails_ = false;
  int reads_ = 0;
  std::vector<int> answers_;
  RecordCache<int> cache_{host_.reactor(), kRefreshTime, kEntriesMax};
  io::TaskScope scope_{host_.reactor()};
};

TEST_F(RecordCacheTest, ManyWhoAskAtOnce_ReadOnce) {
  for (int i = 0; i < 5; ++i) {
    ask();
  }
  simulation_.run_for(kReadTime * 2);
  EXPECT_EQ(answers_, std::vector<int>({1, 1, 1, 1, 1}));
  EXPECT_EQ(reads_, 1);
  EXPECT_EQ(get().value(), 1);
  EXPECT_EQ(reads_, 1);
}

TEST_F(RecordCacheTest, ForgottenDuringTheRead_IsReadAgain) {
  ask();
  simulation_.run_for(kReadTime / 2);
  value_ = 2;
  cache_.forget("a");
  ask();
  simulation_.run_for(kReadTime * 3);
  EXPECT_EQ(answers_, std::vector<int>({2, 2}));
  EXPECT_EQ(reads_, 2);
  EXPECT_EQ(get().value(), 2);
  EXPECT_EQ(reads_, 2);
}

TEST_F(RecordCacheTest, ForgottenDuringEveryRead_AnswersButKeepsNothing) {
  ask();
  for (int i = 0; i < RecordCache<int>::kAttemptsMax; ++i) {
    simulation_.run_for(kReadTime / 2);
    cache_.forget_everything();
    simulation_.run_for(kReadTime / 2);
  }
  simulation_.run_for(kReadTime);
  EXPECT_EQ(answers_, std::vector<int>({1}));
  EXPECT_EQ(reads_, RecordCache<int>::kAttemptsMax);
  ASSERT_TRUE(get().has_value());
  EXPECT_EQ(reads_, RecordCache<int>::kAttemptsMax + 1);
}

TEST_F(RecordCacheTest, ForgettingOne_KeepsTheOthers) {
  ASSERT_TRUE(get("a").has_value());
  ASSERT_TRUE(get("b").has_value());
  cache_.forget("a");
  value_ = 2;
  EXPECT_EQ(get("b").value(), 1);
  EXPECT_EQ(get("a").value(), 2);
}

TEST_F(RecordCacheTest, AnError_IsNotKept) {
  fails_ = true;
  EXPECT_EQ(get().error().kind(), ErrorKind::kDisconnected);
  fails_ = false;
  EXPECT_EQ(get().value(), 1);
}

TEST_F(RecordCacheTest, AfterTheRefreshTime_IsReadAnew) {
  ASSERT_TRUE(get().has_value());
  value_ = 2;
  simulation_.run_for(kRefreshTime - milliseconds(1));
  EXPECT_EQ(get().value(), 1);
  simulation_.run_for(milliseconds(1));
  EXPECT_EQ(get().value(), 2);
}

TEST_F(RecordCacheTest, ARefreshThatFails_KeepsTheOldValue) {
  ASSERT_TRUE(get().has_value());
  value_ = 2;
  fails_ = true;
  simulation_.run_for(kRefreshTime);
  EXPECT_EQ(get().value(), 1);
  const int reads = reads_;
  EXPECT_EQ(get().value(), 1);
  EXPECT_EQ(reads_, reads) << "the store was asked again at once";
  fails_ = false;
  simulation_.run_for(RecordCache<int>::kStaleTime);
  EXPECT_EQ(get().value(), 2);
}

TEST_F(RecordCacheTest, ForgottenWhileTheStoreIsGone_IsAnError) {
  ASSERT_TRUE(get().has_value());
  fails_ = true;
  cache_.forget("a");
  EXPECT_FALSE(get().has_value());
}

TEST_F(RecordCacheTest, MoreThanTheBound_DropsAll) {
  for (const auto* key : {"a", "b", "c"}) {
    ASSERT_TRUE(get(key).has_value());
  }
  ASSERT_TRUE(get("c").has_value());
  EXPECT_EQ(reads_, 3);
  ASSERT_TRUE(get("d").has_value());
  ASSERT_TRUE(get("d").has_value());
  EXPECT_EQ(reads_, 4);
  ASSERT_TRUE(get("a").has_value());
  EXPECT_EQ(reads_, 5);
}

TEST_F(RecordCacheTest, Cancelled_AnswersNobody) {
  ASSERT_TRUE(get("a").has_value());
  ask("b");
  simulation_.run_for(kReadTime / 2);
  cache_.cancel();
  simulation_.run_for(kReadTime);
  EXPECT_EQ(answers_, std::vector<int>({-1}));
  EXPECT_EQ(get("a").error().kind(), ErrorKind::kDisconnected);
}

}  // namespace
}  // namespace selvedge::app::internal
