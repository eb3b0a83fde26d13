#pragma once

// SHA-256 (FIPS 180-4), for formats of others that name it; our own content addresses are BLAKE3
// (crypto/blake3.h).

#include <array>
#include <cstddef>
#include <span>

#include "base/bytes.h"

namespace selvedge::crypto {

// The hash of all pieces, one after another. Any thread.
std::array<std::byte, 32> sha256(std::span<const base::ByteSpan> pieces) noexcept;

}  // namespace selvedge::crypto
