#include "wasix/fs_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/system.h"
#include "wasix/fs_host.h"
#include "wasix/testing/file_systems.h"

namespace selvedge::wasix {
namespace {

using ::testing::ElementsAre;
using testing::errno_of;
using testing::get;
using testing::list;
using testing::open_directory;
using testing::open_file;
using testing::put;
using testing::read_text;
using testing::TemporaryDirectory;
using testing::write_text;

constexpr OpenOptions kCreate{.oflags = Oflags::kCreat, .read = true, .write = true};
constexpr OpenOptions kReadWrite{.read = true, .write = true};

class MemoryFiles : public ::testing::Test {
 protected:
  void use(std::uint64_t bytes_max, std::uint64_t entries_max) {
    file_system_ = *MemoryFileSystem::create(
        {.clock = clock_, .bytes_max = bytes_max, .entries_max = entries_max});
    root_ = file_system_->open_root();
  }
  base::SystemClock clock_;
  std::shared_ptr<MemoryFileSystem> file_system_;
  std::shared_ptr<Directory> root_;
};

TEST_F(MemoryFiles, Bytes_AtTheLimit_AreNospc) {
  use(2 * kMemoryBlockBytes, 100);
  auto file = open_file(*root_, "f", kCreate);
  ASSERT_TRUE(file);
  const std::string block(kMemoryBlockBytes, 'b');
  EXPECT_EQ(write_text(**file, block + block), 2 * kMemoryBlockBytes);
  EXPECT_EQ(errno_of(write_text(**file, "x")), Errno::kNospc);
  EXPECT_EQ((*file)->stat()->size, 2 * kMemoryBlockBytes);
  EXPECT_EQ(file_system_->bytes_used(), 2 * kMemoryBlockBytes);
  EXPECT_TRUE((*file)->set_size(kMemoryBlockBytes));
  EXPECT_EQ(file_system_->bytes_used(), kMemoryBlockBytes);
  EXPECT_TRUE(put(*root_, "g", block));
  // What crosses the limit is a short write.
  const std::array both{base::as_bytes(block), base::as_bytes(block)};
  EXPECT_TRUE(root_->unlink("g"));
  EXPECT_EQ((*file)->pwrite(both, kMemoryBlockBytes), kMemoryBlockBytes);
}

TEST_F(MemoryFiles, Content_IsReleasedWithTheLastUse) {
  use(1 << 20, 100);
  auto file = open_file(*root_, "f", kCreate);
  EXPECT_EQ(write_text(**file, std::string(1000, 'x')), 1000U);
  EXPECT_EQ(file_system_->bytes_used(), 1024U);
  EXPECT_TRUE(root_->unlink("f"));
  EXPECT_EQ(file_system_->entries_used(), 0U);
  EXPECT_EQ(file_system_->bytes_used(), 1024U);
  file->reset();
  EXPECT_EQ(file_system_->bytes_used(), 0U);
}

TEST_F(MemoryFiles, Entries_AtTheLimit_AreNospc) {
  use(1 << 20, 3);
  EXPECT_TRUE(root_->make_directory("d"));
  EXPECT_TRUE(put(*root_, "f", ""));
  EXPECT_TRUE(root_->symlink("f", "l"));
  EXPECT_EQ(errno_of(root_->make_directory("e")), Errno::kNospc);
  EXPECT_EQ(errno_of(put(*root_, "g", "")), Errno::kNospc);
  EXPECT_EQ(errno_of(root_->link("f", *root_, "g")), Errno::kNospc);
  EXPECT_TRUE(root_->rename("f", *root_, "g"));
  EXPECT_TRUE(root_->rename("g", *root_, "l"));
  EXPECT_EQ(file_system_->entries_used(), 2U);
  EXPECT_TRUE(root_->remove_directory("d"));
  EXPECT_EQ(file_system_->entries_used(), 1U);
}

TEST_F(MemoryFiles, Holes_CostNothing) {
  use(1 << 20, 10);
  auto file = open_file(*root_, "f", kCreate);
  EXPECT_TRUE((*file)->set_size(std::uint64_t{1} << 40));
  EXPECT_EQ(errno_of((*file)->set_size((std::uint64_t{1} << 40) + 1)), Errno::kFbig);
  const std::array x{base::as_bytes("x")};
  EXPECT_EQ((*file)->pwrite(x, std::uint64_t{1} << 39), 1U);
  EXPECT_EQ(errno_of((*file)->pwrite(x, std::uint64_t{1} << 40)), Errno::kFbig);
  EXPECT_LE(file_system_->bytes_used(), kMemoryBlockBytes);
  EXPECT_EQ((*file)->stat()->size, std::uint64_t{1} << 40);
}

TEST_F(MemoryFiles, Allocate_ReservesOrRefusesAsAWhole) {
  use(4 * kMemoryBlockBytes, 10);
  auto file = open_file(*root_, "f", kCreate);
  EXPECT_EQ(errno_of((*file)->allocate(0, 5 * kMemoryBlockBytes)), Errno::kNospc);
  EXPECT_EQ((*file)->stat()->size, 0U);
  EXPECT_EQ(file_system_->bytes_used(), 0U);
  EXPECT_TRUE((*file)->allocate(0, 4 * kMemoryBlockBytes));
  EXPECT_EQ(file_system_->bytes_used(), 4 * kMemoryBlockBytes);
  EXPECT_EQ(errno_of(put(*root_, "g", "x")), Errno::kNospc);
  EXPECT_EQ(write_text(**file, std::string(4 * kMemoryBlockBytes, 'x')), 4 * kMemoryBlockBytes);
  EXPECT_EQ(errno_of((*file)->allocate(0, std::uint64_t{1} << 41)), Errno::kFbig);
}

TEST_F(MemoryFiles, DeepTree_IsDestroyedWithoutRecursion) {
  use(1 << 20, 1 << 17);
  std::shared_ptr<Directory> directory = root_;
  for (int i = 0; i < 100'000; ++i) {
    ASSERT_TRUE(directory->make_directory("d"));
    directory = *open_directory(*directory, "d");
  }
  directory.reset();
  root_.reset();
  file_system_.reset();
}

TEST_F(MemoryFiles, OpenHandles_OutliveTheFileSystem) {
  use(1 << 20, 10);
  ASSERT_TRUE(put(*root_, "f", "text"));
  auto file = open_file(*root_, "f", {.read = true});
  file_system_.reset();
  ASSERT_TRUE(root_->make_directory("d"));
  root_.reset();
  EXPECT_EQ(read_text(**file, 10), "text");
}

TEST_F(MemoryFiles, Frozen_RefusesEveryChange) {
  use(1 << 20, 10);
  ASSERT_TRUE(put(*root_, "f", "text"));
  ASSERT_TRUE(root_->make_directory("d"));
  file_system_->freeze();
  EXPECT_EQ(get(*root_, "f"), "text");
  EXPECT_EQ(errno_of(put(*root_, "f", "x")), Errno::kRofs);
  EXPECT_EQ(errno_of(put(*root_, "n", "x")), Errno::kRofs);
  EXPECT_EQ(errno_of(root_->make_directory("n")), Errno::kRofs);
  EXPECT_EQ(errno_of(root_->make_directory("d")), Errno::kExist);
  EXPECT_EQ(errno_of(root_->unlink("f")), Errno::kRofs);
  EXPECT_EQ(errno_of(root_->remove_directory("d")), Errno::kRofs);
  EXPECT_EQ(errno_of(root_->rename("f", *root_, "g")), Errno::kRofs);
  EXPECT_EQ(errno_of(root_->link("f", *root_, "g")), Errno::kRofs);
  EXPECT_EQ(errno_of(root_->symlink("f", "g")), Errno::kRofs);
  EXPECT_EQ(errno_of(root_->set_times("f", Follow::kNo, {})), Errno::kRofs);
}

TEST_F(MemoryFiles, Frozen_IsSharedByThreads) {
  use(1 << 20, 100);
  ASSERT_TRUE(root_->make_directory("d"));
  ASSERT_TRUE(put(*root_, "d/f", std::string(100'000, 'f')));
  ASSERT_TRUE(root_->link("d/f", *root_, "g"));
  file_system_->freeze();
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this, i] {
      auto root =
          (*MemoryFileSystem::create({.clock = clock_, .lower = file_system_}))->open_root();
      for (int round = 0; round < 50; ++round) {
        const std::string text = std::to_string(i * 1000 + round);
        EXPECT_EQ(get(*root, "d/f")->size(), round == 0 ? 100'000U : 4U);
        EXPECT_TRUE(put(*root, "d/f", text + std::string(4 - text.size(), ' ')));
        EXPECT_EQ(get(*root, "g")->substr(0, text.size()), text);
        EXPECT_THAT(list(*root), ElementsAre("d/", "g"));
      }
    });
  }
}

// base is a host directory, which the test looks at from outside as well.
class Overlay : public ::testing::Test {
 protected:
  Overlay() {
    std::filesystem::create_directories(lower() / "d/e");
    std::ofstream(lower() / "f") << "lower f";
    std::ofstream(lower() / "d/g") << "lower g";
    std::filesystem::create_symlink("d/g", lower() / "l");
    file_system_ = *MemoryFileSystem::create(
        {.clock = clock_, .lower = *HostDirectory::create({.path = lower(), .read_only = true})});
    root_ = file_system_->open_root();
  }
  const std::filesystem::path& lower() const { return directory_.path(); }
  std::string lower_text(const char* name) const {
    std::ifstream stream(lower() / name);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  base::SystemClock clock_;
  TemporaryDirectory directory_;
  std::shared_ptr<MemoryFileSystem> file_system_;
  std::shared_ptr<Directory> root_;
};

TEST_F(Overlay, Lower_IsSeenAndNeverChanged) {
  EXPECT_THAT(list(*root_), ElementsAre("d/", "f", "l@"));
  EXPECT_EQ(get(*root_, "l"), "lower g");
  EXPECT_TRUE(put(*root_, "f", "upper"));
  auto file = open_file(*root_, "d/g", kReadWrite);
  EXPECT_EQ(write_text(**file, "L"), 1U);
  EXPECT_EQ(get(*root_, "d/g"), "Lower g");
  EXPECT_TRUE(put(*root_, "d/new", "new"));
  EXPECT_TRUE(root_->unlink("l"));
  EXPECT_TRUE(root_->remove_directory("d/e"));
  EXPECT_THAT(list(*root_), ElementsAre("d/", "f"));
  EXPECT_THAT(list(*root_, "d"), ElementsAre("g", "new"));
  EXPECT_EQ(lower_text("f"), "lower f");
  EXPECT_EQ(lower_text("d/g"), "lower g");
  EXPECT_TRUE(std::filesystem::exists(lower() / "d/e"));
  EXPECT_FALSE(std::filesystem::exists(lower() / "d/new"));
}

TEST_F(Overlay, Writer_IsSeenByAnEarlierReader) {
  auto reader = open_file(*root_, "f", {.read = true});
  auto writer = open_file(*root_, "f", kReadWrite);
  EXPECT_EQ(write_text(**writer, "UPPER"), 5U);
  EXPECT_EQ(read_text(**reader, 100), "UPPER f");
}

TEST_F(Overlay, Whiteout_LetsTheNameBeUsedAfresh) {
  EXPECT_TRUE(root_->unlink("f"));
  EXPECT_EQ(errno_of(get(*root_, "f")), Errno::kNoent);
  EXPECT_TRUE(root_->make_directory("f"));
  EXPECT_THAT(list(*root_, "f"), ElementsAre());
  EXPECT_TRUE(root_->remove_directory("f"));
  EXPECT_THAT(list(*root_), ElementsAre("d/", "l@"));
  // A directory that replaces a lower one does not show its content.
  EXPECT_EQ(errno_of(root_->remove_directory("d")), Errno::kNotempty);
  EXPECT_TRUE(root_->unlink("d/g"));
  EXPECT_TRUE(root_->remove_directory("d/e"));
  EXPECT_TRUE(root_->remove_directory("d"));
  EXPECT_TRUE(root_->make_directory("d"));
  EXPECT_THAT(list(*root_, "d"), ElementsAre());
}

TEST_F(Overlay, Rename_OfLowerThings_Works) {
  EXPECT_TRUE(root_->rename("d", *root_, "moved"));
  EXPECT_THAT(list(*root_), ElementsAre("f", "l@", "moved/"));
  EXPECT_EQ(get(*root_, "moved/g"), "lower g");
  EXPECT_TRUE(root_->rename("f", *root_, "moved/g"));
  EXPECT_EQ(get(*root_, "moved/g"), "lower f");
  EXPECT_THAT(list(*root_, "moved"), ElementsAre("e/", "g"));
}

TEST_F(Overlay, InodeNumbers_StayWhenFilesAreTouched) {
  const std::uint64_t untouched = root_->stat("f", Follow::kNo)->ino;
  testing::EntryCollector listed;
  ASSERT_TRUE(root_->read_entries(0, listed));
  for (const auto& entry : listed.seen) {
    if (entry.name != "..") {
      EXPECT_EQ(entry.ino, root_->stat(entry.name, Follow::kNo)->ino) << entry.name;
    }
  }
  ASSERT_TRUE(put(*root_, "f", "changed"));
  EXPECT_EQ(root_->stat("f", Follow::kNo)->ino, untouched);
  EXPECT_EQ(root_->stat("f", Follow::kNo)->dev, root_->stat()->dev);
}

TEST_F(Overlay, ListedWhileTouching_GivesEachOnce) {
  for (int i = 0; i < 100; ++i) {
    std::ofstream(lower() / "d" / std::to_string(i)) << i;
  }
  auto directory = open_directory(*root_, "d");
  std::vector<std::string> seen;
  for (std::uint64_t cookie = 0;;) {
    testing::EntryCollector some(3);
    ASSERT_TRUE((*directory)->read_entries(cookie, some));
    if (some.seen.empty()) {
      break;
    }
    cookie = some.seen.back().next_cookie;
    for (const auto& entry : some.seen) {
      seen.push_back(entry.name);
      if (entry.filetype == Filetype::kRegularFile) {
        ASSERT_TRUE(put(**directory, entry.name, "touched"));
      }
    }
  }
  std::ranges::sort(seen);
  EXPECT_EQ(std::ranges::adjacent_find(seen), seen.end());
  EXPECT_EQ(seen.size(), 104U);
}

TEST_F(Overlay, WritingALargeFile_CopiesOnlyTouchedBlocks) {
  constexpr std::size_t kSize = 32 * kMemoryBlockBytes + 10;
  std::ofstream(lower() / "big") << std::string(kSize, 'l');
  auto file = open_file(*root_, "big", kReadWrite);
  ASSERT_TRUE(file);
  const std::array x{base::as_bytes("XX")};
  EXPECT_EQ((*file)->pwrite(x, 5 * kMemoryBlockBytes - 1), 2U);
  EXPECT_EQ(file_system_->bytes_used(), 2 * kMemoryBlockBytes);
  std::string expected(kSize, 'l');
  expected.replace(5 * kMemoryBlockBytes - 1, 2, "XX");
  EXPECT_EQ(get(*root_, "big"), expected);
  // Cut below the lower size and grown again: zeros, not what was there.
  ASSERT_TRUE((*file)->set_size(10));
  ASSERT_TRUE((*file)->set_size(20));
  EXPECT_EQ(get(*root_, "big"), std::string(10, 'l') + std::string(10, '\0'));
  EXPECT_EQ(lower_text("big").size(), kSize);
}

TEST_F(Overlay, HardLinksBelow_StayOneFile) {
  std::filesystem::create_hard_link(lower() / "f", lower() / "d/f2");
  auto root = (*MemoryFileSystem::create(
                   {.clock = clock_, .lower = *HostDirectory::create({.path = lower()})}))
                  ->open_root();
  ASSERT_TRUE(put(*root, "f", "through the first name"));
  ASSERT_TRUE(root->unlink("f"));
  EXPECT_EQ(get(*root, "d/f2"), "through the first name");
  EXPECT_EQ(root->stat("d/f2", Follow::kNo)->nlink, 1U);
}

TEST_F(Overlay, ManyInstances_ShareOneLower) {
  std::vector<std::shared_ptr<Directory>> roots;
  auto lower_system = *HostDirectory::create({.path = lower(), .read_only = true});
  for (int i = 0; i < 10; ++i) {
    roots.push_back(
        (*MemoryFileSystem::create({.clock = clock_, .lower = lower_system}))->open_root());
    ASSERT_TRUE(put(*roots.back(), "f", std::to_string(i)));
  }
  for (std::size_t i = 0; i < roots.size(); ++i) {
    EXPECT_EQ(get(*roots[i], "f"), std::to_string(i));
  }
}

}  // namespace
}  // namespace selvedge::wasix
