// Symbolic links to absolute paths: kept as they are in every kind of file system, followed from
// the root of the guest's files where there is one, and nowhere else.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "base/random.h"
#include "wasix/fs_host.h"
#include "wasix/fs_memory.h"
#include "wasix/fs_mounts.h"
#include "wasix/host_errno.h"
#include "wasix/testing/file_systems.h"

namespace selvedge::wasix {
namespace {

using ::testing::ElementsAre;
using testing::errno_of;
using testing::get;
using testing::list;
using testing::open_directory;
using testing::put;
using testing::TemporaryDirectory;

constexpr OpenOptions kFollow{.follow = Follow::kYes, .read = true};
constexpr OpenOptions kRead{.read = true};

class AbsoluteLinks : public ::testing::TestWithParam<testing::Kind> {
 protected:
  AbsoluteLinks() : root_(files_.root().reopen_as_root()) {
    EXPECT_TRUE(root_->make_directory("a"));
    EXPECT_TRUE(root_->make_directory("a/b"));
    EXPECT_TRUE(put(*root_, "a/b/f", "found"));
  }
  Directory& root() noexcept { return *root_; }
  void link(std::string_view target, std::string_view path) {
    EXPECT_TRUE(root().symlink(target, path)) << path;
  }

  testing::FileSystemUnderTest files_{GetParam()};
  std::shared_ptr<Directory> root_;
};

INSTANTIATE_TEST_SUITE_P(All, AbsoluteLinks, ::testing::ValuesIn(testing::kKinds),
                         [](const auto& info) { return to_string(info.param); });

TEST_P(AbsoluteLinks, Target_IsKeptAsItIs) {
  for (const char* target : {"/", "//etc//passwd/", "/a/b/f", "/nothing/../here"}) {
    link(target, "l");
    EXPECT_EQ(root().read_link("l"), target);
    EXPECT_EQ(root().stat("l", Follow::kNo)->filetype, Filetype::kSymbolicLink);
    EXPECT_TRUE(root().unlink("l"));
  }
}

TEST_P(AbsoluteLinks, AreFollowedFromTheRoot) {
  link("/a/b/f", "a/b/file");
  link("/a", "a/b/dir");
  link("///", "a/b/top");
  link("/a/b/dir/b", "a/chain");
  EXPECT_EQ(get(root(), "a/b/file"), "found");
  EXPECT_EQ(get(root(), "a/b/dir/b/f"), "found");
  EXPECT_EQ(get(root(), "a/b/top/a/b/f"), "found");
  EXPECT_EQ(get(root(), "a/b/dir/../a/b/f"), "found") << "behind the link, .. is the target's";
  EXPECT_EQ(get(root(), "a/chain/f"), "found");
  EXPECT_THAT(list(root(), "a/b/dir/"), ElementsAre("b/", "chain@"));
  EXPECT_EQ(root().stat("a/b/top", Follow::kYes)->ino, root().stat()->ino);
  EXPECT_EQ(errno_of(root().open("a/b/file/", kRead)), Errno::kNotdir);
}

TEST_P(AbsoluteLinks, FromAnOpenedDirectory_LeadToTheRootToo) {
  link("/a/b/f", "a/b/file");
  link("/a", "a/b/dir");
  const auto b = open_directory(root(), "a/b");
  ASSERT_TRUE(b);
  EXPECT_EQ(get(**b, "file"), "found");
  EXPECT_EQ(get(**b, "dir/b/f"), "found");
  EXPECT_EQ(errno_of((*b)->stat("../b", Follow::kYes)), Errno::kPerm) << "but .. does not";
}

TEST_P(AbsoluteLinks, ParentOfTheRoot_IsTheRootBehindThem) {
  link("/../../a/b/f", "file");
  link("/..", "top");
  link("/a/rel", "abs");
  link("../../../a/b", "a/rel");
  EXPECT_EQ(get(root(), "file"), "found");
  EXPECT_EQ(get(root(), "top/a/b/f"), "found");
  EXPECT_EQ(get(root(), "top/../a/b/f"), "found");
  EXPECT_EQ(get(root(), "abs/f"), "found");
  EXPECT_EQ(get(root(), "../a/b/f"), "found");
  EXPECT_EQ(get(root(), "a/../../a/rel/f"), "found");
  EXPECT_EQ(root().stat("..", Follow::kYes)->ino, root().stat()->ino);
}

TEST_P(AbsoluteLinks, InTheLastPlace_AreThemselves) {
  link("/a/b/f", "l");
  EXPECT_EQ(errno_of(root().open("l", kRead)), Errno::kLoop);
  EXPECT_EQ(errno_of(root().open("l", {.oflags = Oflags::kDirectory})), Errno::kNotdir);
  EXPECT_EQ(errno_of(root().make_directory("l")), Errno::kExist);
  EXPECT_EQ(errno_of(root().symlink("x", "l")), Errno::kExist);
  EXPECT_TRUE(root().rename("l", root(), "a/moved"));
  EXPECT_EQ(root().read_link("a/moved"), "/a/b/f");
  EXPECT_TRUE(root().link("a/moved", root(), "second"));
  EXPECT_EQ(root().read_link("second"), "/a/b/f");
  EXPECT_TRUE(root().unlink("a/moved"));
  EXPECT_EQ(get(root(), "a/b/f"), "found");
}

TEST_P(AbsoluteLinks, Dangling_CreatesWhatItSays) {
  link("/a/new", "l");
  EXPECT_EQ(errno_of(root().open("l", kFollow)), Errno::kNoent);
  EXPECT_TRUE(root().open("l", {.follow = Follow::kYes, .oflags = Oflags::kCreat, .write = true}));
  EXPECT_THAT(list(root(), "a"), ElementsAre("b/", "new"));
}

TEST_P(AbsoluteLinks, InACircle_AreALoop) {
  link("/two", "one");
  link("/one", "two");
  link("/self/x", "self");
  for (const char* path : {"one", "two", "one/x", "one/", "self", "self/x"}) {
    EXPECT_EQ(errno_of(root().open(path, kFollow)), Errno::kLoop) << path;
    EXPECT_EQ(errno_of(root().stat(path, Follow::kYes)), Errno::kLoop) << path;
  }
}

TEST_P(AbsoluteLinks, WithoutARoot_AreRefused) {
  link("/a/b/f", "a/b/file");
  link("/a", "a/b/dir");
  link("/", "a/b/top");
  auto confined =
      root().open("a/b", {.oflags = Oflags::kDirectory, .read = true, .confined = true});
  ASSERT_TRUE(confined);
  Directory& wall = *std::get<std::shared_ptr<Directory>>(*confined);
  for (const auto directory : {&wall, &files_.root()}) {
    const std::string way = directory == &wall ? "" : "a/b/";
    for (const char* name : {"file", "dir/b", "dir/", "top", "top/a"}) {
      EXPECT_EQ(errno_of(directory->open(way + name, kFollow)), Errno::kPerm) << name;
      EXPECT_EQ(errno_of(directory->stat(way + name, Follow::kYes)), Errno::kPerm) << name;
    }
    EXPECT_EQ(errno_of(directory->make_directory(way + "dir/x")), Errno::kPerm);
  }
}

TEST(AbsoluteLinksOfMounts, LeadFromOneToAnother) {
  const base::SystemClock clock;
  const TemporaryDirectory folder;
  std::ofstream(folder.path() / "f") << "of the host";
  auto memory = *MemoryFileSystem::create({.clock = clock});
  auto table = *MountTable::create(
      {.clock = clock,
       .mounts = {
           {.path = "/", .file_system = memory},
           {.path = "/mnt/host", .file_system = *HostDirectory::create({.path = folder.path()})}}});
  const auto root = table->open_root()->reopen_as_root();
  ASSERT_TRUE(put(*root, "f", "in memory"));
  ASSERT_TRUE(root->symlink("/mnt/host/f", "to-host"));
  ASSERT_TRUE(root->symlink("/f", "mnt/host/to-memory"));
  ASSERT_TRUE(root->symlink("/mnt", "mnt/host/up"));
  EXPECT_EQ(get(*root, "to-host"), "of the host");
  EXPECT_EQ(get(*root, "mnt/host/to-memory"), "in memory");
  EXPECT_EQ(get(*root, "mnt/host/up/host/to-memory"), "in memory");
  EXPECT_EQ(std::filesystem::read_symlink(folder.path() / "to-memory"), "/f");
  EXPECT_EQ(errno_of(root->rename("mnt/host/to-memory", *root, "moved")), Errno::kXdev);
}

// A folder of the host with links that somebody hostile has put there, which is all of the guest's
// files; with and without openat2.
class AbsoluteLinksEscape : public ::testing::TestWithParam<bool> {
 protected:
  AbsoluteLinksEscape() {
    std::filesystem::create_directories(inside());
    std::ofstream(secret()) << "secret";
    root_ = (*HostDirectory::create({.path = inside(), .avoid_openat2 = GetParam()}))
                ->open_root()
                ->reopen_as_root();
  }
  std::filesystem::path inside() const { return base_.path() / "inside"; }
  std::filesystem::path secret() const { return base_.path() / "secret"; }

