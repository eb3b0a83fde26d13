// tty_get and tty_set: the size and the modes of the process's terminal.

#include <algorithm>
#include <array>

#include "wasix/abi_terminal.h"
#include "wasix/device_handle.h"
#include "wasix/host_functions.h"
#include "wasix/internal/host_calls.h"
#include "wasix/internal/registration.h"
#include "wasix/process.h"
#include "wasix/terminal.h"

namespace selvedge::wasix::internal {

namespace {

// What isatty of a guest's C library asks, so that the two agree, also when a descriptor was
// redirected since the start.
std::uint8_t is_terminal(Thread& thread, GuestFd fd) {
  const auto descriptor = thread.process().handles().find(fd);
  return descriptor && is_terminal(**descriptor) ? 1 : 0;
}

bool are_bools(const abi::Tty& tty) noexcept {
  const std::array flags{tty.stdin_tty, tty.stdout_tty,    tty.stderr_tty,
                         tty.echo,      tty.line_buffered, tty.line_feeds};
  return std::ranges::all_of(flags, [](std::uint8_t flag) { return flag <= 1; });
}

// kNotty without a terminal, as tcgetattr(3) answers for what is none.
Errno tty_get(Thread& thread, Ptr<abi::Tty> state) {
  if (!thread.memory().bytes(state.address, sizeof(abi::Tty))) {
    return Errno::kFault;
  }
  Terminal* const terminal = thread.process().terminal();
  if (terminal == nullptr) {
    return Errno::kNotty;
  }
  SELVEDGE_TRY_ERRNO(const TerminalState found, terminal->state());
  const abi::Tty tty{.cols = found.size.columns,
                     .rows = found.size.rows,
                     .width = found.size.width_pixels,
                     .height = found.size.height_pixels,
                     .stdin_tty = is_terminal(thread, 0),
                     .stdout_tty = is_terminal(thread, 1),
                     .stderr_tty = is_terminal(thread, 2),
                     .echo = found.modes.echo,
                     .line_buffered = found.modes.line_buffered,
                     .line_feeds = found.modes.line_feeds,
                     .padding = {}};
  return thread.memory().write(state, tty) ? Errno::kSuccess : Errno::kFault;
}

// Sets the modes. The size is the user's: another one than the present, or 0 for "as it is", is
// kNotsup. Which descriptors lead to the terminal is only told, so those flags change nothing.
Errno tty_set(Thread& thread, Ptr<abi::Tty> state) {
  const auto wanted = thread.memory().read(state);
  if (!wanted) {
    return Errno::kFault;
  }
  if (!are_bools(*wanted)) {
    return Errno::kInval;
  }
  Terminal* const terminal = thread.process().terminal();
  if (terminal == nullptr) {
    return Errno::kNotty;
  }
  const TerminalSize size{.columns = wanted->cols,
                          .rows = wanted->rows,
                          .width_pixels = wanted->width,
                          .height_pixels = wanted->height};
  if (size != TerminalSize{}) {
    SELVEDGE_TRY_ERRNO(const TerminalState found, terminal->state());
    if (size != found.size) {
      return Errno::kNotsup;
    }
  }
  return terminal->set_modes({.echo = wanted->echo != 0,
                              .line_buffered = wanted->line_buffered != 0,
                              .line_feeds = wanted->line_feeds != 0});
}

}  // namespace

void register_wasix_terminal(engine::HostFunctions& functions) {
  functions.define<&tty_get>(kWasixModule, "tty_get");
  functions.define<&tty_set>(kWasixModule, "tty_set");
}

}  // namespace selvedge::wasix::internal
