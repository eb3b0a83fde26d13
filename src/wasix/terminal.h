#pragma once

// The terminal of a process: what tty_get and tty_set of WASIX ask and change, which is what
// tcgetattr(3), tcsetattr(3) and tcgetwinsize(3) of a guest come down to.
//
// A terminal is no descriptor: bytes come and go through the handles that lead to it
// (VirtualTerminal, a StreamHandle on a terminal of the host). Several processes may share one, as
// the commands of a shell do. One shard's thread.

#include <cstdint>

#include "io/event.h"
#include "wasix/errno_result.h"

namespace selvedge::wasix {

// 0: not known.
struct TerminalSize {
  std::uint32_t columns = 0;
  std::uint32_t rows = 0;
  std::uint32_t width_pixels = 0;
  std::uint32_t height_pixels = 0;

  bool operator==(const TerminalSize&) const = default;
};

struct TerminalModes {
  // The user sees what he types.
  bool echo = true;
  // The user edits a line and the program gets it whole (canonical mode); else the program gets
  // each byte as it is typed. Either way the keys for signals are no input (termios' ISIG): WASIX
  // has no mode for them, and its C library says that they are on.
  bool line_buffered = true;
  // A line feed of the program goes to the beginning of the next line (ONLCR).
  bool line_feeds = true;

  bool operator==(const TerminalModes&) const = default;
};

struct TerminalState {
  TerminalSize size;
  TerminalModes modes;
};

class Terminal {
 public:
  Terminal() = default;
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  virtual ~Terminal() = default;

  // kIo: the terminal is gone.
  virtual ErrnoResult<TerminalState> state() = 0;
  // For all who use the terminal. kIo; then nothing has changed.
  virtual Errno set_modes(TerminalModes modes) = 0;
  // Notified, not set, when the size has changed.
  virtual io::Event& resized() noexcept [[clang::lifetimebound]] = 0;
};

}  // namespace selvedge::wasix
