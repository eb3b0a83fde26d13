// /dev/shm.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "wasix/fs_devices.h"
#include "wasix/fs_host.h"
#include "wasix/fs_memory.h"
#include "wasix/fs_merged.h"
#include "wasix/testing/file_systems.h"

namespace selvedge::wasix {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using testing::errno_of;
using testing::list;
using testing::put;

class SharedMemory : public ::testing::Test {
 protected:
  base::SystemClock clock_;
  std::shared_ptr<FileSystem> devices_ = make_device_file_system(clock_);
};

TEST_F(SharedMemory, BelowALayer_IsWrittenInTheLayer) {
  auto below = add_shared_memory(*devices_, {.clock = clock_}, false);
  EXPECT_EQ(errno_of(put(*below->open_root(), "dev/shm/x", "x")), Errno::kRofs);
  auto layer = *MemoryFileSystem::create({.clock = clock_, .bytes_max = 128 << 10, .lower = below});
  auto other = *MemoryFileSystem::create({.clock = clock_, .lower = below});
  const auto root = layer->open_root();
  EXPECT_TRUE(put(*root, "dev/shm/x", "shared"));
  EXPECT_EQ(testing::get(*root, "dev/shm/x"), "shared");
  EXPECT_THAT(list(*root, "dev"), Contains("shm/"));
  EXPECT_THAT(list(*root, "dev"), Contains("null"));
  EXPECT_EQ(errno_of(testing::get(*other->open_root(), "dev/shm/x")), Errno::kNoent);
  EXPECT_EQ(errno_of(put(*root, "dev/shm/y", std::string(256 << 10, 'y'))), Errno::kNospc);
}

TEST_F(SharedMemory, BesideAFolderOfTheHost_LeavesThatAlone) {
  const testing::TemporaryDirectory folder;
  auto host = *HostDirectory::create({.path = folder.path()});
  auto devices = add_shared_memory(*devices_, {.clock = clock_, .bytes_max = 128 << 10}, true);
  const auto root = merge_file_systems(host, "/", *devices, {.lists_added = false})->open_root();
  EXPECT_TRUE(put(*root, "dev/shm/x", "shared"));
  EXPECT_EQ(testing::get(*root, "dev/shm/x"), "shared");
  EXPECT_EQ(errno_of(put(*root, "dev/shm/y", std::string(256 << 10, 'y'))), Errno::kNospc);
  EXPECT_THAT(list(*root, "dev"), Contains("shm/"));
  EXPECT_THAT(list(*root), ElementsAre());
  EXPECT_EQ(errno_of(root->rename("dev/shm/x", *root, "x")), Errno::kXdev);
  EXPECT_TRUE(root->open("dev/null", {.read = true}));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST_F(SharedMemory, OfTheFolderItself_IsTheFolders) {
  const testing::TemporaryDirectory folder;
  std::filesystem::create_directories(folder.path() / "dev/shm");
  auto host = *HostDirectory::create({.path = folder.path()});
  auto devices = add_shared_memory(*devices_, {.clock = clock_}, true);
  const auto root = merge_file_systems(host, "/", *devices, {.lists_added = false})->open_root();
  EXPECT_TRUE(put(*root, "dev/shm/x", "shared"));
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "dev/shm/x"));
}

}  // namespace
}  // namespace selvedge::wasix
