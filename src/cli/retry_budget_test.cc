// Goal: a command comes again when a node asks for it, and ends all the same.

#include "cli/retry_budget.h"

#include <gtest/gtest.h>

namespace selvedge::cli {
namespace {

using namespace std::chrono_literals;

TEST(RetryBudget, WaitsAsLongAsTheNodeSays) {
  RetryBudget budget;
  EXPECT_EQ(budget.next(2s), 2s);
  EXPECT_EQ(budget.next(5s), 5s);
  EXPECT_EQ(budget.next(0s), RetryBudget::kWaitMin);
  EXPECT_EQ(budget.next(-7s), RetryBudget::kWaitMin);
}

TEST(RetryBudget, EndsAfterAllTheTime) {
  RetryBudget budget;
  EXPECT_EQ(budget.next(50s), 50s);
  EXPECT_EQ(budget.next(11s), std::nullopt);
  EXPECT_EQ(budget.next(10s), 10s);
  EXPECT_EQ(budget.next(1s), std::nullopt);
  EXPECT_EQ(RetryBudget().next(61s), std::nullopt);
  EXPECT_EQ(RetryBudget().next(std::chrono::seconds::max()), std::nullopt);
}

TEST(RetryBudget, EndsAfterSomeTries) {
  RetryBudget budget;
  for (int i = 0; i < RetryBudget::kRetriesMax; ++i) {
    EXPECT_TRUE(budget.next(1s).has_value());
  }
  EXPECT_EQ(budget.next(1s), std::nullopt);
}

}  // namespace
}  // namespace selvedge::cli
