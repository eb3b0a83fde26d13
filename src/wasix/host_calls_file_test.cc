// Host functions on files, directories and paths, over a file system in memory. What file systems
// themselves must do is tested with them; here: layouts, rights, errors and what happens before
// anything is changed.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "wasix/fs_memory.h"
#include "wasix/host_functions.h"
#include "wasix/testing/machine.h"
#include "wasix/testing/signatures.h"

namespace selvedge::wasix {
namespace {

using testing::CallingGuest;
using testing::Machine;

constexpr std::uint32_t kOut = 1024;
constexpr std::uint32_t kPath = 1536;
constexpr std::uint32_t kNewPath = 1792;
constexpr std::uint32_t kIovec = 2048;
constexpr std::uint32_t kData = 4096;
constexpr std::uint64_t kMemoryEnd = 4 * 65'536;
constexpr std::uint64_t kAllRights = (1U << 30) - 1;
constexpr GuestFd kRoot = 3;

class FileCallsTest : public ::testing::Test {
 protected:
  FileCallsTest() { start(kPreview1Module, testing::preview1_imports()); }

  void start(std::string_view module, std::span<const testing::ImportSignature> imports,
             std::uint32_t open_handles_max = 8) {
    auto files = MemoryFileSystem::create({.clock = machine_.clock(), .lower = nullptr});
    ASSERT_TRUE(files);
    ProcessOptions options;
    options.preopens.push_back({.guest_path = "/work", .directory = (*files)->open_root()});
    options.limits.open_handles_max = open_handles_max;
    guest_.emplace(machine_, *machine_.link_wat(testing::trampoline_wat(module, imports)),
                   std::move(options));
  }
  std::optional<Errno> call(std::string_view name, std::initializer_list<std::uint64_t> arguments) {
    return guest_->call(name, arguments);
  }
  std::optional<Errno> path_call(std::string_view name, std::string_view path) {
    guest_->put(kPath, path);
    return call(name, {kRoot, kPath, path.size()});
  }
  std::optional<Errno> open(std::string_view path, std::uint64_t oflags,
                            std::uint64_t rights = kAllRights, std::uint64_t fdflags = 0,
                            GuestFd directory = kRoot) {
    guest_->put(kPath, path);
    return call("path_open",
                {directory, 0, kPath, path.size(), oflags, rights, rights, fdflags, kOut});
  }
  GuestFd opened() { return guest_->value<GuestFd>(kOut); }
  GuestFd must_open(std::string_view path, std::uint64_t oflags,
                    std::uint64_t rights = kAllRights) {
    // All rights make sense only for files.
    EXPECT_EQ(open(path, oflags, rights), Errno::kSuccess) << path;
    return opened();
  }
  std::uint64_t write(GuestFd fd, std::string_view text) {
    guest_->put(kData, text);
    guest_->put_value(kIovec,
                      abi::Iovec{.buf = kData, .len = static_cast<std::uint32_t>(text.size())});
    EXPECT_EQ(call("fd_write", {fd, kIovec, 1, kOut}), Errno::kSuccess);
    return guest_->value<std::uint32_t>(kOut);
  }
  std::string read(GuestFd fd, std::uint32_t size) {
    guest_->put_value(kIovec, abi::Iovec{.buf = kData, .len = size});
    EXPECT_EQ(call("fd_read", {fd, kIovec, 1, kOut}), Errno::kSuccess);
    return guest_->text(kData, guest_->value<std::uint32_t>(kOut));
  }
  std::uint64_t seek(GuestFd fd, std::int64_t offset, std::uint64_t whence) {
    EXPECT_EQ(call("fd_seek", {fd, static_cast<std::uint64_t>(offset), whence, kOut}),
              Errno::kSuccess);
    return guest_->value<std::uint64_t>(kOut);
  }

