// Attempts to reach what lies outside a mounted host directory, with the directory prepared by
// somebody hostile, and changed by somebody hostile while paths are resolved.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "wasix/fs_host.h"
#include "wasix/testing/file_systems.h"

namespace selvedge::wasix {
namespace {

using testing::errno_of;
using testing::get;
using testing::put;
using testing::TemporaryDirectory;

constexpr OpenOptions kFollow{.follow = Follow::kYes, .read = true};
constexpr int kRaceIterations = 3000;

// base/outside/secret and base/inside, the mounted one; with and without openat2.
class HostDirectoryEscape : public ::testing::TestWithParam<bool> {
 protected:
  HostDirectoryEscape() {
    std::filesystem::create_directories(inside() / "d");
    std::filesystem::create_directories(base_.path() / "outside");
    std::ofstream(base_.path() / "outside/secret") << "secret";
    std::ofstream(base_.path() / "secret") << "secret";
    root_ = mount(false)->open_root();
  }
  std::filesystem::path inside() const { return base_.path() / "inside"; }
  std::shared_ptr<HostDirectory> mount(bool read_only) {
    return *HostDirectory::create(
        {.path = inside(), .read_only = read_only, .avoid_openat2 = GetParam()});
  }

  TemporaryDirectory base_;
  std::shared_ptr<Directory> root_;
};

INSTANTIATE_TEST_SUITE_P(All, HostDirectoryEscape, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "NameByName" : "Openat2"; });

TEST_P(HostDirectoryEscape, HostMadeLinks_LeadingOut_AreNotFollowed) {
  struct Case {
    const char* target;
    Errno error;
  };
  const std::string absolute = base_.path() / "outside";
  const Case cases[] = {
      {"../outside", Errno::kPerm},      {absolute.c_str(), Errno::kPerm},  {"/", Errno::kPerm},
      {"/proc/self/root", Errno::kPerm}, {"d/../../outside", Errno::kPerm}, {"..", Errno::kPerm},
      {"d/up/..", Errno::kPerm},  // d/up -> ../.., which is outside already
  };
  std::filesystem::create_symlink("../..", inside() / "d/up");
  for (const Case& c : cases) {
    const auto link = inside() / "link";
    std::filesystem::remove(link);
    std::filesystem::create_symlink(c.target, link);
    for (const char* path : {"link/secret", "link/.", "link/", "./link/secret", "d/../link/x"}) {
      EXPECT_EQ(errno_of(root_->open(path, kFollow)), c.error) << c.target << " " << path;
    }
    EXPECT_EQ(errno_of(root_->open("link", kFollow)), c.error) << c.target;
    EXPECT_EQ(errno_of(root_->stat("link", Follow::kYes)), c.error) << c.target;
    EXPECT_EQ(errno_of(root_->open("link", {.follow = Follow::kYes,
                                            .oflags = Oflags::kCreat | Oflags::kTrunc,
                                            .write = true})),
              c.error);
    EXPECT_EQ(errno_of(put(*root_, "link/made", "x")), c.error);
    EXPECT_EQ(errno_of(root_->make_directory("link/made")), c.error);
    EXPECT_EQ(errno_of(root_->unlink("link/secret")), c.error);
    EXPECT_EQ(errno_of(root_->rename("d", *root_, "link/d")), c.error);
    EXPECT_EQ(errno_of(root_->rename("link/secret", *root_, "got")), c.error);
    EXPECT_EQ(errno_of(root_->link("link/secret", *root_, "got")), c.error);
    EXPECT_EQ(errno_of(root_->symlink("x", "link/x")), c.error);
    EXPECT_EQ(errno_of(root_->set_times("link", Follow::kYes, {})), c.error);
  }
  EXPECT_TRUE(std::filesystem::exists(base_.path() / "outside/secret"));
  EXPECT_FALSE(std::filesystem::exists(base_.path() / "outside/made"));
}

TEST_P(HostDirectoryEscape, MagicLinks_AreNotFollowed) {
  auto proc = HostDirectory::create({.path = "/proc/self", .avoid_openat2 = GetParam()});
  ASSERT_TRUE(proc);
  auto root = (*proc)->open_root();
  for (const char* path : {"root/etc/passwd", "cwd/", "fd/0/x", "root/", "exe/"}) {
    EXPECT_FALSE(root->open(path, kFollow)) << path;
  }
  for (const char* path : {"root", "cwd", "exe"}) {
    EXPECT_FALSE(root->open(path, kFollow)) << path;
  }
}

TEST_P(HostDirectoryEscape, SpecialFiles_AreSeenButNotOpened) {
  ASSERT_EQ(::mkfifo((inside() / "fifo").c_str(), 0600), 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = inside() / "socket";
  ASSERT_LT(path.size(), sizeof address.sun_path);
  std::memcpy(address.sun_path, path.c_str(), path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(::bind(fd, static_cast<sockaddr*>(static_cast<void*>(&address)), sizeof address), 0);
  for (const char* name : {"fifo", "socket"}) {
    const Errno error = std::string_view(name) == "fifo" ? Errno::kAcces : Errno::kNxio;
    EXPECT_EQ(errno_of(root_->open(name, kFollow)), error) << name;
    EXPECT_EQ(errno_of(root_->open(name, {.write = true})), error) << name;
    EXPECT_EQ(errno_of(root_->open(name, {.oflags = Oflags::kDirectory})), Errno::kNotdir);
    EXPECT_TRUE(root_->stat(name, Follow::kNo));
  }
  EXPECT_EQ(root_->stat("socket", Follow::kNo)->filetype, Filetype::kSocketStream);
  ::close(fd);
  auto dev = HostDirectory::create({.path = "/dev", .avoid_openat2 = GetParam()});
  ASSERT_TRUE(dev);
  auto root = (*dev)->open_root();
  EXPECT_EQ(errno_of(root->open("null", kFollow)), Errno::kAcces);
  EXPECT_EQ(root->stat("null", Follow::kNo)->filetype, Filetype::kCharacterDevice);
}

TEST_P(HostDirectoryEscape, NamesThatAreNotUtf8_AreLeftOut) {
  std::ofstream(inside() / "bad\xff") << "x";
  std::ofstream(inside() / "good") << "x";
  EXPECT_EQ(testing::list(*root_), (std::vector<std::string>{"d/", "good"}));
}

TEST_P(HostDirectoryEscape, ParentOfTheRoot_IsTheRootItself) {
  testing::EntryCollector entries;
  ASSERT_TRUE(root_->read_entries(0, entries));
  for (const auto& entry : entries.seen) {
    if (entry.name == "..") {
      EXPECT_EQ(entry.ino, root_->stat()->ino);
    }
  }
}

TEST_P(HostDirectoryEscape, ReadOnly_RefusesEveryChange) {
  ASSERT_TRUE(put(*root_, "f", "content"));
  auto root = mount(true)->open_root();
  EXPECT_EQ(get(*root, "f"), "content");
  EXPECT_EQ(errno_of(root->open("f", {.write = true})), Errno::kRofs);
  EXPECT_EQ(errno_of(root->open("f", {.oflags = Oflags::kTrunc})), Errno::kRofs);
  EXPECT_EQ(errno_of(root->open("n", {.oflags = Oflags::kCreat})), Errno::kRofs);
  EXPECT_TRUE(root->open("f", {.oflags = Oflags::kCreat, .read = true}));
  EXPECT_EQ(errno_of(root->make_directory("n")), Errno::kRofs);
  EXPECT_EQ(errno_of(root->make_directory("d")), Errno::kExist);
  EXPECT_EQ(errno_of(root->remove_directory("d")), Errno::kRofs);
  EXPECT_EQ(errno_of(root->unlink("f")), Errno::kRofs);
  EXPECT_EQ(errno_of(root->symlink("f", "l")), Errno::kRofs);
  EXPECT_EQ(errno_of(root->link("f", *root, "l")), Errno::kRofs);
  EXPECT_EQ(errno_of(root->rename("f", *root, "l")), Errno::kRofs);
  EXPECT_EQ(errno_of(root->set_times("f", Follow::kNo, {})), Errno::kRofs);
  EXPECT_EQ(errno_of(root->set_times(TimesChange{})), Errno::kRofs);
  auto file = testing::open_file(*root, "f", {.read = true});
  EXPECT_EQ(errno_of((*file)->set_times({})), Errno::kRofs);
}

// Runs `change` on a thread of its own until `attempt` was called kRaceIterations times.
template <class Change, class Attempt>
void race(Change change, Attempt attempt) {
  std::atomic<bool> done = false;
  std::thread changer([&done, &change] {
    while (!done.load(std::memory_order_relaxed)) {
      change();
    }
  });
  for (int i = 0; i < kRaceIterations && !::testing::Test::HasFailure(); ++i) {
    attempt();
  }
  done = true;
  changer.join();
}

TEST_P(HostDirectoryEscape, DirectorySwappedWithALink_IsNeverFollowedOut) {
  std::filesystem::create_directories(inside() / "swap");
  std::ofstream(inside() / "swap/secret") << "harmless";
  std::filesystem::create_symlink("../outside", inside() / "trap");
  const std::string a = inside() / "swap";
  const std::string b = inside() / "trap";
  race([&] { ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE); },
       [&] {
         for (const char* path : {"swap/secret", "./swap/../swap/secret", "trap/./secret"}) {
           const auto content = get(*root_, path);
           EXPECT_NE(content.value_or(""), "secret");
         }
         EXPECT_NE(errno_of(root_->unlink("swap/only-outside")), Errno::kSuccess);
       });
}

TEST_P(HostDirectoryEscape, FileSwappedWithALink_IsNeverFollowedOut) {
  std::ofstream(inside() / "swap") << "harmless";
  std::filesystem::create_symlink("../secret", inside() / "trap");
  const std::string a = inside() / "swap";
  const std::string b = inside() / "trap";
  race([&] { ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE); },
       [&] {
         const auto content = get(*root_, "swap");
         EXPECT_NE(content.value_or(""), "secret");
         auto file = testing::open_file(*root_, "swap", {.read = true, .write = true});
         if (file) {
           EXPECT_EQ(testing::write_text(**file, "written"), 7U);
         }
       });
  EXPECT_EQ(std::filesystem::file_size(base_.path() / "secret"), 6U);
}

TEST_P(HostDirectoryEscape, DirectoryMovedUpDuringTheWalk_DoesNotTakeTheWalkerOut) {
  // a/b/c moves to c: `..` twice from it then leads above the mounted directory.
  std::filesystem::create_directories(inside() / "a/b/c");
  const std::string deep = inside() / "a/b/c";
  const std::string shallow = inside() / "c";
  race(
      [&] {
        ::rename(deep.c_str(), shallow.c_str());
        ::rename(shallow.c_str(), deep.c_str());
      },
      [&] {
        EXPECT_NE(get(*root_, "a/b/c/../../secret").value_or(""), "secret");
        EXPECT_NE(get(*root_, "a/b/c/../../../secret").value_or(""), "secret");
      });
}

}  // namespace
}  // namespace selvedge::wasix
