#include "app/internal/route_cache.h"

#include <gtest/gtest.h>

#include <chrono>

namespace selvedge::app::internal {
namespace {

using std::chrono::seconds;

class RouteCacheTest : public ::testing::Test {
 protected:
  static base::MonotonicTime at(int second) { return base::MonotonicTime(seconds(second)); }

  RouteCache<int> routes_{3};
  std::shared_ptr<int> one_ = std::make_shared<int>(1);
};

TEST_F(RouteCacheTest, WhatIsKnown_IsFound_UntilItsTime) {
  EXPECT_EQ(routes_.find("site.example", at(0)), nullptr);
  routes_.put("site.example", one_, at(10), routes_.epoch());
  EXPECT_EQ(routes_.find("site.example", at(9)), one_);
  EXPECT_EQ(routes_.find("site.exampl", at(9)), nullptr);
  EXPECT_EQ(routes_.find("site.example", at(10)), nullptr);
  routes_.put("site.example", one_, at(20), routes_.epoch());
  EXPECT_EQ(routes_.find("site.example", at(10)), one_);
}

TEST_F(RouteCacheTest, AChange_EndsAll_AlsoWhatWasBegunBefore) {
  routes_.put("site.example", one_, at(10), routes_.epoch());
  const auto before = routes_.epoch();
  routes_.forget_everything();
  EXPECT_EQ(routes_.find("site.example", at(0)), nullptr);
  routes_.put("site.example", one_, at(10), before);
  EXPECT_EQ(routes_.find("site.example", at(0)), nullptr);
  routes_.put("site.example", one_, at(10), routes_.epoch());
  EXPECT_EQ(routes_.find("site.example", at(0)), one_);
}

TEST_F(RouteCacheTest, ItKeepsNothingAlive) {
  routes_.put("site.example", one_, at(10), routes_.epoch());
  const std::weak_ptr<int> watched = one_;
  one_.reset();
  EXPECT_TRUE(watched.expired());
  EXPECT_EQ(routes_.find("site.example", at(0)), nullptr);
}

TEST_F(RouteCacheTest, ItsEntriesAreBounded) {
  for (const auto* host : {"a", "b", "c", "d"}) {
    routes_.put(host, one_, at(10), routes_.epoch());
  }
  EXPECT_EQ(routes_.find("a", at(0)), nullptr);
  EXPECT_EQ(routes_.find("d", at(0)), one_);
}

}  // namespace
}  // namespace selvedge::app::internal
