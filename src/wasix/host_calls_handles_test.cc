// What WASIX adds for descriptors, the working directory and clocks.

#include <gtest/gtest.h>

#include <optional>
#include <string>
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
constexpr std::uint32_t kOut2 = 1032;
constexpr std::uint32_t kPath = 1536;
constexpr std::uint32_t kIovec = 2048;
constexpr std::uint32_t kData = 4096;
constexpr std::uint64_t kNowhere = 4 * 65'536 - 2;
constexpr std::uint32_t kHandlesMax = 10;
constexpr GuestFd kRoot = 3;

class HandleCallsTest : public ::testing::Test {
 protected:
  HandleCallsTest() {
    auto files = *MemoryFileSystem::create({.clock = machine_.clock(), .lower = nullptr});
    auto root = files->open_root();
    EXPECT_TRUE(root->make_directory("inner"));
    EXPECT_TRUE(root->make_directory("inner/deep"));
    EXPECT_TRUE(testing::put(*root, "file", "text"));
    ProcessOptions options;
    options.preopens.push_back({.guest_path = "/data/work", .directory = std::move(root)});
    options.limits.open_handles_max = kHandlesMax;
    guest_.emplace(
        machine_,
        testing::link_wasix_trampolines(
            machine_, {"clock_time_set", "fd_dup", "fd_dup2", "fd_event", "fd_pipe",
                       "fd_fdflags_get", "fd_fdflags_set", "getcwd", "chdir", "path_open2"}),
        std::move(options));
  }

  std::optional<Errno> call(std::string_view name, std::initializer_list<std::uint64_t> arguments) {
    return guest_->call(name, arguments);
  }
  GuestFd result(std::uint32_t address = kOut) { return guest_->value<GuestFd>(address); }
  std::uint32_t open_count() { return guest_->process().handles().size(); }
  bool closes_on_exec(GuestFd fd) {
    EXPECT_EQ(call("fd_fdflags_get", {fd, kOut}), Errno::kSuccess);
    return guest_->value<std::uint16_t>(kOut) == 1;
  }
  void fill_table() {
    while (call("fd_dup", {0, kOut}) == Errno::kSuccess) {
    }
  }
  std::optional<Errno> write_number(GuestFd fd, std::uint64_t number) {
    guest_->put_value(kData, number);
    guest_->put_value(kIovec, abi::Iovec{.buf = kData, .len = 8});
    return call("fd_write", {fd, kIovec, 1, kOut});
  }
  std::optional<Errno> read_bytes(GuestFd fd, std::uint32_t size = 8) {
    guest_->put_value(kData, std::uint64_t{0});
    guest_->put_value(kIovec, abi::Iovec{.buf = kData, .len = size});
    return call("fd_read", {fd, kIovec, 1, kOut});
  }
  std::uint64_t number() { return guest_->value<std::uint64_t>(kData); }
  GuestFd make_event(std::uint64_t count, std::uint64_t flags) {
    EXPECT_EQ(call("fd_event", {count, flags, kOut}), Errno::kSuccess);
    return result();
  }
  std::optional<Errno> chdir(std::string_view path) {
    guest_->put(kPath, path);
    return call("chdir", {kPath, path.size()});
  }
  std::string working_directory() {
    guest_->put_value(kOut, std::uint32_t{256});
    EXPECT_EQ(call("getcwd", {kData, kOut}), Errno::kSuccess);
    const std::uint32_t length = result();
    EXPECT_EQ(guest_->value<char>(kData + length), '\0');
    return guest_->text(kData, length);
  }

  Machine machine_;
  std::optional<CallingGuest> guest_;
};

TEST_F(HandleCallsTest, Dup_SharesTheFileAndItsOffset_NotTheFlag) {
  guest_->put(kPath, "file");
  EXPECT_EQ(call("path_open2", {kRoot, 0, kPath, 4, 0, 2, 0, 0, 1, kOut}), Errno::kSuccess);
  const GuestFd file = result();
  EXPECT_TRUE(closes_on_exec(file));
  EXPECT_EQ(call("fd_dup", {file, kOut}), Errno::kSuccess);
  const GuestFd copy = result();
  EXPECT_EQ(copy, file + 1);
  EXPECT_FALSE(closes_on_exec(copy));
  EXPECT_EQ(read_bytes(file, 2), Errno::kSuccess);
  EXPECT_EQ(call("fd_close", {file}), Errno::kSuccess);
  EXPECT_EQ(read_bytes(copy, 2), Errno::kSuccess);
  EXPECT_EQ(guest_->text(kData, 2), "xt");
}

