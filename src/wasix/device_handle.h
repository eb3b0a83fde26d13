#pragma once

// Handles of what a guest opens in /dev.

#include <memory>
#include <optional>

#include "base/random.h"
#include "wasix/abi.h"
#include "wasix/file_system.h"
#include "wasix/handle.h"
#include "wasix/handle_table.h"

namespace selvedge::wasix {

// What the C library calls a terminal (isatty): a character device without the rights to seek and
// tell.
bool is_terminal(const Descriptor& descriptor) noexcept;

// The number of the descriptor that the device stands for; nullopt: it is no standard stream.
std::optional<GuestFd> standard_stream_of(Device device) noexcept;

// kNull, kZero, kFull or kRandom; nullptr for others. `random` outlives the handle; a read takes at
// most 64 KiB from it.
std::shared_ptr<Handle> make_device_handle(Device device, base::Random& random);

// /dev/tty: reads from and writes to those of the standard streams that are terminals. nullptr:
// none is.
std::shared_ptr<Handle> terminal_of(const HandleTable& handles);

}  // namespace selvedge::wasix
