// What the machine adds to the files of a guest: /dev and the commands of a package.

#include "wasix/fs_merged.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/system.h"
#include "wasix/fs_commands.h"
#include "wasix/fs_devices.h"
#include "wasix/fs_host.h"
#include "wasix/fs_memory.h"
#include "wasix/testing/file_systems.h"

namespace selvedge::wasix {
namespace {

using testing::errno_of;
using testing::get;
using testing::list;
using testing::put;

class MergedTest : public ::testing::Test {
 protected:
  std::shared_ptr<MemoryFileSystem> memory(std::shared_ptr<FileSystem> lower = nullptr) {
    return *MemoryFileSystem::create({.clock = clock_, .lower = std::move(lower)});
  }
  std::shared_ptr<FileSystem> with_devices(std::shared_ptr<FileSystem> files,
                                           std::string_view place = "/") {
    return merge_file_systems(std::move(files), place, *make_device_file_system(clock_), {});
  }
  std::shared_ptr<FileSystem> with_command(std::shared_ptr<FileSystem> files, bool wins) {
    const auto commands = make_command_file_system(
        clock_, {{.name = "tool",
                  .owner = std::make_shared<int>(),
                  .bytes = base::as_bytes(std::string_view("module of tool"))},
                 {.name = "../escape", .owner = std::make_shared<int>()}});
    return merge_file_systems(std::move(files), "/", *commands, {.added_wins = wins});
  }
  static Device device_of(Directory& root, std::string_view path, OpenOptions options) {
    const auto opened = root.open(path, options);
    EXPECT_TRUE(opened) << path;
    return opened ? std::get<std::shared_ptr<File>>(*opened)->device() : Device::kNone;
  }
  static std::string command_of(Directory& root, std::string_view path) {
    const auto opened = root.open(path, {.read = true});
    EXPECT_TRUE(opened) << path;
    return opened ? std::string(std::get<std::shared_ptr<File>>(*opened)->command()) : "";
  }

