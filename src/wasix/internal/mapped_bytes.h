#pragma once

// Bytes in a mapping of a file, which the kernel may have to fetch from a disk when they are
// touched.

#include "base/bytes.h"

namespace selvedge::wasix::internal {

// Whether touching `bytes` (at most kTransferBytesMax) will not wait for a disk. A hint: memory may
// be needed elsewhere a moment later. Yes, when the kernel does not tell.
bool is_in_memory(base::ByteSpan bytes) noexcept;

// Fetches them; any thread. What cannot be fetched is left to the reader to meet.
void fetch_to_memory(base::ByteSpan bytes) noexcept;

}  // namespace selvedge::wasix::internal
