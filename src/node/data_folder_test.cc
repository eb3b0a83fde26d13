#include "node/data_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "store/testing/store_world.h"

namespace selvedge::node {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

TEST(DataFolder, IsMadeForThisUserAlone) {
  const store::testing::TemporaryFolder parent;
  const auto folder = DataFolder::open(parent.path() / "node");
  ASSERT_TRUE(folder.has_value()) << folder.error().message();
  EXPECT_EQ(fs::status(parent.path() / "node").permissions(), fs::perms::owner_all);
  EXPECT_TRUE(fs::is_directory(folder->artifacts()));
  EXPECT_TRUE(fs::is_directory(folder->uploads()));
}

TEST(DataFolder, BelongsToOneNodeAtATime) {
  const store::testing::TemporaryFolder parent;
  {
    const auto first = DataFolder::open(parent.path());
    ASSERT_TRUE(first.has_value());
    const auto second = DataFolder::open(parent.path());
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().kind(), ErrorKind::kOverloaded);
    EXPECT_THAT(second.error().message(), HasSubstr(parent.path().string()));
  }
  EXPECT_TRUE(DataFolder::open(parent.path()).has_value());
}

TEST(DataFolder, WhatAnEarlierNodeLeft_IsRemovedOrKept) {
  const store::testing::TemporaryFolder parent;
  const auto write = [](const fs::path& path) { std::ofstream(path) << "x"; };
  fs::path upload;
  fs::path artifact;
  {
    const auto first = DataFolder::open(parent.path()).value();
    upload = first.uploads() / "upload-1";
    artifact = first.artifacts() / "a";
  }
  write(upload);
  write(artifact);
  ASSERT_TRUE(DataFolder::open(parent.path()).has_value());
  EXPECT_FALSE(fs::exists(upload));
  EXPECT_TRUE(fs::exists(artifact));
}

TEST(DataFolder, ALockThatIsPassed_StandsForItsOwnFolderOnly) {
  const store::testing::TemporaryFolder parent;
  const auto first = DataFolder::open(parent.path() / "first").value();
  const fs::path upload = first.uploads() / "upload-1";
  std::ofstream(upload) << "x";
  const auto copy = [&first] { return base::UniqueFd(::dup(first.lock())); };
  EXPECT_TRUE(DataFolder::open(parent.path() / "first", copy()).has_value());
  EXPECT_TRUE(fs::exists(upload)) << "the other process may be writing it";
  EXPECT_FALSE(DataFolder::open(parent.path() / "first").has_value());
  const auto second = DataFolder::open(parent.path() / "second").value();
  EXPECT_EQ(DataFolder::open(parent.path() / "second", copy()).error().kind(),
            ErrorKind::kOverloaded);
}

TEST(DataFolder, WhatCannotBeAFolder_IsNamed) {
  const store::testing::TemporaryFolder parent;
  const fs::path file = parent.path() / "file";
  std::ofstream(file) << "x";
  const auto on_file = DataFolder::open(file);
  ASSERT_FALSE(on_file.has_value());
  EXPECT_EQ(on_file.error().kind(), ErrorKind::kInvalid);
  EXPECT_THAT(on_file.error().message(), HasSubstr(file.string()));
  const auto nowhere = DataFolder::open(parent.path() / "a" / "b");
  ASSERT_FALSE(nowhere.has_value());
  EXPECT_THAT(nowhere.error().message(), HasSubstr("a/b"));
}

}  // namespace
}  // namespace selvedge::node