  TemporaryDirectory base_;
  std::shared_ptr<Directory> root_;
};

INSTANTIATE_TEST_SUITE_P(All, AbsoluteLinksEscape, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "NameByName" : "Openat2"; });

TEST_P(AbsoluteLinksEscape, LeadToTheGuestsFileOfThePath) {
  std::filesystem::create_symlink("/etc/passwd", inside() / "passwd");
  std::filesystem::create_symlink("/etc", inside() / "host-etc");
  std::filesystem::create_symlink(secret(), inside() / "out");
  std::filesystem::create_symlink("/proc/self/root", inside() / "magic");
  for (const char* path : {"passwd", "host-etc/passwd", "out", "magic/etc/passwd", "magic/",
                           "./out", "host-etc/../etc/passwd"}) {
    EXPECT_EQ(errno_of(root_->open(path, kFollow)), Errno::kNoent) << path;
    EXPECT_EQ(errno_of(root_->stat(path, Follow::kYes)), Errno::kNoent) << path;
  }
  EXPECT_EQ(errno_of(root_->open("out", {.follow = Follow::kYes,
                                         .oflags = Oflags::kCreat | Oflags::kTrunc,
                                         .write = true})),
            Errno::kNoent);
  EXPECT_EQ(errno_of(root_->unlink("host-etc/passwd")), Errno::kNoent);
  EXPECT_EQ(errno_of(root_->make_directory("host-etc/made")), Errno::kNoent);
  std::filesystem::create_directories(inside() / "etc");
  std::ofstream(inside() / "etc/passwd") << "the guest's";
  for (const char* path : {"passwd", "host-etc/passwd", "host-etc/../etc/passwd"}) {
    EXPECT_EQ(get(*root_, path), "the guest's") << path;
  }
  EXPECT_EQ(std::filesystem::file_size(secret()), 6U);
}

TEST_P(AbsoluteLinksEscape, SwappedWithADirectory_NeverLeadOut) {
  std::filesystem::create_directories(inside() / "swap");
  std::ofstream(inside() / "swap/secret") << "harmless";
  std::filesystem::create_symlink(base_.path(), inside() / "trap");
  const std::string a = inside() / "swap";
  const std::string b = inside() / "trap";
  std::atomic<bool> done = false;
  std::thread changer([&] {
    while (!done.load(std::memory_order_relaxed)) {
      ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE);
    }
  });
  for (int i = 0; i < 3000 && !HasFailure(); ++i) {
    for (const char* path : {"swap/secret", "./swap/../swap/secret", "trap/secret"}) {
      EXPECT_NE(get(*root_, path).value_or(""), "secret");
    }
  }
  done = true;
  changer.join();
}

