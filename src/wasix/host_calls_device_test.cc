// What a guest gets when it opens files in /dev.

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "wasix/fs_devices.h"
#include "wasix/pipe.h"
#include "wasix/testing/machine.h"
#include "wasix/testing/wasix_guest.h"
#include "wasix/virtual_terminal.h"

namespace selvedge::wasix {
namespace {

using testing::CallingGuest;
using testing::Machine;

constexpr std::uint32_t kOut = 1024;
constexpr std::uint32_t kPath = 1536;
constexpr std::uint32_t kIovec = 2048;
constexpr std::uint32_t kData = 4096;
constexpr GuestFd kRoot = 3;
constexpr std::uint64_t kRightsOfC = static_cast<std::uint64_t>(Rights::kAll);

class DeviceCallsTest : public ::testing::Test {
 protected:
  void start(ProcessOptions options = {}) {
    options.preopens.push_back(
        {.guest_path = "/", .directory = make_device_file_system(machine_.clock())->open_root()});
    guest_.emplace(machine_, testing::link_wasix_trampolines(machine_, {}), std::move(options));
  }
  std::optional<Errno> call(std::string_view name, std::initializer_list<std::uint64_t> arguments) {
    return guest_->call(name, arguments);
  }
  std::optional<Errno> open(std::string_view path, std::uint64_t rights = kRightsOfC) {
    guest_->put(kPath, path);
    return call("path_open", {kRoot, 0, kPath, path.size(), 0, rights, 0, 0, kOut});
  }
  GuestFd must_open(std::string_view path) {
    EXPECT_EQ(open(path), Errno::kSuccess) << path;
    return guest_->value<GuestFd>(kOut);
  }
  // What was read.
  std::string read(GuestFd fd, std::uint32_t size) {
    guest_->put(kData, std::string(size, 'x'));
    guest_->put_value(kIovec, abi::Iovec{.buf = kData, .len = size});
    EXPECT_EQ(call("fd_read", {fd, kIovec, 1, kOut}), Errno::kSuccess);
    return guest_->text(kData, guest_->value<std::uint32_t>(kOut));
  }
  std::optional<Errno> write(GuestFd fd, std::string_view text) {
    guest_->put(kData, text);
    guest_->put_value(kIovec,
                      abi::Iovec{.buf = kData, .len = static_cast<std::uint32_t>(text.size())});
    return call("fd_write", {fd, kIovec, 1, kOut});
  }
  Filetype filetype(GuestFd fd) {
    EXPECT_EQ(call("fd_fdstat_get", {fd, kOut}), Errno::kSuccess);
    return guest_->value<abi::Fdstat>(kOut).filetype;
  }

