#pragma once

// The descriptors that a process inherits (0, 1, 2) as streams, whatever they are: a terminal, a
// pipe, a socket, a file.
//
// They are shared with the shell and with other programs, and O_NONBLOCK belongs to the shared open
// file description: setting it would break them, and stay set after we are gone. So terminals and
// pipes are opened anew through /proc/self/fd, which gives a description of our own; sockets are
// used with MSG_DONTWAIT; regular files and character devices that are always ready are read and
// written directly. Where opening anew is not permitted, poll(2) is asked before each read or
// write, and at most kPolledWriteBytesMax bytes are written at a time.

#include <memory>

#include "io/kernel_reactor.h"
#include "io/stream.h"

namespace selvedge::io {

// PIPE_BUF: what a pipe that polls writable takes without blocking.
inline constexpr std::size_t kPolledWriteBytesMax = 4096;

enum class StandardDirection { kRead, kWrite };

// `fd` stays open and belongs to the caller; it must outlive the stream. Writes to a pipe without a
// reader raise SIGPIPE: the composition root ignores that signal (ignore_broken_pipe_signal).
// kInvalid when `fd` is not open for `direction`.
Result<std::unique_ptr<Stream>> open_standard_stream(KernelReactor& reactor, int fd,
                                                     StandardDirection direction);

}  // namespace selvedge::io
