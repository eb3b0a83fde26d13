// Writes that do not fit at once.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "wasix/abi_socket.h"
#include "wasix/fs_memory.h"
#include "wasix/loopback_network.h"
#include "wasix/pipe.h"
#include "wasix/stdio.h"
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
constexpr std::uint32_t kIovecs = 2048;
constexpr std::uint32_t kData = 8192;
constexpr std::uint32_t kDataBytes = 131'072;
constexpr GuestFd kRoot = 3;
constexpr std::uint64_t kUnix = 3;
constexpr std::uint64_t kStream = 1;
constexpr std::uint64_t kDgram = 2;

// Bytes of which no two parts look alike.
std::string pattern(std::size_t size) {
  std::string text;
  for (std::size_t number = 0; text.size() < size; ++number) {
    text += std::to_string(number) + ' ';
  }
  text.resize(size);
  return text;
}

class WriteTest : public ::testing::Test {
 protected:
  WriteTest()
      : module_(testing::link_wasix_trampolines(
            machine_, {"fd_event", "sock_pair", "sock_send_file", "sock_set_opt_time"})),
        pipe_(make_pipe(machine_.reactor(), {.counts_as_output = true})),
        text_(pattern(kDataBytes)) {
    auto files = *MemoryFileSystem::create({.clock = machine_.clock(), .lower = nullptr});
    root_ = files->open_root();
    ProcessOptions options{.network = std::make_shared<LoopbackNetwork>(machine_.reactor())};
    options.standard_output = pipe_.writer;
    options.standard_error = std::make_shared<NullHandle>();
    options.preopens.push_back({.guest_path = "/", .directory = root_});
    guest_.emplace(machine_, module_, std::move(options));
    guest_->put(kData, text_);
  }

  // All of text_, `times` times in a row; or its first `size` bytes.
  void iovecs(std::uint32_t times) {
    for (std::uint32_t index = 0; index < times; ++index) {
      guest_->put_value(kIovecs + index * 8, abi::Iovec{.buf = kData, .len = kDataBytes});
    }
  }
  void iovec(std::uint32_t size) {
    guest_->put_value(kIovecs, abi::Iovec{.buf = kData, .len = size});
  }
  std::uint32_t count() { return guest_->value<std::uint32_t>(kOut); }
  std::optional<Errno> call(std::string_view name, std::initializer_list<std::uint64_t> arguments) {
    return guest_->call(name, arguments);
  }
  std::optional<Errno> write(std::uint32_t size) {
    iovec(size);
    return call("fd_write", {1, kIovecs, 1, kOut});
  }
  // Begins a write of `size` bytes that must wait.
  void begin_write(std::uint32_t size) {
    iovec(size);
    guest_->begin("fd_write", {1, kIovecs, 1, kOut});
    EXPECT_FALSE(guest_->turn());
  }
  static std::string read(Handle& handle, std::size_t size) {
    std::string text(size, '\0');
    const MutableByteSpan bytes = std::as_writable_bytes(std::span(text));
    text.resize(handle.try_read(std::span(&bytes, 1)).value_or(0));
    return text;
  }
  std::string read(std::size_t size) { return read(*pipe_.reader, size); }
  // Reads in pieces of `piece` bytes until the call that was begun ends, then the rest.
  std::string read_until_finished(Handle& from, std::size_t piece) {
    std::string all;
    for (bool ended = false; !ended;) {
      ended = guest_->turn();
      for (std::string got = read(from, piece); !got.empty(); got = read(from, piece)) {
        all += got;
        if (!ended && from.read_readiness().bytes % 8192 == 0) {
          ended = guest_->turn();
        }
      }
    }
    return all;
  }
  Handle& handle(GuestFd fd) { return *(*guest_->process().handles().find(fd))->handle; }
  void nonblocking(GuestFd fd) { EXPECT_EQ(call("fd_fdstat_set_flags", {fd, 4}), Errno::kSuccess); }
  GuestFd open_file() {
    guest_->put(kPath, "file");
    EXPECT_EQ(call("path_open", {kRoot, 0, kPath, 4, 1, ~std::uint64_t{0}, 0, 0, kOut}),
              Errno::kSuccess);
    return guest_->value<GuestFd>(kOut);
  }
  struct Pair {
    GuestFd first;
    GuestFd second;
  };
  Pair pair(std::uint64_t type = kStream) {
    EXPECT_EQ(call("sock_pair", {kUnix, type, 0, kOut, kOut2}), Errno::kSuccess);
    return {.first = guest_->value<GuestFd>(kOut), .second = guest_->value<GuestFd>(kOut2)};
  }
  std::string repeated(std::uint32_t times) {
    std::string all;
    for (std::uint32_t index = 0; index < times; ++index) {
      all += text_;
    }
    return all;
  }

