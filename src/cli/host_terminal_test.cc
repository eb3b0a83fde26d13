#include "cli/host_terminal.h"

#include <gtest/gtest.h>
#include <pty.h>
#include <sys/ioctl.h>

#include "base/system.h"
#include "base/unique_fd.h"
#include "io/kernel_reactor.h"

namespace selvedge::cli {
namespace {

class HostTerminalTest : public ::testing::Test {
 protected:
  HostTerminalTest() {
    const winsize size{.ws_row = 30, .ws_col = 100, .ws_xpixel = 1000, .ws_ypixel = 600};
    int leader = -1;
    int follower = -1;
    EXPECT_EQ(::openpty(&leader, &follower, nullptr, nullptr, &size), 0);
    leader_.reset(leader);
    follower_.reset(follower);
    terminal_ = HostTerminal::find(*reactor_, {-1, follower});
  }
  termios modes() const {
    termios found{};
    EXPECT_EQ(::tcgetattr(follower_.get(), &found), 0);
    return found;
  }

  base::SystemClock clock_;
  std::unique_ptr<io::KernelReactor> reactor_ = *io::KernelReactor::create(clock_);
  base::UniqueFd leader_;
  base::UniqueFd follower_;
  std::shared_ptr<HostTerminal> terminal_;
};

TEST_F(HostTerminalTest, State_IsThatOfTheKernel) {
  ASSERT_NE(terminal_, nullptr);
  const auto state = terminal_->state();
  ASSERT_TRUE(state);
  EXPECT_EQ(state->size,
            (wasix::TerminalSize{
                .columns = 100, .rows = 30, .width_pixels = 1000, .height_pixels = 600}));
  EXPECT_EQ(state->modes, wasix::TerminalModes{});
}

TEST_F(HostTerminalTest, Modes_AreSet_AndPutBack) {
  const termios before = modes();
  const wasix::TerminalModes raw{.echo = false, .line_buffered = false, .line_feeds = false};
  EXPECT_EQ(terminal_->set_modes(raw), wasix::Errno::kSuccess);
  EXPECT_EQ(terminal_->state()->modes, raw);
  EXPECT_EQ(modes().c_iflag & (ICRNL | IXON), 0U);
  EXPECT_NE(modes().c_lflag & ISIG, 0U);
  EXPECT_EQ(terminal_->set_modes({}), wasix::Errno::kSuccess);
  EXPECT_EQ(modes().c_iflag, before.c_iflag);
  EXPECT_EQ(terminal_->set_modes(raw), wasix::Errno::kSuccess);
  terminal_.reset();
  EXPECT_EQ(modes().c_iflag, before.c_iflag);
  EXPECT_EQ(modes().c_oflag, before.c_oflag);
  EXPECT_EQ(modes().c_lflag, before.c_lflag);
}

TEST_F(HostTerminalTest, Unchanged_IsLeftAlone) {
  termios by_another = modes();
  by_another.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  ASSERT_EQ(::tcsetattr(follower_.get(), TCSANOW, &by_another), 0);
  terminal_.reset();
  EXPECT_EQ(modes().c_lflag & ECHO, 0U);
}

TEST_F(HostTerminalTest, Gone_IsIo) {
  leader_.reset();
  EXPECT_EQ(terminal_->state().error(), wasix::Errno::kIo);
  EXPECT_EQ(terminal_->set_modes({}), wasix::Errno::kIo);
}

TEST_F(HostTerminalTest, Find_WithoutATerminal_IsNull) {
  EXPECT_EQ(HostTerminal::find(*reactor_, {-1}), nullptr);
}

}  // namespace
}  // namespace selvedge::cli