TEST_F(HandleCallsTest, Close_OfAPreopenedDirectory_SucceedsAndLeavesIt) {
  EXPECT_EQ(call("fd_close", {kRoot}), Errno::kSuccess);
  guest_->put(kPath, "file");
  EXPECT_EQ(call("path_open2", {kRoot, 0, kPath, 4, 0, 2, 0, 0, 0, kOut}), Errno::kSuccess);
  EXPECT_EQ(call("fd_close", {result()}), Errno::kSuccess);
  EXPECT_EQ(call("fd_close", {result()}), Errno::kBadf);
}

TEST_F(HandleCallsTest, Dup2_TakesTheLowestFreeNumberFromAMinimum) {
  EXPECT_EQ(call("fd_dup2", {0, 7, 0, kOut}), Errno::kSuccess);
  EXPECT_EQ(result(), 7U);
  EXPECT_FALSE(closes_on_exec(7));
  EXPECT_EQ(call("fd_dup2", {0, 7, 1, kOut}), Errno::kSuccess);
  EXPECT_EQ(result(), 8U);
  EXPECT_TRUE(closes_on_exec(8));
  EXPECT_EQ(call("fd_dup2", {0, 0, 1, kOut}), Errno::kSuccess);
  EXPECT_EQ(result(), 4U);
}

TEST_F(HandleCallsTest, Duplicates_OfNothing_ToNowhere_OrTooMany_ChangeNothing) {
  EXPECT_EQ(call("fd_dup", {99, kOut}), Errno::kBadf);
  EXPECT_EQ(call("fd_dup", {0, kNowhere}), Errno::kFault);
  EXPECT_EQ(call("fd_dup2", {99, 0, 0, kOut}), Errno::kBadf);
  EXPECT_EQ(call("fd_dup2", {0, 0, 2, kOut}), Errno::kInval);
  EXPECT_EQ(call("fd_dup2", {0, kHandlesMax, 0, kOut}), Errno::kInval);
  EXPECT_EQ(call("fd_dup2", {0, 0, 0, kNowhere}), Errno::kFault);
  EXPECT_EQ(open_count(), 4U);
  fill_table();
  EXPECT_EQ(call("fd_dup", {0, kOut}), Errno::kMfile);
  EXPECT_EQ(call("fd_event", {0, 0, kOut}), Errno::kMfile);
  EXPECT_EQ(open_count(), kHandlesMax);
}

TEST_F(HandleCallsTest, Fdflags_AreSetAndGot) {
  EXPECT_FALSE(closes_on_exec(1));
  EXPECT_EQ(call("fd_fdflags_set", {1, 1}), Errno::kSuccess);
  EXPECT_TRUE(closes_on_exec(1));
  EXPECT_EQ(call("fd_fdflags_set", {1, 2}), Errno::kInval);
  EXPECT_TRUE(closes_on_exec(1));
  EXPECT_EQ(call("fd_fdflags_set", {99, 0}), Errno::kBadf);
  EXPECT_EQ(call("fd_fdflags_get", {99, kOut}), Errno::kBadf);
  EXPECT_EQ(call("fd_fdflags_get", {1, kNowhere + 1}), Errno::kFault);
}

TEST_F(HandleCallsTest, Renumber_IsDup2) {
  EXPECT_EQ(call("fd_renumber", {0, 9}), Errno::kSuccess);
  EXPECT_EQ(call("fd_renumber", {0, 1}), Errno::kSuccess);
  EXPECT_EQ(open_count(), 5U);
  EXPECT_EQ(call("fd_close", {9}), Errno::kSuccess);
  EXPECT_EQ(call("fd_renumber", {0, 0}), Errno::kSuccess);
  EXPECT_EQ(call("fd_renumber", {99, 1}), Errno::kBadf);
  EXPECT_EQ(call("fd_renumber", {1, kHandlesMax}), Errno::kBadf);
  // The directory by which the program finds its files.
  EXPECT_EQ(call("fd_renumber", {0, 3}), Errno::kNotsup);
  EXPECT_EQ(open_count(), 4U);
}

