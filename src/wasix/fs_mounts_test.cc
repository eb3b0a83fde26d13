#include "wasix/fs_mounts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/system.h"
#include "wasix/fs_host.h"
#include "wasix/fs_memory.h"
#include "wasix/testing/file_systems.h"

namespace selvedge::wasix {
namespace {

using ::testing::ElementsAre;
using testing::errno_of;
using testing::get;
using testing::list;
using testing::put;

class Mounts : public ::testing::Test {
 protected:
  std::shared_ptr<MemoryFileSystem> memory(std::uint64_t device) {
    return *MemoryFileSystem::create({.clock = clock_, .device = device});
  }
  std::shared_ptr<MountTable> table(std::vector<Mount> mounts) {
    auto made = MountTable::create({.clock = clock_, .mounts = std::move(mounts)});
    EXPECT_TRUE(made);
    return *made;
  }
  base::SystemClock clock_;
};

TEST_F(Mounts, OnlySubpaths_HaveAMadeUpRoot) {
  auto app = memory(1);
  ASSERT_TRUE(put(*app->open_root(), "f", "app"));
  auto mounts = table({{"/srv/app", app}, {"/data", memory(2)}});
  auto root = mounts->open_root();
  EXPECT_THAT(list(*root), ElementsAre("data/", "srv/"));
  EXPECT_THAT(list(*root, "srv"), ElementsAre("app/"));
  EXPECT_EQ(get(*root, "srv/app/f"), "app");
  EXPECT_EQ(get(*root, "srv/app/../../data/../srv/app/f"), "app");
  EXPECT_EQ(root->stat()->filetype, Filetype::kDirectory);
  EXPECT_EQ(errno_of(put(*root, "f", "x")), Errno::kRofs);
  EXPECT_EQ(errno_of(put(*root, "srv/f", "x")), Errno::kRofs);
  EXPECT_EQ(errno_of(root->make_directory("n")), Errno::kRofs);
  EXPECT_EQ(errno_of(root->make_directory("srv")), Errno::kExist);
  EXPECT_EQ(errno_of(root->symlink("x", "srv/l")), Errno::kRofs);
  EXPECT_EQ(errno_of(root->stat("n", Follow::kNo)), Errno::kNoent);
  EXPECT_EQ(errno_of(root->unlink("n")), Errno::kNoent);
  EXPECT_EQ(errno_of(root->open("srv", {.write = true})), Errno::kIsdir);
  EXPECT_THAT(mounts->paths(), ElementsAre("/data", "/srv/app"));
}

TEST_F(Mounts, MountInsideAnother_HidesWhatIsThere) {
  auto outer = memory(1);
  auto root_of_outer = outer->open_root();
  ASSERT_TRUE(root_of_outer->make_directory("m"));
  ASSERT_TRUE(put(*root_of_outer, "m/hidden", "h"));
  ASSERT_TRUE(put(*root_of_outer, "f", "outer"));
  auto inner = memory(2);
  ASSERT_TRUE(put(*inner->open_root(), "g", "inner"));
  ASSERT_TRUE(inner->open_root()->symlink("../f", "up"));
  auto root = table({{"/", outer}, {"/m", inner}, {"/deep/er/mount", memory(3)}})->open_root();
  EXPECT_THAT(list(*root), ElementsAre("deep/", "f", "m/"));
  EXPECT_THAT(list(*root, "m"), ElementsAre("g", "up@"));
  EXPECT_EQ(get(*root, "m/g"), "inner");
  EXPECT_EQ(get(*root, "m/up"), "outer");  // the link is followed in the joined tree
  EXPECT_NE(root->stat("m", Follow::kNo)->dev, root->stat("f", Follow::kNo)->dev);
  ASSERT_TRUE(put(*root, "new", "x"));
  EXPECT_EQ(get(*root_of_outer, "new"), "x");
  ASSERT_TRUE(put(*root, "deep/er/mount/f", "3"));
}

TEST_F(Mounts, MountPoints_CannotBeTakenAway) {
  auto outer = memory(1);
  ASSERT_TRUE(outer->open_root()->make_directory("m"));
  ASSERT_TRUE(outer->open_root()->make_directory("d"));
  ASSERT_TRUE(put(*outer->open_root(), "f", ""));
  auto root = table({{"/", outer}, {"/m/x", memory(2)}})->open_root();
  EXPECT_EQ(errno_of(root->remove_directory("m")), Errno::kBusy);
  EXPECT_EQ(errno_of(root->remove_directory("m/x")), Errno::kBusy);
  EXPECT_EQ(errno_of(root->rename("m", *root, "n")), Errno::kBusy);
  EXPECT_EQ(errno_of(root->rename("d", *root, "m")), Errno::kBusy);
  EXPECT_EQ(errno_of(root->unlink("m")), Errno::kIsdir);
  EXPECT_EQ(errno_of(root->link("f", *root, "m")), Errno::kExist);
  EXPECT_EQ(errno_of(root->open("m", {.oflags = Oflags::kCreat | Oflags::kExcl})), Errno::kExist);
}

TEST_F(Mounts, AcrossFileSystems_IsXdev) {
  auto root = table({{"/a", memory(1)}, {"/b", memory(2)}})->open_root();
  ASSERT_TRUE(put(*root, "a/f", ""));
  EXPECT_EQ(errno_of(root->rename("a/f", *root, "b/f")), Errno::kXdev);
  EXPECT_EQ(errno_of(root->link("a/f", *root, "b/f")), Errno::kXdev);
  EXPECT_EQ(errno_of(root->rename("a/f", *root, "f")), Errno::kXdev);
  EXPECT_TRUE(root->rename("a/f", *root, "a/g"));
}

TEST_F(Mounts, RenameBetweenDecoratedAndPlainDirectories_Works) {
  auto outer = memory(1);
  ASSERT_TRUE(outer->open_root()->make_directory("plain"));
  auto root = table({{"/", outer}, {"/m", memory(2)}})->open_root();
  ASSERT_TRUE(put(*root, "plain/f", "f"));
  EXPECT_TRUE(root->rename("plain/f", *root, "f"));
  EXPECT_TRUE(root->link("f", *root, "plain/g"));
  EXPECT_TRUE(root->rename("f", *root, "plain/h"));
  EXPECT_THAT(list(*root, "plain"), ElementsAre("g", "h"));
}

TEST_F(Mounts, OpenDirectory_TakesAbsolutePaths) {
  auto mounts = table({{"/a/b", memory(1)}});
  EXPECT_TRUE(mounts->open_directory("/"));
  EXPECT_TRUE(mounts->open_directory("//"));
  EXPECT_TRUE(mounts->open_directory("/a"));
  EXPECT_TRUE(mounts->open_directory("/a/b/"));
  EXPECT_EQ(errno_of(mounts->open_directory("/c")), Errno::kNoent);
  EXPECT_EQ(errno_of(mounts->open_directory("a")), Errno::kInval);
  EXPECT_EQ(errno_of(mounts->open_directory("")), Errno::kNoent);
  EXPECT_EQ(errno_of(mounts->open_directory("/..")), Errno::kPerm);
}

TEST_F(Mounts, MalformedPaths_AreRefused) {
  for (const char* path : {"", "a", "/a/", "/a//b", "/.", "/a/..", "/\xff", "//"}) {
    auto made = MountTable::create({.clock = clock_, .mounts = {{path, memory(1)}}});
    EXPECT_FALSE(made) << path;
  }
  auto twice =
      MountTable::create({.clock = clock_, .mounts = {{"/a", memory(1)}, {"/a", memory(2)}}});
  EXPECT_FALSE(twice);
  EXPECT_THAT(twice.error().message(), ::testing::HasSubstr("'/a'"));
  std::vector<Mount> many;
  for (int i = 0; i < 300; ++i) {
    many.push_back({"/" + std::to_string(i), memory(1)});
  }
  EXPECT_FALSE(MountTable::create({.clock = clock_, .mounts = std::move(many)}));
}

TEST_F(Mounts, HostDirectory_MissingOrNotADirectory_IsExplained) {
  auto missing = HostDirectory::create({.path = "/proc/self/no-such-directory"});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind(), ErrorKind::kNotFound);
  EXPECT_THAT(missing.error().message(), ::testing::HasSubstr("/proc/self/no-such-directory"));
  auto file = HostDirectory::create({.path = "/etc/passwd"});
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().kind(), ErrorKind::kInvalid);
}

}  // namespace
}  // namespace selvedge::wasix
