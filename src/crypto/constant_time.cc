#include "crypto/constant_time.h"

namespace selvedge::crypto {

bool constant_time_equal(base::ByteSpan left, base::ByteSpan right) noexcept {
  if (left.size() != right.size()) {
    return false;
  }
  std::byte difference{0};
  for (std::size_t i = 0; i < left.size(); ++i) {
    difference |= left[i] ^ right[i];
    // Hides the running value from the optimizer, which could otherwise leave the loop early.
    asm("" : "+r"(difference));
  }
  return difference == std::byte{0};
}

}  // namespace selvedge::crypto