TEST_F(HandleCallsTest, Pipe_CarriesBytes_AndEnds) {
  EXPECT_EQ(call("fd_pipe", {kOut, kOut2}), Errno::kSuccess);
  const GuestFd reader = result();
  const GuestFd writer = result(kOut2);
  EXPECT_EQ(write_number(writer, 42), Errno::kSuccess);
  EXPECT_EQ(write_number(reader, 42), Errno::kNotcapable);
  EXPECT_EQ(read_bytes(reader), Errno::kSuccess);
  EXPECT_EQ(number(), 42U);
  EXPECT_EQ(call("fd_close", {writer}), Errno::kSuccess);
  EXPECT_EQ(read_bytes(reader), Errno::kSuccess);
  EXPECT_EQ(result(), 0U);
}

TEST_F(HandleCallsTest, Pipe_ToNowhere_OrWithoutRoomForBothEnds_OpensNone) {
  EXPECT_EQ(call("fd_pipe", {kNowhere, kOut}), Errno::kFault);
  EXPECT_EQ(call("fd_pipe", {kOut, kNowhere}), Errno::kFault);
  fill_table();
  EXPECT_EQ(call("fd_close", {9}), Errno::kSuccess);
  EXPECT_EQ(call("fd_pipe", {kOut, kOut2}), Errno::kMfile);
  EXPECT_EQ(open_count(), kHandlesMax - 1);
}

TEST_F(HandleCallsTest, Event_CountsAndWaits) {
  const GuestFd event = make_event(1, 0);
  EXPECT_EQ(write_number(event, 41), Errno::kSuccess);
  EXPECT_EQ(read_bytes(event), Errno::kSuccess);
  EXPECT_EQ(number(), 42U);
  EXPECT_EQ(result(), 8U);

  guest_->begin("fd_read", {event, kIovec, 1, kOut});
  EXPECT_FALSE(guest_->turn());
  const std::uint64_t seven = 7;
  const ByteSpan bytes = std::as_bytes(std::span(&seven, 1));
  ASSERT_TRUE((*guest_->process().handles().find(event))->handle->try_write(std::span(&bytes, 1)));
  EXPECT_EQ(guest_->finish(), Errno::kSuccess);
  EXPECT_EQ(number(), 7U);
}

TEST_F(HandleCallsTest, Event_AsSemaphore_AndNonblocking) {
  const GuestFd event = make_event(2, 1 | 4);
  EXPECT_EQ(read_bytes(event), Errno::kSuccess);
  EXPECT_EQ(number(), 1U);
  EXPECT_EQ(read_bytes(event), Errno::kSuccess);
  EXPECT_EQ(read_bytes(event), Errno::kAgain);
  EXPECT_EQ(read_bytes(event, 7), Errno::kInval);
}

TEST_F(HandleCallsTest, Event_WithBadArguments_IsNotMade) {
  EXPECT_EQ(call("fd_event", {0, 2, kOut}), Errno::kInval);
  EXPECT_EQ(call("fd_event", {~std::uint64_t{0}, 0, kOut}), Errno::kInval);
  EXPECT_EQ(call("fd_event", {0, 0, kNowhere}), Errno::kFault);
  EXPECT_EQ(open_count(), 4U);
}

