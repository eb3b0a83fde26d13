#pragma once

// Memory that is not in the processor's caches is waited for at each step from one object to the
// next. Who knows where a request will go asks for all of it at once.

#include <cstddef>

namespace selvedge::app::internal {

inline constexpr std::size_t kCacheLineBytes = 64;

// Begins to bring the `bytes` of an object into the processor's caches. `address` may be null.
inline void prefetch(const void* address, std::size_t bytes) noexcept {
  if (address == nullptr) {
    return;
  }
  for (std::size_t offset = 0; offset < bytes; offset += kCacheLineBytes) {
    __builtin_prefetch(static_cast<const std::byte*>(address) + offset);
  }
}

template <class T>
void prefetch(const T& object) noexcept {
  prefetch(&object, sizeof(T));
}

}  // namespace selvedge::app::internal