  base::SystemClock clock_;
};

const std::vector<std::string> kDevices{"full",   "null", "random",  "stderr", "stdin",
                                        "stdout", "tty",  "urandom", "zero"};

TEST_F(MergedTest, Devices_AreListedCharacterDevices) {
  auto root = with_devices(memory())->open_root();
  EXPECT_EQ(list(*root), std::vector<std::string>{"dev/"});
  EXPECT_EQ(list(*root, "dev"), kDevices);
  for (const std::string& name : kDevices) {
    const auto stat = root->stat("dev/" + name, Follow::kYes);
    ASSERT_TRUE(stat);
    EXPECT_EQ(stat->filetype, Filetype::kCharacterDevice);
    EXPECT_NE(device_of(*root, "dev/" + name, {.read = true, .write = true}), Device::kNone);
  }
  EXPECT_EQ(errno_of(root->stat("dev/sda", Follow::kYes)), Errno::kNoent);
}

TEST_F(MergedTest, Devices_AreOpenedAsOnLinux) {
  auto root = with_devices(memory())->open_root();
  EXPECT_EQ(
      device_of(*root, "dev/null", {.oflags = Oflags::kCreat | Oflags::kTrunc, .write = true}),
      Device::kNull);
  EXPECT_EQ(errno_of(root->open("dev/null", {.oflags = Oflags::kCreat | Oflags::kExcl})),
            Errno::kExist);
  EXPECT_EQ(errno_of(root->open("dev/null", {.oflags = Oflags::kDirectory})), Errno::kNotdir);
  EXPECT_EQ(errno_of(root->open("dev/null/", {})), Errno::kNotdir);
  EXPECT_EQ(errno_of(root->open("dev/null/x", {})), Errno::kNotdir);
  EXPECT_EQ(errno_of(root->make_directory("dev")), Errno::kExist);
  EXPECT_EQ(errno_of(root->unlink("dev/null")), Errno::kRofs);
  EXPECT_TRUE(put(*root, "file", "text"));
  EXPECT_EQ(errno_of(root->rename("file", *root, "dev/null")), Errno::kXdev);
  EXPECT_EQ(errno_of(root->rename("dev", *root, "other")), Errno::kBusy);
  EXPECT_EQ(errno_of(root->rename("file", *root, "dev")), Errno::kBusy);
}

TEST_F(MergedTest, FilesWithAdevOfTheirOwn_KeepTheirNames) {
  auto files = memory();
  auto own = files->open_root();
  ASSERT_TRUE(own->make_directory("dev"));
  ASSERT_TRUE(put(*own, "dev/null", "mine"));
  ASSERT_TRUE(put(*own, "dev/disk", "a disk"));
  auto root = with_devices(files)->open_root();
  EXPECT_EQ(get(*root, "dev/null"), "mine");
  EXPECT_EQ(get(*root, "dev/disk"), "a disk");
  EXPECT_EQ(device_of(*root, "dev/zero", {.read = true}), Device::kZero);
  std::vector<std::string> all = kDevices;
  all.insert(all.begin(), "disk");
  EXPECT_EQ(list(*root, "dev"), all);
  // Mounted at /dev, the same.
  auto mounted = with_devices(
      [&] {
        auto inner = memory();
        EXPECT_TRUE(put(*inner->open_root(), "null", "mine"));
        return inner;
      }(),
      "/dev");
  EXPECT_EQ(get(*mounted->open_root(), "null"), "mine");
  EXPECT_EQ(device_of(*mounted->open_root(), "tty", {.read = true}), Device::kTerminal);
  auto elsewhere = memory();
  EXPECT_EQ(with_devices(elsewhere, "/data"), elsewhere);
}

TEST_F(MergedTest, FolderOfTheHost_ListsOnlyItsOwnNames) {
  const testing::TemporaryDirectory folder;
  auto root = merge_file_systems(*HostDirectory::create({.path = folder.path()}), "/",
                                 *make_device_file_system(clock_), {.lists_added = false})
                  ->open_root();
  EXPECT_EQ(list(*root), std::vector<std::string>{});
  EXPECT_EQ(list(*root, "dev"), kDevices);
  ASSERT_TRUE(root->make_directory("inner"));
  ASSERT_TRUE(root->symlink("dev", "link"));
  EXPECT_EQ(device_of(*root, "inner/../dev/null", {.read = true}), Device::kNull);
  EXPECT_EQ(device_of(*root, "link/null", {.read = true}), Device::kNull);
  ASSERT_TRUE(root->symlink("dev/zero", "direct"));
  EXPECT_EQ(device_of(*root, "direct", {.follow = Follow::kYes, .read = true}), Device::kZero);
}

TEST_F(MergedTest, LayerOverDevices_PassesThemOn_UntilTheyAreRemovedThere) {
  auto base = memory();
  base->freeze();
  const auto lower = with_devices(base);
  auto root = memory(lower)->open_root();
  EXPECT_EQ(list(*root, "dev"), kDevices);
  EXPECT_EQ(root->stat("dev/null", Follow::kYes)->filetype, Filetype::kCharacterDevice);
  EXPECT_EQ(device_of(*root, "dev/null", {.oflags = Oflags::kCreat, .write = true}), Device::kNull);
  EXPECT_EQ(errno_of(root->open("dev/null", {.oflags = Oflags::kCreat | Oflags::kExcl})),
            Errno::kExist);
  ASSERT_TRUE(root->unlink("dev/null"));
  EXPECT_EQ(errno_of(root->open("dev/null", {.read = true})), Errno::kNoent);
  ASSERT_TRUE(put(*root, "dev/null", "a file"));
  EXPECT_EQ(device_of(*root, "dev/null", {.read = true}), Device::kNone);
  EXPECT_EQ(device_of(*memory(lower)->open_root(), "dev/null", {.read = true}), Device::kNull);
}

TEST_F(MergedTest, Commands_AreFilesWithTheBytesOfTheirModules) {
  auto root = with_command(memory(), true)->open_root();
  for (const std::string folder : {"bin", "usr/bin"}) {
    EXPECT_EQ(list(*root, folder), std::vector<std::string>{"tool"});
    EXPECT_EQ(root->stat(folder + "/tool", Follow::kYes)->filetype, Filetype::kRegularFile);
    EXPECT_EQ(root->stat(folder + "/tool", Follow::kYes)->size, 14U);
    EXPECT_EQ(get(*root, folder + "/tool"), "module of tool");
    EXPECT_EQ(command_of(*root, folder + "/tool"), "tool");
    EXPECT_EQ(errno_of(root->open(folder + "/tool", {.write = true})), Errno::kRofs);
  }
}

TEST_F(MergedTest, Commands_OfFilesOfTheHost_ShowThem) {
  const testing::TemporaryDirectory folder;
  auto host = *HostDirectory::create({.path = folder.path()});
  ASSERT_TRUE(put(*host->open_root(), "tool.wasm", "on disk"));
  const auto commands = make_command_file_system(
      clock_, {{.name = "tool", .host_path = folder.path() / "tool.wasm"},
               {.name = "gone", .host_path = folder.path() / "gone.wasm"},
               {.name = "lost", .host_path = "/no/such/folder/lost.wasm"}});
  auto root = commands->open_root();
  EXPECT_EQ(root->stat("bin/tool", Follow::kYes)->size, 7U);
  EXPECT_EQ(get(*root, "bin/tool"), "on disk");
  EXPECT_EQ(command_of(*root, "bin/tool"), "tool");
  EXPECT_EQ(errno_of(root->stat("bin/gone", Follow::kYes)), Errno::kNoent);
  EXPECT_EQ(errno_of(root->stat("bin/lost", Follow::kYes)), Errno::kNoent);
}

TEST_F(MergedTest, Command_AndAFileOfItsName_OneWins) {
  auto files = memory();
  auto own = files->open_root();
  ASSERT_TRUE(own->make_directory("bin"));
  ASSERT_TRUE(put(*own, "bin/tool", "a script"));
  ASSERT_TRUE(put(*own, "bin/other", "another"));
  const std::vector<std::string> both{"other", "tool"};
  auto wins = with_command(files, true)->open_root();
  EXPECT_EQ(get(*wins, "bin/tool"), "module of tool");
  EXPECT_EQ(get(*wins, "bin/other"), "another");
  EXPECT_EQ(list(*wins, "bin"), both);
  auto yields = with_command(files, false)->open_root();
  EXPECT_EQ(get(*yields, "bin/tool"), "a script");
  EXPECT_EQ(command_of(*yields, "bin/tool"), "");
  EXPECT_EQ(command_of(*yields, "usr/bin/tool"), "tool");
  EXPECT_EQ(list(*yields, "bin"), both);
}

TEST_F(MergedTest, CommandThatIsWrittenInALayer_IsAFileLikeOthers) {
  auto base = memory();
  base->freeze();
  auto root = memory(with_command(base, true))->open_root();
  EXPECT_EQ(command_of(*root, "bin/tool"), "tool");
  auto opened = root->open("bin/tool", {.read = true, .write = true});
  ASSERT_TRUE(opened);
  File& file = *std::get<std::shared_ptr<File>>(*opened);
  EXPECT_EQ(file.command(), "tool");
  ASSERT_TRUE(testing::write_text(file, "M"));
  EXPECT_EQ(file.command(), "");
  EXPECT_EQ(command_of(*root, "bin/tool"), "");
  EXPECT_EQ(get(*root, "bin/tool"), "Module of tool");
}

}  // namespace
}  // namespace selvedge::wasix
