#pragma once

// Memory for coroutine frames. A shard makes and drops frames of the same few sizes all the time,
// so each thread keeps freed ones by size (up to kFramesKeptMax of each) and hands them out again
// without a lock. Sanitizer builds use the plain heap, so that a use after free is found.

#include <cstddef>

namespace selvedge::io::internal {

// Larger frames go to the heap.
inline constexpr std::size_t kPooledFrameBytesMax = 2048;
inline constexpr std::size_t kFramesKeptMax = 256;

// Never returns null: memory exhaustion ends the process. Any thread; a frame may be freed on
// another thread than the one that made it. `bytes` must be equal in both calls.
[[nodiscard]] void* allocate_frame(std::size_t bytes) noexcept;
void free_frame(void* frame, std::size_t bytes) noexcept;

}  // namespace selvedge::io::internal
