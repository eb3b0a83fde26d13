#include "app/internal/route_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

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

TEST_F(RouteCacheTest, OfMany_EachIsItsOwn) {
  RouteCache<int> routes(10'000);
  std::vector<std::shared_ptr<int>> targets;
  const auto host = [](int number) { return "app-" + std::to_string(number) + ".example.com"; };
  for (int i = 0; i < 5000; ++i) {
    targets.push_back(std::make_shared<int>(i));
    routes.put(host(i), targets.back(), at(10), routes.epoch());
  }
  for (int i = 0; i < 5000; ++i) {
    EXPECT_EQ(routes.find(host(i), at(0)), targets[static_cast<std::size_t>(i)]);
  }
  EXPECT_EQ(routes.find(host(5000), at(0)), nullptr);
}

TEST_F(RouteCacheTest, AfterManyChanges_ItKeepsWhatIsNew) {
  for (int i = 0; i < 1000; ++i) {
    routes_.forget_everything();
    const std::string host = std::to_string(i);
    routes_.put(host, one_, at(10), routes_.epoch());
    EXPECT_EQ(routes_.find(host, at(0)), one_);
    EXPECT_EQ(routes_.find(std::to_string(i - 1), at(0)), nullptr);
  }
}

TEST_F(RouteCacheTest, ALongHost_IsNotKept) {
  const std::string longest(RouteCache<int>::kHostBytesMax, 'x');
  routes_.put(longest, one_, at(10), routes_.epoch());
  routes_.put(longest + "x", one_, at(10), routes_.epoch());
  EXPECT_EQ(routes_.find(longest, at(0)), one_);
  EXPECT_EQ(routes_.find(longest + "x", at(0)), nullptr);
}

TEST_F(RouteCacheTest, ItsEntriesAreBounded) {
  RouteCache<int> routes(100);
  std::size_t most = 0;
  for (int i = 0; i < 1000; ++i) {
    routes.put(std::to_string(i), one_, at(10), routes.epoch());
    EXPECT_EQ(routes.find(std::to_string(i), at(0)), one_);
    std::size_t known = 0;
    for (int k = 0; k <= i; ++k) {
      known += routes.find(std::to_string(k), at(0)) != nullptr ? 1 : 0;
    }
    most = std::max(most, known);
  }
  EXPECT_LE(most, 200U);
}

}  // namespace
}  // namespace selvedge::app::internal
