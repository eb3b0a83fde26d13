// Host functions that need no file system, called one by one from a real guest.

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstring>
#include <string>
#include <vector>

#include "wasix/host_functions.h"
#include "wasix/pipe.h"
#include "wasix/stdio.h"
#include "wasix/testing/machine.h"
#include "wasix/testing/signatures.h"

namespace selvedge::wasix {
namespace {

using testing::CallingGuest;
using testing::Machine;

constexpr std::uint32_t kOut = 1024;     // results
constexpr std::uint32_t kIovecs = 2048;  // arrays of iovecs
constexpr std::uint32_t kData = 4096;    // bytes
constexpr std::uint64_t kMemoryEnd = 4 * 65'536;

class HostCallsTest : public ::testing::Test {
 protected:
  HostCallsTest()
      : input_(make_pipe(machine_.reactor())),
        output_(make_pipe(machine_.reactor(), {.counts_as_output = true})) {}

  static ProcessOptions basic_options() {
    return {.arguments = {"program", "one", ""}, .environment = {"A=1", "B=two words"}};
  }
  CallingGuest& make_guest(ProcessOptions options = basic_options(),
                           std::string_view module = kPreview1Module) {
    const auto imports =
        module == kPreview1Module ? testing::preview1_imports() : testing::snapshot0_imports();
    options.standard_input = input_.reader;
    options.standard_output = output_.writer;
    guest_.emplace(machine_, *machine_.link_wat(testing::trampoline_wat(module, imports)),
                   std::move(options));
    return *guest_;
  }
  void put_iovec(std::uint32_t index, std::uint32_t buf, std::uint32_t len) {
    guest_->put_value(kIovecs + index * 8, abi::Iovec{.buf = buf, .len = len});
  }
  std::string output() {
    std::string text(kPipeBytesMax, '\0');
    const MutableByteSpan bytes = std::as_writable_bytes(std::span(text));
    text.resize(output_.reader->try_read(std::span(&bytes, 1)).value_or(0));
    return text;
  }
  void input(std::string_view text) {
    const ByteSpan bytes = base::as_bytes(text);
    ASSERT_EQ(input_.writer->try_write(std::span(&bytes, 1)), text.size());
  }