TEST_F(HandleCallsTest, Event_IsPolled) {
  const GuestFd event = make_event(5, 0);
  abi::Subscription subscription{};
  subscription.userdata = 77;
  subscription.type = static_cast<std::uint8_t>(Eventtype::kFdRead);
  subscription.fd_or_clock = event;
  guest_->put_value(kPath, subscription);
  EXPECT_EQ(call("poll_oneoff", {kPath, kData, 1, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest_->value<abi::Event>(kData).userdata, 77U);
  EXPECT_EQ(guest_->value<abi::Event>(kData).nbytes, 8U);
}

TEST_F(HandleCallsTest, PathOpen2_WithUnknownFlags_OpensNothing) {
  guest_->put(kPath, "file");
  EXPECT_EQ(call("path_open2", {kRoot, 0, kPath, 4, 0, 2, 0, 0, 2, kOut}), Errno::kInval);
  EXPECT_EQ(call("path_open2", {kRoot, 0, kPath, 4, 0, 2, 0, 32, 0, kOut}), Errno::kInval);
  EXPECT_EQ(open_count(), 4U);
  EXPECT_EQ(call("path_open2", {kRoot, 0, kPath, 4, 0, 2, 0, 0, 0, kOut}), Errno::kSuccess);
  EXPECT_FALSE(closes_on_exec(4));
}

TEST_F(HandleCallsTest, Chdir_ToDirectories_AbsoluteAndRelative) {
  EXPECT_EQ(working_directory(), "/");
  EXPECT_EQ(chdir("/data/work/inner//"), Errno::kSuccess);
  EXPECT_EQ(working_directory(), "/data/work/inner");
  EXPECT_EQ(chdir("./deep"), Errno::kSuccess);
  EXPECT_EQ(working_directory(), "/data/work/inner/deep");
  EXPECT_EQ(chdir("../.."), Errno::kSuccess);
  EXPECT_EQ(working_directory(), "/data/work");
  EXPECT_EQ(chdir(".."), Errno::kSuccess);
  EXPECT_EQ(working_directory(), "/data");
  EXPECT_EQ(chdir("/"), Errno::kSuccess);
  EXPECT_EQ(working_directory(), "/");
}

TEST_F(HandleCallsTest, Chdir_ToWhatIsNoDirectory_ChangesNothing) {
  EXPECT_EQ(chdir("/data/work/file"), Errno::kNotdir);
  EXPECT_EQ(chdir("/data/work/none"), Errno::kNoent);
  EXPECT_EQ(chdir("/data/works"), Errno::kNoent);
  EXPECT_EQ(chdir(""), Errno::kNoent);
  EXPECT_EQ(chdir(std::string_view("/data\0", 6)), Errno::kInval);
  EXPECT_EQ(chdir("/data/work/\xFF"), Errno::kIlseq);
  EXPECT_EQ(call("chdir", {kNowhere, 8}), Errno::kFault);
  EXPECT_EQ(call("chdir", {kPath, kPathBytesMax + 1}), Errno::kNametoolong);
  EXPECT_EQ(working_directory(), "/");
  EXPECT_EQ(guest_->process().handles().close(kRoot), Errno::kSuccess);
  EXPECT_EQ(chdir("/data/work"), Errno::kNoent);
}

TEST_F(HandleCallsTest, Getcwd_WithoutRoomForTheNul_IsRangeWithTheSizeItTakes) {
  EXPECT_EQ(chdir("/data"), Errno::kSuccess);
  guest_->put_value(kOut, std::uint32_t{5});
  EXPECT_EQ(call("getcwd", {kData, kOut}), Errno::kRange);
  EXPECT_EQ(result(), 6U);
  EXPECT_EQ(call("getcwd", {kData, kOut}), Errno::kSuccess);
  EXPECT_EQ(result(), 5U);
  EXPECT_EQ(call("getcwd", {kData, kNowhere}), Errno::kFault);
  guest_->put_value(kOut, std::uint32_t{6});
  EXPECT_EQ(call("getcwd", {kNowhere, kOut}), Errno::kFault);
}

// getcwd(NULL, 100) of wasix-libc, which then allocates and asks again.
TEST_F(HandleCallsTest, Getcwd_IntoNull_IsRange) {
  guest_->put_value(kOut, std::uint32_t{100});
  EXPECT_EQ(call("getcwd", {0, kOut}), Errno::kRange);
  EXPECT_EQ(result(), 2U);
}

// wasix-libc leaves the slash in front of what is below its root.
TEST_F(HandleCallsTest, Paths_MayBeginWithSlashes) {
  const auto open = [this](std::string_view path, std::uint64_t oflags = 0) {
    guest_->put(kPath, path);
    return call("path_open2", {kRoot, 0, kPath, path.size(), oflags, 2, 0, 0, 0, kOut});
  };
  EXPECT_EQ(open("/file"), Errno::kSuccess);
  EXPECT_EQ(read_bytes(result(), 4), Errno::kSuccess);
  EXPECT_EQ(guest_->text(kData, 4), "text");
  EXPECT_EQ(open("//inner/deep", 2), Errno::kSuccess);
  EXPECT_EQ(open("/", 2), Errno::kSuccess);
  EXPECT_EQ(open("/../file"), Errno::kPerm) << "the descriptor is the top";
  EXPECT_EQ(open(""), Errno::kNoent);
}

TEST_F(HandleCallsTest, ClockTimeSet_IsPerm_ForOtherClocksInval) {
  EXPECT_EQ(call("clock_time_set", {0, 1}), Errno::kPerm);
  EXPECT_EQ(call("clock_time_set", {1, 1}), Errno::kInval);
  EXPECT_EQ(call("clock_time_set", {99, 1}), Errno::kInval);
}

}  // namespace
}  // namespace selvedge::wasix
