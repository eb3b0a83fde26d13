// Calls that wait for a disk: the slow part runs on a helper thread while the guest is suspended,
// and a guest may end in the middle of it.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <semaphore>
#include <string>
#include <thread>

#include "wasix/file_handle.h"
#include "wasix/host_functions.h"
#include "wasix/testing/machine.h"
#include "wasix/testing/signatures.h"

namespace selvedge::wasix {
namespace {

using testing::CallingGuest;
using testing::Machine;

constexpr std::uint32_t kOut = 1024;
constexpr std::uint32_t kIovec = 2048;
constexpr std::uint32_t kData = 4096;
constexpr std::string_view kContent = "from the disk";

// A file whose bytes are not in memory until they are loaded, which waits for the test.
class SlowFile final : public File {
 public:
  SlowFile() : File({.read = true, .write = true}) {}

  ErrnoResult<FileStat> stat() override {
    return FileStat{.filetype = Filetype::kRegularFile, .nlink = 1, .size = kContent.size()};
  }
  ErrnoResult<> set_times(const TimesChange&) override { return {}; }
  bool waits_for_disk() const noexcept override { return true; }
  ErrnoResult<> sync() override { return wait_for_disk(); }
  ErrnoResult<> datasync() override { return refuse(Errno::kNospc); }
  void load(std::uint64_t, std::size_t length) noexcept override {
    static_cast<void>(wait_for_disk());
    loaded_bytes = length;
    loaded = true;
  }

  std::size_t in_memory = 0;  // bytes from its beginning

  std::binary_semaphore disk{0};
  std::atomic<bool> loaded = false;
  std::atomic<std::size_t> loaded_bytes = 0;
  std::atomic<std::thread::id> worker;

 protected:
  ErrnoResult<std::size_t> do_read(std::span<const base::MutableByteSpan> buffers,
                                   std::uint64_t offset, Wait wait) override {
    const std::size_t end = wait == Wait::kNever && !loaded ? in_memory : kContent.size();
    if (offset >= end && end < kContent.size()) {
      return refuse(Errno::kAgain);
    }
    const auto rest =
        base::as_bytes(kContent).first(end).subspan(std::min<std::size_t>(offset, end));
    const std::size_t count = std::min(buffers.front().size(), rest.size());
    std::memcpy(buffers.front().data(), rest.data(), count);
    return count;
  }
  ErrnoResult<std::size_t> do_write(std::span<const base::ByteSpan>, std::uint64_t) override {
    return refuse(Errno::kNospc);
  }
  ErrnoResult<Appended> do_append(std::span<const base::ByteSpan>) override {
    return refuse(Errno::kNospc);
  }
  ErrnoResult<> do_set_size(std::uint64_t) override { return {}; }
  ErrnoResult<> do_allocate(std::uint64_t, std::uint64_t) override { return {}; }

 private:
  ErrnoResult<> wait_for_disk() noexcept {
    worker = std::this_thread::get_id();
    disk.acquire();
    return {};
  }
};

class DiskCallsTest : public ::testing::Test {
 protected:
  DiskCallsTest()
      : guest_(machine_,
               *machine_.link_wat(
                   testing::trampoline_wat(kPreview1Module, testing::preview1_imports())),
               {}),
        fd_(*guest_.process().handles().insert(
            {.handle = std::make_shared<FileHandle>(file_), .rights_base = FileHandle::kRights})) {
    guest_.put_value(kIovec, abi::Iovec{.buf = kData, .len = 8});
  }

  std::shared_ptr<SlowFile> file_ = std::make_shared<SlowFile>();
  Machine machine_;
  CallingGuest guest_;
  GuestFd fd_;
};

TEST_F(DiskCallsTest, Read_LoadsOnAHelper_ThenReads) {
  guest_.begin("fd_read", {fd_, kIovec, 1, kOut});
  EXPECT_FALSE(guest_.turn()) << "suspended, not blocking the shard";
  file_->disk.release();
  EXPECT_EQ(guest_.finish(), Errno::kSuccess);
  EXPECT_EQ(guest_.text(kData, 8), kContent.substr(0, 8));
  EXPECT_EQ(file_->tell(), 8U);
  EXPECT_EQ(file_->loaded_bytes, 8U) << "no more than was asked for";
  EXPECT_NE(file_->worker.load(), std::this_thread::get_id());
  EXPECT_EQ(guest_.call("fd_read", {fd_, kIovec, 1, kOut}), Errno::kSuccess) << "now at once";
  EXPECT_EQ(guest_.value<std::uint32_t>(kOut), kContent.size() - 8);
}

TEST_F(DiskCallsTest, Read_OfWhatIsInMemoryInPart_IsNotShort) {
  file_->in_memory = 5;
  guest_.begin("fd_read", {fd_, kIovec, 1, kOut});
  EXPECT_FALSE(guest_.turn());
  file_->disk.release();
  EXPECT_EQ(guest_.finish(), Errno::kSuccess);
  EXPECT_EQ(guest_.value<std::uint32_t>(kOut), 8U);
  EXPECT_EQ(guest_.text(kData, 8), kContent.substr(0, 8));
  EXPECT_EQ(file_->loaded_bytes, 3U);
}

TEST_F(DiskCallsTest, Pread_LoadsAtItsOffset) {
  guest_.begin("fd_pread", {fd_, kIovec, 1, 5, kOut});
  EXPECT_FALSE(guest_.turn());
  file_->disk.release();
  EXPECT_EQ(guest_.finish(), Errno::kSuccess);
  EXPECT_EQ(guest_.text(kData, 8), kContent.substr(5, 8));
  EXPECT_EQ(file_->tell(), 0U);
}

TEST_F(DiskCallsTest, Sync_WaitsOnAHelper_AndTellsItsError) {
  guest_.begin("fd_sync", {fd_});
  EXPECT_FALSE(guest_.turn());
  file_->disk.release();
  EXPECT_EQ(guest_.finish(), Errno::kSuccess);
  EXPECT_EQ(guest_.call("fd_datasync", {fd_}), Errno::kNospc);
}

TEST_F(DiskCallsTest, GuestEndsDuringTheWait_TheHelperFinishesAlone) {
  guest_.begin("fd_read", {fd_, kIovec, 1, kOut});
  EXPECT_FALSE(guest_.turn());
  guest_.drop();
  EXPECT_EQ(guest_.process().handles().close(fd_), Errno::kSuccess);
  file_->disk.release();
  EXPECT_EQ(guest_.call("sched_yield", {}), Errno::kSuccess) << "the shard goes on";
}

}  // namespace
}  // namespace selvedge::wasix