  Machine machine_;
  PipeEnds input_;
  PipeEnds output_;
  std::optional<CallingGuest> guest_;
};

TEST_F(HostCallsTest, Args_AreCountedAndCopied_WithTerminators) {
  CallingGuest& guest = make_guest();
  EXPECT_EQ(guest.call("args_sizes_get", {kOut, kOut + 4}), Errno::kSuccess);
  EXPECT_EQ(guest.value<std::uint32_t>(kOut), 3U);
  EXPECT_EQ(guest.value<std::uint32_t>(kOut + 4), 13U);
  EXPECT_EQ(guest.call("args_get", {kOut, kData}), Errno::kSuccess);
  EXPECT_EQ(guest.text(kData, 13), std::string("program\0one\0\0", 13));
  EXPECT_EQ(guest.value<std::uint32_t>(kOut), kData);
  EXPECT_EQ(guest.value<std::uint32_t>(kOut + 4), kData + 8);
  EXPECT_EQ(guest.value<std::uint32_t>(kOut + 8), kData + 12);
}

TEST_F(HostCallsTest, Environ_IsCountedAndCopied) {
  CallingGuest& guest = make_guest();
  EXPECT_EQ(guest.call("environ_sizes_get", {kOut, kOut + 4}), Errno::kSuccess);
  EXPECT_EQ(guest.value<std::uint32_t>(kOut), 2U);
  EXPECT_EQ(guest.value<std::uint32_t>(kOut + 4), 16U);
  EXPECT_EQ(guest.call("environ_get", {kOut, kData}), Errno::kSuccess);
  EXPECT_EQ(guest.text(kData, 16), std::string("A=1\0B=two words\0", 16));
}

TEST_F(HostCallsTest, Args_OutsideMemory_Fault) {
  CallingGuest& guest = make_guest();
  EXPECT_EQ(guest.call("args_sizes_get", {kMemoryEnd - 3, kOut}), Errno::kFault);
  EXPECT_EQ(guest.call("args_get", {kOut, kMemoryEnd - 12}), Errno::kFault);
  EXPECT_EQ(guest.call("args_get", {0xFFFF'FFFF, kData}), Errno::kFault);
}

TEST(Process_Create, ArgumentWithNul_IsInvalid) {
  Machine machine;
  const auto module = machine.link_wat("(module (func (export \"_start\")))");
  const auto process =
      Process::create(machine.shard(), *module, {.arguments = {std::string("a\0b", 3)}});
  ASSERT_FALSE(process);
  EXPECT_EQ(process.error().kind(), ErrorKind::kInvalid);
}

TEST_F(HostCallsTest, Clocks_HaveResolutionAndTime) {
  CallingGuest& guest = make_guest();
  for (const std::uint64_t clock : {0U, 1U, 2U, 3U}) {
    EXPECT_EQ(guest.call("clock_res_get", {clock, kOut}), Errno::kSuccess);
    EXPECT_GT(guest.value<std::uint64_t>(kOut), 0U);
    EXPECT_EQ(guest.call("clock_time_get", {clock, 0, kOut}), Errno::kSuccess);
  }
  EXPECT_EQ(guest.call("clock_res_get", {4, kOut}), Errno::kInval);
  EXPECT_EQ(guest.call("clock_time_get", {0xFFFF'FFFF, 0, kOut}), Errno::kInval);
  EXPECT_EQ(guest.call("clock_time_get", {0, 0, kMemoryEnd - 7}), Errno::kFault);

  EXPECT_EQ(guest.call("clock_time_get", {0, 0, kOut}), Errno::kSuccess);
  const auto wall =
      static_cast<std::uint64_t>(machine_.clock().wall_now().time_since_epoch().count());
  EXPECT_NEAR(static_cast<double>(guest.value<std::uint64_t>(kOut)), static_cast<double>(wall),
              60e9);
  EXPECT_EQ(guest.call("clock_time_get", {1, 0, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest.call("clock_time_get", {1, 0, kOut + 8}), Errno::kSuccess);
  EXPECT_LT(guest.value<std::uint64_t>(kOut), guest.value<std::uint64_t>(kOut + 8));
  EXPECT_LT(guest.value<std::uint64_t>(kOut + 8), 600e9) << "counts from the process's start";
}

TEST_F(HostCallsTest, Random_FillsExactlyTheBuffer_AlsoALargeOne) {
  CallingGuest& guest = make_guest();
  const std::string zeros(200'000, '\0');
  guest.put(kData, zeros);
  EXPECT_EQ(guest.call("random_get", {kData, 199'990}), Errno::kSuccess);
  const std::string filled = guest.text(kData, 200'000);
  EXPECT_EQ(filled.substr(199'990), std::string(10, '\0'));
  EXPECT_LT(std::count(filled.begin(), filled.end(), '\0'), 2000);
  EXPECT_EQ(guest.call("random_get", {kData, 0}), Errno::kSuccess);
  EXPECT_EQ(guest.call("random_get", {kMemoryEnd - 4, 5}), Errno::kFault);
  EXPECT_EQ(guest.call("random_get", {kMemoryEnd - 4, 0xFFFF'FFFF}), Errno::kFault);
}

TEST_F(HostCallsTest, SchedYield_Suspends) {
  CallingGuest& guest = make_guest();
  EXPECT_EQ(guest.call("sched_yield", {}), Errno::kSuccess);
}

TEST_F(HostCallsTest, ProcExit_EndsWithItsCode) {
  CallingGuest& guest = make_guest();
  EXPECT_EQ(guest.call("proc_exit", {258}), std::nullopt);
  EXPECT_EQ(guest.outcome().reason, engine::EndReason::kExited);
  EXPECT_EQ(guest.outcome().exit_code, 258U);
}

TEST_F(HostCallsTest, ProcRaise_TakesTheDefaultAction) {
  CallingGuest& guest = make_guest();
  EXPECT_EQ(guest.call("proc_raise", {0}), Errno::kSuccess);
  // SIGCHLD, SIGSTOP: as preview 1 numbers them.
  EXPECT_EQ(guest.call("proc_raise", {16}), Errno::kSuccess);
  EXPECT_EQ(guest.call("proc_raise", {31}), Errno::kInval);
  EXPECT_EQ(guest.call("proc_raise", {18}), Errno::kNotsup);
  EXPECT_EQ(guest.call("proc_raise", {static_cast<std::uint64_t>(Signal::kAbrt)}), std::nullopt);
}

TEST_F(HostCallsTest, FdWrite_GathersBuffers) {
  CallingGuest& guest = make_guest();
  guest.put(kData, "hello, world");
  put_iovec(0, kData, 5);
  put_iovec(1, 0, 0);
  put_iovec(2, kData + 5, 7);
  EXPECT_EQ(guest.call("fd_write", {1, kIovecs, 3, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest.value<std::uint32_t>(kOut), 12U);
  EXPECT_EQ(output(), "hello, world");
}

TEST_F(HostCallsTest, FdWrite_ChecksEverythingBeforeItWrites) {
  CallingGuest& guest = make_guest();
  put_iovec(0, kData, 5);
  put_iovec(1, static_cast<std::uint32_t>(kMemoryEnd) - 2, 5);
  EXPECT_EQ(guest.call("fd_write", {1, kIovecs, 2, kOut}), Errno::kFault);
  EXPECT_EQ(guest.call("fd_write", {1, kIovecs, 1, kMemoryEnd - 2}), Errno::kFault);
  EXPECT_EQ(guest.call("fd_write", {1, kMemoryEnd - 4, 1, kOut}), Errno::kFault);
  EXPECT_EQ(guest.call("fd_write", {1, kIovecs, 1025, kOut}), Errno::kInval);
  EXPECT_EQ(guest.call("fd_write", {1, kIovecs, 0xFFFF'FFFF, kOut}), Errno::kInval);
  EXPECT_EQ(guest.call("fd_write", {0, kIovecs, 1, kOut}), Errno::kNotcapable);
  EXPECT_EQ(guest.call("fd_write", {99, kIovecs, 1, kOut}), Errno::kBadf);
  EXPECT_EQ(output(), "");
}

TEST_F(HostCallsTest, FdWrite_ToAFullPipe_WaitsForTheReader) {
  CallingGuest& guest = make_guest();
  put_iovec(0, kData, kPipeBytesMax);
  EXPECT_EQ(guest.call("fd_write", {1, kIovecs, 1, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest.value<std::uint32_t>(kOut), kPipeBytesMax);
  guest.begin("fd_write", {1, kIovecs, 1, kOut});
  EXPECT_FALSE(guest.turn());
  EXPECT_EQ(output().size(), kPipeBytesMax);
  EXPECT_EQ(guest.finish(), Errno::kSuccess);
}

TEST_F(HostCallsTest, FdRead_WaitsForInput_ThenGivesWhatIsThere) {
  CallingGuest& guest = make_guest();
  put_iovec(0, kData, 3);
  put_iovec(1, kData + 100, 50);
  guest.begin("fd_read", {0, kIovecs, 2, kOut});
  EXPECT_FALSE(guest.turn());
  input("abcdef");
  EXPECT_EQ(guest.finish(), Errno::kSuccess);
  EXPECT_EQ(guest.value<std::uint32_t>(kOut), 6U);
  EXPECT_EQ(guest.text(kData, 3), "abc");
  EXPECT_EQ(guest.text(kData + 100, 3), "def");
  input_.writer.reset();
  EXPECT_EQ(guest.call("fd_read", {0, kIovecs, 2, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest.value<std::uint32_t>(kOut), 0U);
}

TEST_F(HostCallsTest, FdRead_IntoItsOwnIovecs_IsSafe) {
  CallingGuest& guest = make_guest();
  put_iovec(0, kIovecs, 16);  // overwrites both iovecs with input
  put_iovec(1, kData, 4);
  input(std::string(16, '\xFF') + "tail");
  EXPECT_EQ(guest.call("fd_read", {0, kIovecs, 2, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest.value<std::uint32_t>(kOut), 20U);
  EXPECT_EQ(guest.text(kData, 4), "tail");
}

TEST_F(HostCallsTest, FdRead_Nonblocking_IsAgain) {
  CallingGuest& guest = make_guest();
  put_iovec(0, kData, 3);
  EXPECT_EQ(guest.call("fd_fdstat_set_flags", {0, 4}), Errno::kSuccess);
  EXPECT_EQ(guest.call("fd_read", {0, kIovecs, 1, kOut}), Errno::kAgain);
  EXPECT_EQ(guest.call("fd_fdstat_set_flags", {0, 5}), Errno::kSuccess)
      << "append means nothing to a pipe";
  EXPECT_EQ(guest.call("fd_fdstat_set_flags", {0, 32}), Errno::kInval) << "unknown";
  EXPECT_EQ(guest.call("fd_fdstat_get", {0, kOut}), Errno::kSuccess);
  EXPECT_EQ(guest.value<abi::Fdstat>(kOut).flags, Fdflags::kNonblock | Fdflags::kAppend);
}

TEST_F(HostCallsTest, GuestDroppedWhileItWaits_LeavesNothingBehind) {
  CallingGuest& guest = make_guest();
  put_iovec(0, kData, 3);
  const long owners = input_.reader.use_count();
  guest.begin("fd_read", {0, kIovecs, 1, kOut});
  EXPECT_FALSE(guest.turn());
  EXPECT_EQ(input_.reader.use_count(), owners + 1) << "the waiting call keeps its handle";
  guest.drop();
  EXPECT_EQ(input_.reader.use_count(), owners);
  input("nobody is woken");
}

TEST_F(HostCallsTest, Fdstat_TellsKindAndRights_WhichOnlyShrink) {
  CallingGuest& guest = make_guest();
  EXPECT_EQ(guest.call("fd_fdstat_get", {1, kOut}), Errno::kSuccess);
  const auto stat = guest.value<abi::Fdstat>(kOut);
  EXPECT_EQ(stat.filetype, Filetype::kUnknown);
  EXPECT_TRUE(has_all(stat.rights_base, Rights::kFdWrite));
  EXPECT_FALSE(has_any(stat.rights_base, Rights::kFdRead | Rights::kFdSeek));

  const auto less = static_cast<std::uint64_t>(stat.rights_base & ~Rights::kFdWrite);
  EXPECT_EQ(guest.call("fd_fdstat_set_rights", {1, less, 0}), Errno::kSuccess);
  put_iovec(0, kData, 1);
  EXPECT_EQ(guest.call("fd_write", {1, kIovecs, 1, kOut}), Errno::kNotcapable);
  EXPECT_EQ(guest.call("fd_fdstat_set_rights", {1, less | 64, 0}), Errno::kNotcapable);
  EXPECT_EQ(guest.call("fd_fdstat_set_rights", {1, 0, 1}), Errno::kNotcapable);
  EXPECT_EQ(guest.call("fd_fdstat_get", {7, kOut}), Errno::kBadf);
}

TEST_F(HostCallsTest, StreamsRefuse_WhatFilesCan) {
  CallingGuest& guest = make_guest();
  EXPECT_EQ(guest.call("fd_seek", {0, 0, 0, kOut}), Errno::kSpipe);
  EXPECT_EQ(guest.call("fd_seek", {0, 0, 3, kOut}), Errno::kInval);
  EXPECT_EQ(guest.call("fd_tell", {0, kOut}), Errno::kSpipe);
  EXPECT_EQ(guest.call("fd_pread", {0, kIovecs, 0, 0, kOut}), Errno::kSpipe);
  EXPECT_EQ(guest.call("fd_pwrite", {1, kIovecs, 0, 0, kOut}), Errno::kSpipe);
  EXPECT_EQ(guest.call("fd_advise", {0, 0, 0, 0}), Errno::kSpipe);
  EXPECT_EQ(guest.call("fd_allocate", {0, 0, 1}), Errno::kSpipe);
  EXPECT_EQ(guest.call("fd_filestat_set_size", {0, 1}), Errno::kInval);
  EXPECT_EQ(guest.call("fd_readdir", {0, kData, 100, 0, kOut}), Errno::kNotdir);
  EXPECT_EQ(guest.call("fd_sync", {1}), Errno::kInval);
  EXPECT_EQ(guest.call("path_create_directory", {0, kData, 1}), Errno::kNotdir);
  EXPECT_EQ(guest.call("fd_prestat_get", {0, kOut}), Errno::kBadf);
}

TEST_F(HostCallsTest, Sockets_NoDescriptorIsOne) {
  CallingGuest& guest = make_guest();
  EXPECT_EQ(guest.call("sock_shutdown", {1, 3}), Errno::kNotsock);
  EXPECT_EQ(guest.call("sock_shutdown", {42, 3}), Errno::kBadf);
  EXPECT_EQ(guest.call("sock_shutdown", {1, 4}), Errno::kInval);
  EXPECT_EQ(guest.call("sock_accept", {1, 0, kOut}), Errno::kNotsock);
  EXPECT_EQ(guest.call("sock_recv", {1, kIovecs, 0, 0, kOut, kOut + 4}), Errno::kNotsock);
  EXPECT_EQ(guest.call("sock_send", {42, kIovecs, 0, 0, kOut}), Errno::kBadf);
}

TEST_F(HostCallsTest, OutputLimit_EndsTheGuest) {
  ProcessOptions options = basic_options();
  options.limits.output_bytes_max = 10;
  CallingGuest& guest = make_guest(std::move(options));
  put_iovec(0, kData, 10);
  EXPECT_EQ(guest.call("fd_write", {1, kIovecs, 1, kOut}), Errno::kSuccess);
  put_iovec(0, kData, 1);
  EXPECT_EQ(guest.call("fd_write", {1, kIovecs, 1, kOut}), std::nullopt);
}

}  // namespace
}  // namespace selvedge::wasix