  Machine machine_;
  std::optional<CallingGuest> guest_;
};

constexpr std::uint64_t kCreate = 1;
constexpr std::uint64_t kDirectory = 2;
constexpr std::uint64_t kExclusive = 4;
constexpr std::uint64_t kTruncate = 8;

TEST_F(FileCallsTest, Prestat_NamesThePreopen) {
  EXPECT_EQ(call("fd_prestat_get", {kRoot, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest_->value<abi::Prestat>(kOut).name_len, 5U);
  EXPECT_EQ(call("fd_prestat_dir_name", {kRoot, kData, 4}), Errno::kNametoolong);
  EXPECT_EQ(call("fd_prestat_dir_name", {kRoot, kMemoryEnd - 2, 5}), Errno::kFault);
  EXPECT_EQ(call("fd_prestat_dir_name", {kRoot, kData, 6}), Errno::kSuccess);
  EXPECT_EQ(guest_->text(kData, 5), "/work");
  EXPECT_EQ(call("fd_prestat_get", {4, kOut}), Errno::kBadf);
}

TEST_F(FileCallsTest, File_WriteSeekRead) {
  const GuestFd fd = must_open("f", kCreate | kExclusive);
  EXPECT_EQ(fd, 4U);
  EXPECT_EQ(write(fd, "0123456789"), 10U);
  EXPECT_EQ(seek(fd, 2, 0), 2U);
  EXPECT_EQ(read(fd, 3), "234");
  EXPECT_EQ(seek(fd, 1, 1), 6U);
  EXPECT_EQ(read(fd, 1), "6");
  EXPECT_EQ(seek(fd, -1, 2), 9U);
  EXPECT_EQ(call("fd_tell", {fd, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest_->value<std::uint64_t>(kOut), 9U);
  EXPECT_EQ(read(fd, 5), "9");
  EXPECT_EQ(read(fd, 5), "");
  EXPECT_EQ(call("fd_seek", {fd, ~std::uint64_t{0}, 0, kOut}), Errno::kInval);
  EXPECT_EQ(open("f", kCreate | kExclusive), Errno::kExist);
}

TEST_F(FileCallsTest, Read_OfMoreThanOneTransfer_IsNotShort) {
  constexpr std::uint32_t kPart = 200'000;
  static_assert(3 * kPart > 2 * kTransferBytesMax);
  const GuestFd fd = must_open("f", kCreate);
  // The parts lie at the same place: the guest's memory is smaller than their sum.
  guest_->put(kData, std::string(kPart, 'x'));
  for (std::uint32_t index = 0; index < 4; ++index) {
    guest_->put_value(kIovec + 8 * index, abi::Iovec{.buf = kData, .len = kPart});
  }
  EXPECT_EQ(call("fd_write", {fd, kIovec, 3, kOut}), Errno::kSuccess);
  EXPECT_EQ(seek(fd, 1, 0), 1U);
  EXPECT_EQ(call("fd_read", {fd, kIovec, 4, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest_->value<std::uint32_t>(kOut), 3 * kPart - 1);
  EXPECT_EQ(call("fd_read", {fd, kIovec, 4, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest_->value<std::uint32_t>(kOut), 0U);
  EXPECT_EQ(call("fd_pread", {fd, kIovec, 3, 0, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest_->value<std::uint32_t>(kOut), 3 * kPart);
}

TEST_F(FileCallsTest, PreadAndPwrite_LeaveTheOffset) {
  const GuestFd fd = must_open("f", kCreate);
  write(fd, "abcdef");
  guest_->put(kData, "XY");
  guest_->put_value(kIovec, abi::Iovec{.buf = kData, .len = 2});
  EXPECT_EQ(call("fd_pwrite", {fd, kIovec, 1, 1, kOut}), Errno::kSuccess);
  EXPECT_EQ(call("fd_pread", {fd, kIovec, 1, 3, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest_->text(kData, 2), "de");
  EXPECT_EQ(call("fd_pread", {fd, kIovec, 1, 100, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest_->value<std::uint32_t>(kOut), 0U);
  EXPECT_EQ(call("fd_tell", {fd, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest_->value<std::uint64_t>(kOut), 6U);
  EXPECT_EQ(seek(fd, 0, 0), 0U);
  EXPECT_EQ(read(fd, 6), "aXYdef");
}

TEST_F(FileCallsTest, Rights_LimitWhatADescriptorDoes) {
  constexpr auto kReadOnly = static_cast<std::uint64_t>(Rights::kFdRead);
  const GuestFd writer = must_open("f", kCreate);
  write(writer, "text");
  const GuestFd fd = must_open("f", 0, kReadOnly);
  EXPECT_EQ(read(fd, 10), "text");
  EXPECT_EQ(call("fd_write", {fd, kIovec, 1, kOut}), Errno::kNotcapable);
  EXPECT_EQ(call("fd_seek", {fd, 0, 0, kOut}), Errno::kNotcapable);
  EXPECT_EQ(call("fd_pread", {fd, kIovec, 1, 0, kOut}), Errno::kNotcapable);
  EXPECT_EQ(call("fd_filestat_get", {fd, kOut}), Errno::kNotcapable);
  EXPECT_EQ(call("fd_sync", {fd}), Errno::kNotcapable);
  EXPECT_EQ(call("fd_allocate", {fd, 0, 1}), Errno::kNotcapable);

  // What a directory does not hand down cannot be had from it.
  EXPECT_EQ(call("fd_fdstat_set_rights", {kRoot, kAllRights & ~kAllRights, kReadOnly}),
            Errno::kSuccess);
  EXPECT_EQ(open("f", 0, kReadOnly), Errno::kNotcapable) << "the right to open is gone";
}

TEST_F(FileCallsTest, OpenBeyondTheInheritedRights_IsNotcapable) {
  const auto path_open = static_cast<std::uint64_t>(Rights::kPathOpen | Rights::kPathCreateFile);
  const auto read_right = static_cast<std::uint64_t>(Rights::kFdRead);
  EXPECT_EQ(call("fd_fdstat_set_rights", {kRoot, path_open, read_right}), Errno::kSuccess);
  EXPECT_EQ(open("f", kCreate, read_right), Errno::kSuccess);
  EXPECT_EQ(open("f", kCreate, kAllRights), Errno::kNotcapable);
  EXPECT_EQ(open("f", kTruncate, read_right), Errno::kNotcapable) << "truncating is a right too";
}

TEST_F(FileCallsTest, Open_WithoutRoomForTheResult_ChangesNothing) {
  guest_->put(kPath, "new");
  EXPECT_EQ(call("path_open", {kRoot, 0, kPath, 3, kCreate, kAllRights, 0, 0, kMemoryEnd - 3}),
            Errno::kFault);
  EXPECT_EQ(open("new", 0), Errno::kNoent);
  while (open("f", kCreate) == Errno::kSuccess) {
  }
  EXPECT_EQ(open("new", kCreate), Errno::kMfile);
  EXPECT_EQ(call("fd_close", {5}), Errno::kSuccess);
  EXPECT_EQ(open("new", 0), Errno::kNoent);
}

TEST_F(FileCallsTest, Open_UnknownFlags_AreInval) {
  EXPECT_EQ(open("f", 16), Errno::kInval);
  EXPECT_EQ(open("f", kCreate, kAllRights, 32), Errno::kInval);
  guest_->put(kPath, "f");
  EXPECT_EQ(call("path_open", {kRoot, 2, kPath, 1, 0, 0, 0, 0, kOut}), Errno::kInval);
}

TEST_F(FileCallsTest, Paths_AreCheckedBeforeUse) {
  EXPECT_EQ(call("path_open", {kRoot, 0, kMemoryEnd - 2, 3, 0, 0, 0, 0, kOut}), Errno::kFault);
  EXPECT_EQ(call("path_open", {kRoot, 0, kData, 4097, 0, 0, 0, 0, kOut}), Errno::kNametoolong);
  EXPECT_EQ(path_call("path_create_directory", "../escape"), Errno::kPerm);
  EXPECT_EQ(path_call("path_create_directory", "/absolute"), Errno::kPerm);
  EXPECT_EQ(path_call("path_create_directory", ""), Errno::kNoent);
  EXPECT_EQ(path_call("path_create_directory", "\xFF"), Errno::kIlseq);
}

TEST_F(FileCallsTest, Directory_IsNoFile) {
  const GuestFd fd = must_open(".", kDirectory, static_cast<std::uint64_t>(Rights::kFdReaddir));
  EXPECT_EQ(call("fd_read", {fd, kIovec, 0, kOut}), Errno::kIsdir);
  EXPECT_EQ(call("fd_write", {fd, kIovec, 0, kOut}), Errno::kIsdir);
  EXPECT_EQ(call("fd_seek", {fd, 0, 0, kOut}), Errno::kIsdir);
  EXPECT_EQ(call("fd_allocate", {fd, 0, 1}), Errno::kIsdir);
  const GuestFd file = must_open("f", kCreate);
  EXPECT_EQ(open("x", 0, 0, 0, file), Errno::kNotdir);
  EXPECT_EQ(call("fd_readdir", {file, kData, 100, 0, kOut}), Errno::kNotdir);
}

TEST_F(FileCallsTest, Filestat_HasPreview1sLayout) {
  const GuestFd fd = must_open("f", kCreate);
  write(fd, "12345");
  EXPECT_EQ(call("fd_filestat_set_times", {fd, 111, 222, 1 | 4}), Errno::kSuccess);
  EXPECT_EQ(call("fd_filestat_get", {fd, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest_->value<std::uint8_t>(kOut + 16), 4U);
  EXPECT_EQ(guest_->value<std::uint64_t>(kOut + 24), 1U);
  EXPECT_EQ(guest_->value<std::uint64_t>(kOut + 32), 5U);
  EXPECT_EQ(guest_->value<std::uint64_t>(kOut + 40), 111U);
  EXPECT_EQ(guest_->value<std::uint64_t>(kOut + 48), 222U);
  EXPECT_EQ(call("fd_filestat_set_times", {fd, 1, 1, 3}), Errno::kInval);
  EXPECT_EQ(call("fd_filestat_set_times", {fd, 1, 1, 16}), Errno::kInval);
  guest_->put(kPath, "f");
  EXPECT_EQ(call("path_filestat_get", {kRoot, 0, kPath, 1, kData}), Errno::kSuccess);
  EXPECT_EQ(guest_->text(kOut, 64), guest_->text(kData, 64));
  EXPECT_EQ(call("path_filestat_get", {kRoot, 2, kPath, 1, kData}), Errno::kInval);
}

TEST_F(FileCallsTest, Snapshot0_HasItsOwnFilestatAndWhence) {
  start(kSnapshot0Module, testing::snapshot0_imports());
  const GuestFd fd = must_open("f", kCreate);
  write(fd, "0123456789");
  EXPECT_EQ(call("fd_filestat_set_times", {fd, 111, 222, 1 | 4}), Errno::kSuccess);
  guest_->put(kOut, std::string(64, '\x5A'));
  EXPECT_EQ(call("fd_filestat_get", {fd, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest_->value<std::uint32_t>(kOut + 20), 1U);
  EXPECT_EQ(guest_->value<std::uint64_t>(kOut + 24), 10U);
  EXPECT_EQ(guest_->value<std::uint64_t>(kOut + 32), 111U);
  EXPECT_EQ(guest_->value<std::uint64_t>(kOut + 40), 222U);
  EXPECT_EQ(guest_->text(kOut + 56, 8), std::string(8, '\x5A')) << "56 bytes, not 64";
  EXPECT_EQ(seek(fd, 4, 2), 4U) << "2 is set";
  EXPECT_EQ(seek(fd, 3, 0), 7U) << "0 is current";
  EXPECT_EQ(seek(fd, -1, 1), 9U) << "1 is end";
  EXPECT_EQ(call("fd_seek", {fd, 0, 3, kOut}), Errno::kInval);
  EXPECT_EQ(call("fd_seek", {fd, 0, 256, kOut}), Errno::kInval);
}

TEST_F(FileCallsTest, Size_Allocate_Advise_Sync) {
  const GuestFd fd = must_open("f", kCreate);
  EXPECT_EQ(call("fd_filestat_set_size", {fd, 100}), Errno::kSuccess);
  EXPECT_EQ(call("fd_allocate", {fd, 100, 50}), Errno::kSuccess);
  EXPECT_EQ(call("fd_allocate", {fd, 0, 0}), Errno::kInval);
  EXPECT_EQ(seek(fd, 0, 2), 150U);
  EXPECT_EQ(call("fd_advise", {fd, 0, 10, 5}), Errno::kSuccess);
  EXPECT_EQ(call("fd_advise", {fd, 0, 10, 6}), Errno::kInval);
  EXPECT_EQ(call("fd_sync", {fd}), Errno::kSuccess);
  EXPECT_EQ(call("fd_datasync", {fd}), Errno::kSuccess);
}

TEST_F(FileCallsTest, Names_ComeAndGo) {
  EXPECT_EQ(path_call("path_create_directory", "d"), Errno::kSuccess);
  EXPECT_EQ(path_call("path_create_directory", "d"), Errno::kExist);
  EXPECT_EQ(call("fd_close", {must_open("d/f", kCreate)}), Errno::kSuccess);
  EXPECT_EQ(path_call("path_remove_directory", "d"), Errno::kNotempty);
  guest_->put(kPath, "d/f");
  guest_->put(kNewPath, "g");
  EXPECT_EQ(call("path_link", {kRoot, 1, kPath, 3, kRoot, kNewPath, 1}), Errno::kInval);
  EXPECT_EQ(call("path_link", {kRoot, 0, kPath, 3, kRoot, kNewPath, 1}), Errno::kSuccess);
  EXPECT_EQ(path_call("path_unlink_file", "d/f"), Errno::kSuccess);
  EXPECT_EQ(path_call("path_remove_directory", "d"), Errno::kSuccess);
  guest_->put(kPath, "g");
  guest_->put(kNewPath, "h");
  EXPECT_EQ(call("path_rename", {kRoot, kPath, 1, kRoot, kNewPath, 1}), Errno::kSuccess);
  EXPECT_EQ(path_call("path_unlink_file", "g"), Errno::kNoent);
  EXPECT_EQ(path_call("path_unlink_file", "h"), Errno::kSuccess);
}

TEST_F(FileCallsTest, Readlink_CutsAtTheBuffer) {
  guest_->put(kPath, "target");
  guest_->put(kNewPath, "link");
  EXPECT_EQ(call("path_symlink", {kPath, 6, kRoot, kNewPath, 4}), Errno::kSuccess);
  EXPECT_EQ(call("path_readlink", {kRoot, kNewPath, 4, kData, 100, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest_->text(kData, guest_->value<std::uint32_t>(kOut)), "target");
  EXPECT_EQ(call("path_readlink", {kRoot, kNewPath, 4, kData, 3, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest_->value<std::uint32_t>(kOut), 3U);
}

// A directory is a wall for preview 1's programs.
TEST_F(FileCallsTest, Symlink_ToAnAbsolutePath_IsPerm) {
  guest_->put(kPath, "/target");
  guest_->put(kNewPath, "link");
  EXPECT_EQ(call("path_symlink", {kPath, 7, kRoot, kNewPath, 4}), Errno::kPerm);
  EXPECT_EQ(call("path_readlink", {kRoot, kNewPath, 4, kData, 100, kOut}), Errno::kNoent);
}

TEST_F(FileCallsTest, Renumber_ReplacesAnOpenDescriptor) {
  const GuestFd first = must_open("a", kCreate);
  const GuestFd second = must_open("b", kCreate);
  write(first, "from a");
  EXPECT_EQ(call("fd_renumber", {first, second}), Errno::kSuccess);
  EXPECT_EQ(seek(second, 0, 0), 0U);
  EXPECT_EQ(read(second, 10), "from a");
  EXPECT_EQ(call("fd_close", {first}), Errno::kBadf);
  EXPECT_EQ(call("fd_renumber", {second, 99}), Errno::kBadf);
}

struct Listed {
  std::string name;
  std::uint64_t next;
};

// The complete entries in a buffer that fd_readdir filled.
std::vector<Listed> parse_entries(const std::string& buffer) {
  std::vector<Listed> entries;
  std::size_t position = 0;
  while (position + sizeof(abi::Dirent) <= buffer.size()) {
    abi::Dirent dirent;
    std::memcpy(&dirent, buffer.data() + position, sizeof dirent);
    position += sizeof dirent;
    if (dirent.namlen > buffer.size() - position) {
      break;
    }
    entries.push_back({buffer.substr(position, dirent.namlen), dirent.next});
    position += dirent.namlen;
  }
  return entries;
}

TEST_F(FileCallsTest, Readdir_ListsEverythingOnce_WhateverTheBuffer) {
  constexpr int kFiles = 900;  // several steps of the event loop with a large buffer
  for (int index = 0; index < kFiles; ++index) {
    const GuestFd fd = must_open("file" + std::to_string(index), kCreate);
    ASSERT_EQ(call("fd_close", {fd}), Errno::kSuccess);
  }
  for (const std::uint64_t size : {64U, 100U, 1000U, 50'000U}) {
    std::vector<std::string> names;
    std::uint64_t cookie = 0;
    for (;;) {
      ASSERT_EQ(call("fd_readdir", {kRoot, kData, size, cookie, kOut}), Errno::kSuccess);
      const std::uint32_t used = guest_->value<std::uint32_t>(kOut);
      ASSERT_LE(used, size);
      const auto entries = parse_entries(guest_->text(kData, used));
      for (const Listed& entry : entries) {
        names.push_back(entry.name);
        cookie = entry.next;
      }
      if (used < size) {
        break;
      }
      ASSERT_FALSE(entries.empty());
    }
    ASSERT_EQ(names.size(), kFiles + 2U) << size;
    EXPECT_EQ(names[0], ".");
    EXPECT_EQ(names[1], "..");
    std::sort(names.begin(), names.end());
    EXPECT_EQ(std::unique(names.begin(), names.end()), names.end());
  }
  EXPECT_EQ(call("fd_readdir", {kRoot, kMemoryEnd - 10, 11, 0, kOut}), Errno::kFault);
  EXPECT_EQ(call("fd_readdir", {kRoot, kData, 0, 0, kOut}), Errno::kSuccess);
}

TEST_F(FileCallsTest, Poll_OnAFile_IsReady) {
  const GuestFd fd = must_open("f", kCreate);
  write(fd, "12345");
  seek(fd, 2, 0);
  abi::Subscription subscription{};
  subscription.type = 1;
  subscription.fd_or_clock = fd;
  guest_->put_value(kData, subscription);
  EXPECT_EQ(call("poll_oneoff", {kData, kData + 100, 1, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest_->value<abi::Event>(kData + 100).nbytes, 3U);
}

}  // namespace
}  // namespace selvedge::wasix