  Machine machine_;
  std::optional<CallingGuest> guest_;
};

TEST_F(DeviceCallsTest, Null_ReadsNothing_AndSwallowsAll) {
  start();
  const GuestFd fd = must_open("dev/null");
  EXPECT_EQ(filetype(fd), Filetype::kCharacterDevice);
  EXPECT_EQ(read(fd, 8), "");
  EXPECT_EQ(write(fd, "gone"), Errno::kSuccess);
  EXPECT_EQ(guest_->value<std::uint32_t>(kOut), 4U);
}

TEST_F(DeviceCallsTest, ZeroAndFull_ReadZeros_FullTakesNothing) {
  start();
  for (const std::string_view path : {"dev/zero", "dev/full"}) {
    const GuestFd fd = must_open(path);
    EXPECT_EQ(read(fd, 300), std::string(300, '\0'));
    EXPECT_EQ(write(fd, "gone"), path == "dev/zero" ? Errno::kSuccess : Errno::kNospc);
  }
}

TEST_F(DeviceCallsTest, Random_GivesBytesThatDiffer_AndAtMost64KiB) {
  start();
  for (const std::string_view path : {"dev/random", "dev/urandom"}) {
    const GuestFd fd = must_open(path);
    const std::string first = read(fd, 64);
    EXPECT_EQ(first.size(), 64U);
    EXPECT_NE(first, read(fd, 64));
    EXPECT_EQ(write(fd, "seed"), Errno::kSuccess);
    EXPECT_EQ(read(fd, 65'536 + 4096).size(), 65'536U);
  }
}

TEST_F(DeviceCallsTest, Offsets_AreAccepted_AndStayAtZero) {
  start();
  for (const std::string_view path : {"dev/null", "dev/zero", "dev/urandom"}) {
    const GuestFd fd = must_open(path);
    EXPECT_EQ(call("fd_seek", {fd, 100, 0, kOut}), Errno::kSuccess);
    EXPECT_EQ(guest_->value<std::uint64_t>(kOut), 0U);
    guest_->put_value(kOut, std::uint64_t{9});
    EXPECT_EQ(call("fd_tell", {fd, kOut}), Errno::kSuccess);
    EXPECT_EQ(guest_->value<std::uint64_t>(kOut), 0U);
    guest_->put_value(kIovec, abi::Iovec{.buf = kData, .len = 16});
    EXPECT_EQ(call("fd_pread", {fd, kIovec, 1, 4096, kOut}), Errno::kSuccess);
    EXPECT_EQ(guest_->value<std::uint32_t>(kOut), path == "dev/null" ? 0U : 16U);
    EXPECT_EQ(call("fd_pwrite", {fd, kIovec, 1, 4096, kOut}), Errno::kSuccess);
    EXPECT_EQ(guest_->value<std::uint32_t>(kOut), 16U);
  }
}

TEST_F(DeviceCallsTest, WithoutTheRight_NothingIsReadOrWritten) {
  start();
  EXPECT_EQ(open("dev/zero", static_cast<std::uint64_t>(Rights::kFdRead)), Errno::kSuccess);
  EXPECT_EQ(write(guest_->value<GuestFd>(kOut), "x"), Errno::kNotcapable);
  EXPECT_EQ(open("dev/zero", static_cast<std::uint64_t>(Rights::kFdWrite)), Errno::kSuccess);
  const GuestFd fd = guest_->value<GuestFd>(kOut);
  EXPECT_EQ(call("fd_read", {fd, kIovec, 1, kOut}), Errno::kNotcapable);
  EXPECT_EQ(call("fd_pread", {fd, kIovec, 1, 0, kOut}), Errno::kNotcapable);
  EXPECT_EQ(call("fd_seek", {fd, 1, 0, kOut}), Errno::kNotcapable);
}

TEST_F(DeviceCallsTest, StandardStreams_AreThoseOfTheProcess) {
  PipeEnds input = make_pipe(machine_.reactor());
  PipeEnds output = make_pipe(machine_.reactor());
  const base::ByteSpan text = base::as_bytes(std::string_view("typed"));
  ASSERT_TRUE(input.writer->try_write(std::span(&text, 1)));
  start({.standard_input = input.reader, .standard_output = output.writer});
  EXPECT_EQ(read(must_open("dev/stdin"), 16), "typed");
  EXPECT_EQ(write(must_open("dev/stdout"), "shown"), Errno::kSuccess);
  std::array<std::byte, 16> buffer{};
  const base::MutableByteSpan target = buffer;
  EXPECT_EQ(output.reader->try_read(std::span(&target, 1)), 5U);
  EXPECT_EQ(base::as_text(std::span(buffer).first(5)), "shown");
  EXPECT_EQ(call("fd_close", {2}), Errno::kSuccess);
  EXPECT_EQ(open("dev/stderr"), Errno::kNoent);
}

TEST_F(DeviceCallsTest, Tty_WithoutATerminal_IsNxio) {
  start();
  EXPECT_EQ(open("dev/tty"), Errno::kNxio);
}

TEST_F(DeviceCallsTest, Tty_ReadsAndWritesTheTerminal_AlsoWhenOneStreamIsRedirected) {
  auto terminal = VirtualTerminal::create(machine_.reactor(), {});
  PipeEnds output = make_pipe(machine_.reactor());
  start({.standard_input = terminal->input(),
         .standard_output = output.writer,
         .standard_error = terminal->output(),
         .terminal = terminal});
  const GuestFd fd = must_open("dev/tty");
  EXPECT_EQ(filetype(fd), Filetype::kCharacterDevice);
  EXPECT_EQ(write(fd, "secret? "), Errno::kSuccess);
  std::array<std::byte, 64> buffer{};
  EXPECT_EQ(base::as_text(std::span(buffer).first(terminal->take_output(buffer))), "secret? ");
  terminal->receive(base::as_bytes(std::string_view("word\r")));
  EXPECT_EQ(read(fd, 16), "word\n");
}

}  // namespace
}  // namespace selvedge::wasix
