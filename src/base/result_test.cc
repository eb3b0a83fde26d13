#include "base/result.h"

#include <gtest/gtest.h>

#include "base/format.h"

namespace selvedge {
namespace {

Result<int> half(int value) {
  if (value % 2 != 0) {
    return fail_format(ErrorKind::kInvalid, "{} is odd", value);
  }
  return value / 2;
}

Result<int> quarter(int value) {
  SELVEDGE_TRY(const int once, half(value));
  SELVEDGE_TRY(const int twice, half(once));
  return twice;
}

Result<> check(int value) {
  SELVEDGE_TRY_VOID(quarter(value));
  return {};
}

TEST(Result, Try_Success_YieldsTheValue) { EXPECT_EQ(quarter(12).value(), 3); }

TEST(Result, Try_Failure_ReturnsTheFirstError) {
  const auto result = quarter(6);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().kind(), ErrorKind::kInvalid);
  EXPECT_EQ(result.error().message(), "3 is odd");
  EXPECT_FALSE(check(6).has_value());
  EXPECT_TRUE(check(8).has_value());
}

TEST(Error, WithContext_PutsTheOutermostFirst) {
  Error error =
      Error(ErrorKind::kNotFound, "no such file").with_context("a.toml").with_context("deploy");
  EXPECT_EQ(error.message(), "deploy: a.toml: no such file");
  EXPECT_EQ(error.clone().message(), error.message());
}

}  // namespace
}  // namespace selvedge
