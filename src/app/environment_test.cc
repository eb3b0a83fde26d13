#include "app/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace selvedge::app {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(MergeEnvironments, LaterValue_WinsInTheEarlierPlace) {
  EXPECT_THAT(merge_environments({{"A", "1"}, {"B", "2"}, {"A", "3"}}, {{"C", "4"}, {"B", "5"}}),
              ElementsAre(Pair("A", "3"), Pair("B", "5"), Pair("C", "4")));
}

}  // namespace
}  // namespace selvedge::app
