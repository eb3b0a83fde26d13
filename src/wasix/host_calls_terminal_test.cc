// tty_get and tty_set, and a guest that waits for a key.

#include <gtest/gtest.h>

#include <optional>
#include <string_view>

#include "wasix/abi_terminal.h"
#include "wasix/testing/machine.h"
#include "wasix/testing/wasix_guest.h"
#include "wasix/virtual_terminal.h"

namespace selvedge::wasix {
namespace {

using testing::CallingGuest;
using testing::Machine;

constexpr std::uint32_t kTty = 1024;
constexpr std::uint32_t kCount = 1064;
constexpr std::uint32_t kIovec = 1072;
constexpr std::uint32_t kData = 2048;
constexpr std::uint64_t kNowhere = 4 * 65'536 - 23;

class TerminalCallsTest : public ::testing::Test {
 protected:
  void start(bool with_terminal) {
    ProcessOptions options;
    if (with_terminal) {
      options.standard_input = terminal_->input();
      options.standard_output = terminal_->output();
      options.terminal = terminal_;
    }
    guest_.emplace(machine_, testing::link_wasix_trampolines(machine_, {"tty_get", "tty_set"}),
                   std::move(options));
  }
  std::optional<Errno> call(std::string_view name, std::initializer_list<std::uint64_t> arguments) {
    return guest_->call(name, arguments);
  }
  abi::Tty get() {
    EXPECT_EQ(call("tty_get", {kTty}), Errno::kSuccess);
    return guest_->value<abi::Tty>(kTty);
  }
  std::optional<Errno> set(const abi::Tty& tty) {
    guest_->put_value(kTty, tty);
    return call("tty_set", {kTty});
  }
  void type(std::string_view keys) {
    EXPECT_EQ(terminal_->receive(base::as_bytes(keys)), keys.size());
  }

  Machine machine_;
  std::shared_ptr<VirtualTerminal> terminal_ = VirtualTerminal::create(
      machine_.reactor(),
      {.size = {.columns = 80, .rows = 24, .width_pixels = 640, .height_pixels = 480}});
  std::optional<CallingGuest> guest_;
};

TEST_F(TerminalCallsTest, Get_TellsSizeDescriptorsAndModes) {
  start(true);
  const abi::Tty tty = get();
  EXPECT_EQ(tty.cols, 80U);
  EXPECT_EQ(tty.rows, 24U);
  EXPECT_EQ(tty.width, 640U);
  EXPECT_EQ(tty.height, 480U);
  EXPECT_EQ(tty.stdin_tty, 1);
  EXPECT_EQ(tty.stdout_tty, 1);
  EXPECT_EQ(tty.stderr_tty, 0);
  EXPECT_EQ(tty.echo, 1);
  EXPECT_EQ(tty.line_buffered, 1);
  EXPECT_EQ(tty.line_feeds, 1);
}

TEST_F(TerminalCallsTest, Get_AfterRedirection_TellsTheDescriptorsOfNow) {
  start(true);
  EXPECT_EQ(call("fd_renumber", {1, 2}), Errno::kSuccess);
  EXPECT_EQ(call("fd_close", {1}), Errno::kSuccess);
  EXPECT_EQ(call("fd_close", {0}), Errno::kSuccess);
  const abi::Tty tty = get();
  EXPECT_EQ(tty.stdin_tty, 0);
  EXPECT_EQ(tty.stdout_tty, 0);
  EXPECT_EQ(tty.stderr_tty, 1);
}

TEST_F(TerminalCallsTest, Set_ChangesModes) {
  start(true);
  abi::Tty tty = get();
  tty.echo = 0;
  tty.line_buffered = 0;
  EXPECT_EQ(set(tty), Errno::kSuccess);
  EXPECT_EQ(terminal_->state()->modes,
            (TerminalModes{.echo = false, .line_buffered = false, .line_feeds = true}));
  EXPECT_EQ(get().line_buffered, 0);
  abi::Tty without_size{};
  without_size.echo = 1;
  EXPECT_EQ(set(without_size), Errno::kSuccess);
  EXPECT_EQ(terminal_->state()->modes,
            (TerminalModes{.echo = true, .line_buffered = false, .line_feeds = false}));
}

TEST_F(TerminalCallsTest, Set_OfBadValues_ChangesNothing) {
  start(true);
  const abi::Tty before = get();
  for (std::uint32_t flag = 16; flag < 22; ++flag) {
    abi::Tty tty = before;
    tty.echo = 0;
    guest_->put_value(kTty, tty);
    guest_->put_value(kTty + flag, std::uint8_t{2});
    EXPECT_EQ(call("tty_set", {kTty}), Errno::kInval) << flag;
  }
  abi::Tty larger = before;
  larger.echo = 0;
  larger.cols = 81;
  EXPECT_EQ(set(larger), Errno::kNotsup);
  EXPECT_EQ(call("tty_set", {kNowhere}), Errno::kFault);
  EXPECT_EQ(call("tty_get", {kNowhere}), Errno::kFault);
  EXPECT_EQ(terminal_->state()->modes, TerminalModes{});
}

TEST_F(TerminalCallsTest, WithoutATerminal_IsNotty) {
  start(false);
  EXPECT_EQ(call("tty_get", {kTty}), Errno::kNotty);
  EXPECT_EQ(call("tty_set", {kTty}), Errno::kNotty);
  EXPECT_EQ(call("tty_get", {kNowhere}), Errno::kFault);
  EXPECT_EQ(call("tty_set", {kNowhere}), Errno::kFault);
}

TEST_F(TerminalCallsTest, AfterHangUp_IsIo) {
  start(true);
  const abi::Tty tty = get();
  terminal_->hang_up();
  EXPECT_EQ(call("tty_get", {kTty}), Errno::kIo);
  EXPECT_EQ(set(tty), Errno::kIo);
}

TEST_F(TerminalCallsTest, Read_WaitsForTheLine_OrForAKeyOnceLinesAreOff) {
  start(true);
  guest_->put_value(kIovec, abi::Iovec{.buf = kData, .len = 64});
  guest_->begin("fd_read", {0, kIovec, 1, kCount});
  EXPECT_FALSE(guest_->turn());
  type("yes");
  EXPECT_FALSE(guest_->turn());
  type("\r");
  EXPECT_EQ(guest_->finish(), Errno::kSuccess);
  EXPECT_EQ(guest_->text(kData, guest_->value<std::uint32_t>(kCount)), "yes\n");

  EXPECT_EQ(set({}), Errno::kSuccess);
  guest_->begin("fd_read", {0, kIovec, 1, kCount});
  EXPECT_FALSE(guest_->turn());
  type("y");
  EXPECT_EQ(guest_->finish(), Errno::kSuccess);
  EXPECT_EQ(guest_->text(kData, guest_->value<std::uint32_t>(kCount)), "y");
}

}  // namespace
}  // namespace selvedge::wasix
