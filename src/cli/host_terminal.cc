#include "cli/host_terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <utility>

namespace selvedge::cli {
namespace {

constexpr tcflag_t kLineInput = ICRNL | IXON;

void set_flags(tcflag_t& target, tcflag_t flags, bool on) noexcept {
  target = on ? target | flags : target & ~flags;
}

}  // namespace

std::shared_ptr<HostTerminal> HostTerminal::find(io::Reactor& reactor,
                                                 std::initializer_list<int> descriptors) {
  for (const int fd : descriptors) {
    termios original{};
    if (::tcgetattr(fd, &original) == 0) {
      return std::make_shared<HostTerminal>(Key{}, reactor, fd, original);
    }
  }
  return nullptr;
}

HostTerminal::HostTerminal(Key /*key*/, io::Reactor& reactor, int fd,
                           const termios& original) noexcept
    : fd_(fd), original_(original), resized_(reactor) {}

HostTerminal::~HostTerminal() { restore(); }

wasix::ErrnoResult<wasix::TerminalState> HostTerminal::state() {
  termios modes{};
  winsize size{};
  if (::tcgetattr(fd_, &modes) != 0 || ::ioctl(fd_, TIOCGWINSZ, &size) != 0) {
    return wasix::refuse(wasix::Errno::kIo);
  }
  return wasix::TerminalState{
      .size = {.columns = size.ws_col,
               .rows = size.ws_row,
               .width_pixels = size.ws_xpixel,
               .height_pixels = size.ws_ypixel},
      .modes = {.echo = (modes.c_lflag & ECHO) != 0,
                .line_buffered = (modes.c_lflag & ICANON) != 0,
                .line_feeds = (modes.c_oflag & OPOST) != 0 && (modes.c_oflag & ONLCR) != 0}};
}

wasix::Errno HostTerminal::set_modes(wasix::TerminalModes modes) {
  termios wanted{};
  if (::tcgetattr(fd_, &wanted) != 0) {
    return wasix::Errno::kIo;
  }
  set_flags(wanted.c_lflag, ECHO, modes.echo);
  set_flags(wanted.c_lflag, ICANON, modes.line_buffered);
  set_flags(wanted.c_iflag, kLineInput, false);
  if (modes.line_buffered) {
    wanted.c_iflag |= original_.c_iflag & kLineInput;
  } else {
    wanted.c_cc[VMIN] = 1;
    wanted.c_cc[VTIME] = 0;
  }
  set_flags(wanted.c_oflag, ONLCR, modes.line_feeds);
  if (modes.line_feeds) {
    wanted.c_oflag |= OPOST;
  }
  changed_ = true;
  return ::tcsetattr(fd_, TCSANOW, &wanted) == 0 ? wasix::Errno::kSuccess : wasix::Errno::kIo;
}

void HostTerminal::restore() noexcept {
  if (!std::exchange(changed_, false)) {
    return;
  }
  // -1: not our controlling terminal, so nobody's foreground.
  const pid_t foreground = ::tcgetpgrp(fd_);
  if (foreground == -1 || foreground == ::getpgrp()) {
    ::tcsetattr(fd_, TCSANOW, &original_);
  }
}

io::Task<> HostTerminal::watch_size(io::SignalSource& signals) {
  for (;;) {
    SELVEDGE_CO_TRY([[maybe_unused]] const int signal, co_await signals.next());
    resized_.notify();
  }
}

}  // namespace selvedge::cli
