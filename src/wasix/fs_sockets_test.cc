// Files that are the names of unix sockets, in every kind of file system.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>

#include "wasix/fs_host.h"
#include "wasix/fs_memory.h"
#include "wasix/testing/file_systems.h"

namespace selvedge::wasix {
namespace {

using ::testing::ElementsAre;
using testing::errno_of;
using testing::list;
using testing::put;

class SocketFiles : public ::testing::TestWithParam<testing::Kind> {
 protected:
  Directory& root() noexcept { return files_.root(); }
  testing::FileSystemUnderTest files_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(All, SocketFiles, ::testing::ValuesIn(testing::kKinds),
                         [](const auto& info) { return to_string(info.param); });

TEST_P(SocketFiles, AreSeenAndNotOpened) {
  const auto made = root().make_socket("s");
  ASSERT_TRUE(made);
  EXPECT_EQ(made->filetype, Filetype::kSocketStream);
  const auto stat = root().stat("s", Follow::kYes);
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->filetype, Filetype::kSocketStream);
  EXPECT_EQ(stat->ino, made->ino);
  EXPECT_EQ(stat->size, 0U);
  EXPECT_EQ(stat->nlink, 1U);
  EXPECT_THAT(list(root()), ElementsAre("s"));
  EXPECT_EQ(errno_of(root().open("s", {.read = true})), Errno::kNxio);
  EXPECT_EQ(errno_of(root().open("s", {.oflags = Oflags::kCreat, .write = true})), Errno::kNxio);
  EXPECT_EQ(errno_of(root().open("s", {.oflags = Oflags::kCreat | Oflags::kExcl, .write = true})),
            Errno::kExist);
  EXPECT_EQ(errno_of(root().open("s/x", {.read = true})), Errno::kNotdir);
  EXPECT_EQ(errno_of(root().read_link("s")), Errno::kInval);
}

TEST_P(SocketFiles, TakeFreeNamesOnly) {
  ASSERT_TRUE(root().make_directory("d"));
  ASSERT_TRUE(put(root(), "f", ""));
  ASSERT_TRUE(root().symlink("nothing", "l"));
  ASSERT_TRUE(root().make_socket("s"));
  for (const char* name : {"d", "f", "l", "s", ".", "d/."}) {
    EXPECT_EQ(errno_of(root().make_socket(name)), Errno::kExist) << name;
  }
  EXPECT_EQ(errno_of(root().make_socket("n/s")), Errno::kNoent);
  EXPECT_EQ(errno_of(root().make_socket("f/s")), Errno::kNotdir);
  EXPECT_EQ(errno_of(root().make_socket("../s")), Errno::kPerm);
  EXPECT_EQ(errno_of(root().make_socket("")), Errno::kNoent);
  EXPECT_EQ(errno_of(root().make_socket("n/")), Errno::kNoent);
  EXPECT_TRUE(root().make_socket("d/s"));
}

TEST_P(SocketFiles, AreRenamedLinkedAndRemoved_AsFiles) {
  const auto made = root().make_socket("s");
  ASSERT_TRUE(made);
  EXPECT_TRUE(root().rename("s", root(), "t"));
  EXPECT_EQ(root().stat("t", Follow::kNo)->ino, made->ino);
  EXPECT_TRUE(root().link("t", root(), "u"));
  EXPECT_EQ(root().stat("u", Follow::kNo)->ino, made->ino);
  EXPECT_EQ(errno_of(root().remove_directory("t")), Errno::kNotdir);
  EXPECT_TRUE(root().unlink("t"));
  EXPECT_TRUE(root().unlink("u"));
  EXPECT_EQ(errno_of(root().stat("s", Follow::kNo)), Errno::kNoent);
  const auto again = root().make_socket("s");
  ASSERT_TRUE(again);
}

TEST(SocketFilesOfMemory, CountAsEntries) {
  const base::SystemClock clock;
  auto files = *MemoryFileSystem::create({.clock = clock, .entries_max = 2});
  const auto root = files->open_root();
  EXPECT_TRUE(root->make_socket("a"));
  EXPECT_TRUE(root->make_socket("b"));
  EXPECT_EQ(errno_of(root->make_socket("c")), Errno::kNospc);
  EXPECT_TRUE(root->unlink("a"));
  EXPECT_TRUE(root->make_socket("c"));
}

TEST(SocketFilesOfTheHost, ReadOnly_AreNotMade) {
  const testing::TemporaryDirectory folder;
  auto writable = (*HostDirectory::create({.path = folder.path()}))->open_root();
  ASSERT_TRUE(writable->make_socket("s"));
  struct stat host{};
  ASSERT_EQ(::lstat((folder.path() / "s").c_str(), &host), 0);
  EXPECT_TRUE(S_ISSOCK(host.st_mode));
  auto root = (*HostDirectory::create({.path = folder.path(), .read_only = true}))->open_root();
  EXPECT_EQ(errno_of(root->make_socket("new")), Errno::kRofs);
  EXPECT_EQ(errno_of(root->make_socket("s")), Errno::kExist);
}

}  // namespace
}  // namespace selvedge::wasix
