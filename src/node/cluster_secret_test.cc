#include "node/cluster_secret.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/system.h"

namespace selvedge::node {
namespace {

class ClusterSecretTest : public testing::Test {
 protected:
  ClusterSecretTest() { std::filesystem::remove(path_); }
  ~ClusterSecretTest() override { std::filesystem::remove(path_); }

  base::SystemRandom random_;
  const std::filesystem::path path_ =
      std::filesystem::path(testing::TempDir()) / "selvedge_cluster_secret_test";
};

TEST_F(ClusterSecretTest, Created_IsReadAgainAndPrivate) {
  EXPECT_FALSE(read_cluster_secret(path_)->has_value());
  ASSERT_TRUE(create_cluster_secret(path_, random_).has_value());
  struct stat status{};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
  const auto secret = read_cluster_secret(path_);
  ASSERT_TRUE(secret.has_value() && secret->has_value());
  EXPECT_FALSE(
      std::ranges::all_of((*secret)->bytes(), [](std::byte b) { return b == std::byte{}; }));
}

TEST_F(ClusterSecretTest, Existing_IsNeverReplaced) {
  ASSERT_TRUE(create_cluster_secret(path_, random_).has_value());
  const auto before = read_cluster_secret(path_);
  EXPECT_EQ(create_cluster_secret(path_, random_).error().kind(), ErrorKind::kConflict);
  const auto after = read_cluster_secret(path_);
  EXPECT_TRUE(std::ranges::equal((*before)->bytes(), (*after)->bytes()));
}

TEST_F(ClusterSecretTest, ReadableForOthersOrOfAnotherSize_IsRefused) {
  ASSERT_TRUE(create_cluster_secret(path_, random_).has_value());
  ::chmod(path_.c_str(), 0640);
  EXPECT_EQ(read_cluster_secret(path_).error().kind(), ErrorKind::kDenied);
  ::chmod(path_.c_str(), 0600);
  std::ofstream(path_, std::ios::app) << "x";
  EXPECT_EQ(read_cluster_secret(path_).error().kind(), ErrorKind::kInvalid);
  std::ofstream(path_, std::ios::trunc) << "short";
  EXPECT_EQ(read_cluster_secret(path_).error().kind(), ErrorKind::kInvalid);
  EXPECT_FALSE(read_cluster_secret(testing::TempDir()).has_value());
}

}  // namespace
}  // namespace selvedge::node
