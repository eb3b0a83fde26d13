#pragma once

// HMAC with SHA-256 (RFC 2104, FIPS 198-1), for protocols that name it; our own tags are keyed
// BLAKE3 (crypto/blake3.h).

#include <array>
#include <cstddef>

#include "base/bytes.h"

namespace selvedge::crypto {

// A key of any length. Any thread.
std::array<std::byte, 32> hmac_sha256(base::ByteSpan key, base::ByteSpan input) noexcept;

}  // namespace selvedge::crypto