// The kernel's own resolution below a root says the same.
TEST(AbsoluteLinksRandom, LeadWhereTheKernelSays) {
  const TemporaryDirectory folder;
  const int fd = ::open(folder.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  open_how how{.flags = O_PATH | O_CLOEXEC, .mode = 0, .resolve = RESOLVE_IN_ROOT};
  const auto kernel = [&](const std::string& path) {
    // EAGAIN: anything on the machine was renamed while the kernel walked over `..`.
    for (;;) {
      const auto opened =
          static_cast<int>(::syscall(SYS_openat2, fd, path.c_str(), &how, sizeof how));
      if (opened >= 0 || errno != EAGAIN) {
        return opened;
      }
    }
  };
  if (const int probe = kernel("."); probe < 0) {
    GTEST_SKIP() << "no openat2";
  } else {
    ::close(probe);
  }
  const auto fast =
      (*HostDirectory::create({.path = folder.path()}))->open_root()->reopen_as_root();
  const auto slow = (*HostDirectory::create({.path = folder.path(), .avoid_openat2 = true}))
                        ->open_root()
                        ->reopen_as_root();
  base::SeededRandom numbers(20'260'101);
  const auto path_of = [&numbers](bool absolute) {
    static constexpr const char* kNames[] = {"a", "b", "c", "l", "m", "n", "..", "."};
    std::string path = absolute ? "/" : "";
    const auto count = 1 + numbers.below(4);
    for (std::size_t i = 0; i < count; ++i) {
      path += kNames[numbers.below(std::size(kNames))];
      path += i + 1 < count || numbers.below(8) == 0 ? "/" : "";
    }
    return path;
  };
  int found = 0;
  for (int round = 0; round < 3000; ++round) {
    if (round % 20 == 0) {
      for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
        std::filesystem::remove_all(entry.path());
      }
      std::filesystem::create_directories(folder.path() / "a/b/c");
      std::filesystem::create_directories(folder.path() / "b/a");
      for (const char* link : {"l", "m", "n", "a/l", "a/b/m", "b/n"}) {
        std::filesystem::create_symlink(path_of(numbers.below(2) == 0), folder.path() / link);
      }
    }
    const std::string path = path_of(false);
    const int opened = kernel(path);
    const int error = opened < 0 ? errno : 0;
    struct stat expected{};
    if (opened >= 0) {
      ASSERT_EQ(::fstat(opened, &expected), 0);
      ::close(opened);
    }
    for (const auto& root : {fast, slow}) {
      const auto stat = root->stat(path, Follow::kYes);
      ASSERT_EQ(stat.has_value(), opened >= 0) << path;
      if (stat) {
        ++found;
        ASSERT_EQ(stat->ino, expected.st_ino) << path;
      } else {
        ASSERT_EQ(stat.error(), errno_from_host(error)) << path;
      }
    }
  }
  EXPECT_GT(found, 500);
}

}  // namespace
}  // namespace selvedge::wasix
