// Symbolic links to absolute paths, as programs of WASIX make and follow them.

#include <gtest/gtest.h>

#include <optional>
#include <string_view>

#include "wasix/fs_memory.h"
#include "wasix/testing/file_systems.h"
#include "wasix/testing/machine.h"
#include "wasix/testing/wasix_guest.h"

namespace selvedge::wasix {
namespace {

using testing::CallingGuest;
using testing::Machine;

constexpr std::uint32_t kOut = 1024;
constexpr std::uint32_t kPath = 1536;
constexpr std::uint32_t kData = 4096;
constexpr std::uint64_t kFollow = 1;
constexpr std::uint64_t kDirectory = 2;
constexpr std::uint64_t kReadRight = 2;
constexpr GuestFd kPreopened = 3;

class LinkCallsTest : public ::testing::Test {
 protected:
  void start(std::string_view guest_path) {
    auto files = *MemoryFileSystem::create({.clock = machine_.clock(), .lower = nullptr});
    auto root = files->open_root();
    EXPECT_TRUE(root->make_directory("inner"));
    EXPECT_TRUE(testing::put(*root, "file", "text"));
    ProcessOptions options;
    options.preopens.push_back(
        {.guest_path = std::string(guest_path), .directory = std::move(root)});
    guest_.emplace(machine_,
                   testing::link_wasix_trampolines(
                       machine_, {"path_symlink", "path_open2", "path_readlink", "chdir"}),
                   std::move(options));
  }
  std::optional<Errno> call(std::string_view name, std::initializer_list<std::uint64_t> arguments) {
    return guest_->call(name, arguments);
  }
  std::optional<Errno> link(GuestFd fd, std::string_view target, std::string_view name) {
    guest_->put(kData, target);
    guest_->put(kPath, name);
    return call("path_symlink", {kData, target.size(), fd, kPath, name.size()});
  }
  std::optional<Errno> open(GuestFd fd, std::string_view path, std::uint64_t oflags = 0) {
    guest_->put(kPath, path);
    constexpr std::uint64_t kAll = (std::uint64_t{1} << 30) - 1;
    const bool directory = oflags == kDirectory;
    return call("path_open2", {fd, kFollow, kPath, path.size(), oflags,
                               directory ? kAll & ~std::uint64_t{0x40} : kReadRight,
                               directory ? kAll : 0, 0, 0, kOut});
  }

  Machine machine_;
  std::optional<CallingGuest> guest_;
};

TEST_F(LinkCallsTest, BelowTheRoot_LeadToTheRoot) {
  start("/");
  EXPECT_EQ(link(kPreopened, "/file", "inner/link"), Errno::kSuccess);
  EXPECT_EQ(open(kPreopened, "/inner/link"), Errno::kSuccess);
  EXPECT_EQ(open(kPreopened, "inner", kDirectory), Errno::kSuccess);
  const GuestFd inner = guest_->value<GuestFd>(kOut);
  EXPECT_EQ(open(inner, "link"), Errno::kSuccess) << "as openat(2)";
  EXPECT_EQ(link(kPreopened, "/inner", "folder"), Errno::kSuccess);
  guest_->put(kPath, "/folder");
  EXPECT_EQ(call("chdir", {kPath, 7}), Errno::kSuccess);
}

TEST_F(LinkCallsTest, BelowAnotherPreopenedDirectory_AreKeptAndRefused) {
  start("/data");
  EXPECT_EQ(link(kPreopened, "/file", "inner/link"), Errno::kSuccess);
  EXPECT_EQ(open(kPreopened, "inner/link"), Errno::kPerm);
  guest_->put(kPath, "inner/link");
  EXPECT_EQ(call("path_readlink", {kPreopened, kPath, 10, kData, 100, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest_->text(kData, guest_->value<std::uint32_t>(kOut)), "/file");
}

}  // namespace
}  // namespace selvedge::wasix