  Machine machine_;
  std::shared_ptr<const engine::LinkedModule> module_;
  PipeEnds pipe_;
  std::string text_;
  std::shared_ptr<Directory> root_;
  std::optional<CallingGuest> guest_;
};

TEST_F(WriteTest, ToAPipe_ReadByteByByte_WritesEverything) {
  begin_write(kDataBytes);
  EXPECT_EQ(read_until_finished(*pipe_.reader, 1), text_);
  EXPECT_EQ(guest_->finish(), Errno::kSuccess);
  EXPECT_EQ(count(), kDataBytes);
}

TEST_F(WriteTest, OfMoreThanOneTransfer_WritesEverything) {
  constexpr std::uint32_t kTimes = 9;
  iovecs(kTimes);
  guest_->begin("fd_write", {1, kIovecs, kTimes, kOut});
  EXPECT_TRUE(read_until_finished(*pipe_.reader, 10'000) == repeated(kTimes));
  EXPECT_EQ(guest_->finish(), Errno::kSuccess);
  EXPECT_EQ(count(), kTimes * kDataBytes);
}

TEST_F(WriteTest, Interrupted_SaysWhatWasWritten_ElseIntr) {
  begin_write(kDataBytes);
  guest_->interrupt();
  EXPECT_EQ(guest_->finish(), Errno::kSuccess);
  EXPECT_EQ(count(), kPipeBytesMax);
  begin_write(1);
  guest_->interrupt();
  EXPECT_EQ(guest_->finish(), Errno::kIntr);
  EXPECT_EQ(read(kDataBytes), text_.substr(0, kPipeBytesMax));
}

TEST_F(WriteTest, ChildThatEnds_CutsNoWriteInTwo) {
  begin_write(kDataBytes);
  guest_->interrupt(Signal::kChld);
  EXPECT_EQ(read_until_finished(*pipe_.reader, 10'000), text_);
  EXPECT_EQ(guest_->finish(), Errno::kSuccess);
  EXPECT_EQ(count(), kDataBytes);
}

TEST_F(WriteTest, ReaderClosesInTheMiddle_SaysWhatWasWritten_ThenPipe) {
  begin_write(kDataBytes);
  EXPECT_EQ(read(40'000), text_.substr(0, 40'000));
  EXPECT_FALSE(guest_->turn());
  pipe_.reader->close();
  EXPECT_EQ(guest_->finish(), Errno::kSuccess);
  EXPECT_EQ(count(), kPipeBytesMax + 40'000);
  EXPECT_EQ(write(1), Errno::kPipe);
  EXPECT_EQ(write(0), Errno::kSuccess) << "nothing reaches nobody";
  EXPECT_EQ(count(), 0U);
}

TEST_F(WriteTest, Nonblocking_IsShort_ThenAgain) {
  nonblocking(1);
  EXPECT_EQ(write(kDataBytes), Errno::kSuccess);
  EXPECT_EQ(count(), kPipeBytesMax);
  EXPECT_EQ(write(1), Errno::kAgain);
}

TEST_F(WriteTest, SmallRecordThatDoesNotFit_IsNotCut) {
  EXPECT_EQ(write(kPipeBytesMax - 100), Errno::kSuccess);
  EXPECT_FALSE(pipe_.writer->write_readiness().ready) << "less than PIPE_BUF";
  nonblocking(1);
  EXPECT_EQ(write(101), Errno::kAgain);
  EXPECT_EQ(write(100), Errno::kSuccess);
  EXPECT_EQ(call("fd_fdstat_set_flags", {1, 0}), Errno::kSuccess);
  begin_write(kPipeAtomicBytesMax);
  read(kPipeBytesMax);
  EXPECT_EQ(guest_->finish(), Errno::kSuccess);
  EXPECT_EQ(count(), kPipeAtomicBytesMax);
  EXPECT_EQ(read(kPipeBytesMax), text_.substr(0, kPipeAtomicBytesMax));
}

TEST_F(WriteTest, IovecsThatChangeMeanwhile_EndIt) {
  begin_write(kDataBytes);
  guest_->put_value(kIovecs, abi::Iovec{.buf = 0xffff'0000, .len = kDataBytes});
  read(kPipeBytesMax);
  EXPECT_EQ(guest_->finish(), Errno::kSuccess);
  EXPECT_EQ(count(), kPipeBytesMax) << "what came before the fault";
  EXPECT_EQ(read(1), "");
}

TEST_F(WriteTest, IovecsThatShrinkMeanwhile_EndIt) {
  begin_write(kDataBytes);
  guest_->put_value(kIovecs, abi::Iovec{.buf = kData, .len = 7});
  read(kPipeBytesMax);
  EXPECT_EQ(guest_->finish(), Errno::kSuccess);
  EXPECT_EQ(count(), kPipeBytesMax);
}

// Each guest writes records of its own letter; the reader takes odd pieces.
TEST_F(WriteTest, TwoWritersOfSmallRecords_NeverInterleave) {
  constexpr std::uint32_t kRecord = 3001;
  constexpr int kRecords = 60;
  ProcessOptions options;
  options.standard_output = pipe_.writer;
  CallingGuest other(machine_, module_, std::move(options));
  std::array<CallingGuest*, 2> writers{&*guest_, &other};
  std::array<int, 2> begun{};
  for (std::size_t index = 0; index < writers.size(); ++index) {
    writers[index]->put(kData, std::string(kRecord, static_cast<char>('a' + index)));
    writers[index]->put_value(kIovecs, abi::Iovec{.buf = kData, .len = kRecord});
  }
  std::string all;
  bool done = false;
  while (!done) {
    done = true;
    for (std::size_t index = 0; index < writers.size(); ++index) {
      if (begun[index] > 0 && !writers[index]->turn()) {
        done = false;
      } else if (begun[index] < kRecords) {
        writers[index]->begin("fd_write", {1, kIovecs, 1, kOut});
        ++begun[index];
        done = false;
      }
    }
    all += read(777);
  }
  for (std::string got = read(9999); !got.empty(); got = read(9999)) {
    all += got;
  }
  ASSERT_EQ(all.size(), 2U * kRecords * kRecord);
  for (std::size_t at = 0; at < all.size(); at += kRecord) {
    ASSERT_EQ(std::count(all.begin() + static_cast<long>(at),
                         all.begin() + static_cast<long>(at + kRecord), all[at]),
              kRecord)
        << "record at " << at;
  }
}

TEST_F(WriteTest, ToAFile_OfMoreThanOneTransfer_WritesEverything) {
  constexpr std::uint32_t kTimes = 9;
  const GuestFd file = open_file();
  iovecs(kTimes);
  EXPECT_EQ(call("fd_write", {file, kIovecs, kTimes, kOut}), Errno::kSuccess);
  EXPECT_EQ(count(), kTimes * kDataBytes);
  EXPECT_EQ(call("fd_pwrite", {file, kIovecs, kTimes, kDataBytes, kOut}), Errno::kSuccess);
  EXPECT_EQ(count(), kTimes * kDataBytes);
  const auto content = testing::get(*root_, "file");
  ASSERT_TRUE(content);
  EXPECT_TRUE(*content == repeated(kTimes + 1));
}

TEST_F(WriteTest, ToAFileAndNothing_IsNotInterrupted) {
  constexpr std::uint32_t kTimes = 9;
  iovecs(kTimes);
  for (const GuestFd fd : {open_file(), GuestFd{2}}) {
    guest_->begin("fd_write", {fd, kIovecs, kTimes, kOut});
    machine_.scheduler().run_slice();
    guest_->interrupt();
    EXPECT_EQ(guest_->finish(), Errno::kSuccess);
    EXPECT_EQ(count(), kTimes * kDataBytes);
  }
}

TEST_F(WriteTest, ToASocket_WithASlowReader_WritesEverything) {
  constexpr std::uint32_t kTimes = 9;
  const Pair ends = pair();
  iovecs(kTimes);
  guest_->begin("fd_write", {ends.first, kIovecs, kTimes, kOut});
  EXPECT_TRUE(read_until_finished(handle(ends.second), 5000) == repeated(kTimes));
  EXPECT_EQ(guest_->finish(), Errno::kSuccess);
  EXPECT_EQ(count(), kTimes * kDataBytes);
  guest_->begin("sock_send", {ends.first, kIovecs, kTimes, 0, kOut});
  EXPECT_TRUE(read_until_finished(handle(ends.second), 5000) == repeated(kTimes));
  EXPECT_EQ(guest_->finish(), Errno::kSuccess);
  EXPECT_EQ(count(), kTimes * kDataBytes);
}

TEST_F(WriteTest, ToASocket_EndsEarly_SaysWhatWasSent) {
  constexpr std::uint32_t kTimes = 9;
  const Pair ends = pair();
  iovecs(kTimes);
  guest_->begin("sock_send", {ends.first, kIovecs, kTimes, 0, kOut});
  EXPECT_FALSE(guest_->turn());
  guest_->interrupt();
  EXPECT_EQ(guest_->finish(), Errno::kSuccess);
  const std::uint32_t fits = count();
  EXPECT_LT(fits, kTimes * kDataBytes);

  abi::OptionTimestamp time{};
  time.tag = 1;
  time.value = 1'000'000;
  guest_->put_value(kPath, time);
  EXPECT_EQ(call("sock_set_opt_time",
                 {ends.first, static_cast<std::uint64_t>(SockOption::kSendTimeout), kPath}),
            Errno::kSuccess);
  EXPECT_EQ(call("sock_send", {ends.first, kIovecs, kTimes, 0, kOut}), Errno::kAgain);
  EXPECT_EQ(read(handle(ends.second), 2 * fits).size(), fits);
  EXPECT_EQ(call("sock_send", {ends.first, kIovecs, kTimes, 0, kOut}), Errno::kSuccess);
  EXPECT_EQ(count(), fits) << "when the timeout has passed";

  EXPECT_EQ(read(handle(ends.second), 2 * fits).size(), fits);
  nonblocking(ends.first);
  EXPECT_EQ(call("sock_send", {ends.first, kIovecs, kTimes, 0, kOut}), Errno::kSuccess);
  EXPECT_LE(count(), fits);
  EXPECT_GT(count(), 0U);
}

TEST_F(WriteTest, SendFile_ToASlowReader_SendsEverything) {
  constexpr std::uint32_t kTimes = 9;
  const GuestFd file = open_file();
  iovecs(kTimes);
  EXPECT_EQ(call("fd_write", {file, kIovecs, kTimes, kOut}), Errno::kSuccess);
  const Pair ends = pair();
  guest_->begin("sock_send_file", {ends.first, file, 5, ~std::uint64_t{0}, kOut});
  EXPECT_TRUE(read_until_finished(handle(ends.second), 5000) == repeated(kTimes).substr(5));
  EXPECT_EQ(guest_->finish(), Errno::kSuccess);
  EXPECT_EQ(guest_->value<std::uint64_t>(kOut), kTimes * kDataBytes - 5);
  guest_->begin("sock_send_file", {ends.first, file, 0, ~std::uint64_t{0}, kOut});
  EXPECT_FALSE(guest_->turn());
  guest_->interrupt();
  EXPECT_EQ(guest_->finish(), Errno::kSuccess);
  const auto sent = guest_->value<std::uint64_t>(kOut);
  EXPECT_EQ(read(handle(ends.second), kTimes * kDataBytes).size(), sent);
}

TEST_F(WriteTest, OfAMessage_IsOneAttempt) {
  const Pair ends = pair(kDgram);
  iovec(100);
  EXPECT_EQ(call("fd_write", {ends.first, kIovecs, 1, kOut}), Errno::kSuccess);
  EXPECT_EQ(read(handle(ends.second), 200).size(), 100U);
  EXPECT_EQ(read(handle(ends.second), 200), "");
  EXPECT_EQ(call("fd_event", {0, 0, kOut}), Errno::kSuccess);
  const GuestFd event = guest_->value<GuestFd>(kOut);
  guest_->put(kData, std::string("\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0", 16));
  iovec(16);
  EXPECT_EQ(call("fd_write", {event, kIovecs, 1, kOut}), Errno::kSuccess);
  EXPECT_EQ(count(), 8U);
  EXPECT_EQ(read(handle(event), 8), std::string("\1\0\0\0\0\0\0\0", 8));
}

}  // namespace
}  // namespace selvedge::wasix
