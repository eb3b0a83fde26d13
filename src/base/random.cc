#include "base/random.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"

namespace selvedge::base {

std::uint64_t Random::next() noexcept {
  std::uint64_t value = 0;
  fill(std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

std::uint64_t Random::below(std::uint64_t bound) noexcept {
  SELVEDGE_ASSERT(bound > 0);
  // Rejection sampling: the values below `threshold` would make the remainder uneven.
  const std::uint64_t threshold = (0 - bound) % bound;
  for (;;) {
    const std::uint64_t value = next();
    if (value >= threshold) {
      return value % bound;
    }
  }
}

void SeededRandom::fill(MutableByteSpan bytes) noexcept {
  while (!bytes.empty()) {
    state_ += 0x9e3779b97f4a7c15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    z ^= z >> 31U;
    const std::size_t count = std::min(bytes.size(), sizeof(z));
    std::memcpy(bytes.data(), &z, count);
    bytes = bytes.subspan(count);
  }
}

}  // namespace selvedge::base
