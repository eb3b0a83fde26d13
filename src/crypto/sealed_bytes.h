#pragma once

// Bytes that only holders of a key can read or make: AES-256-GCM (NIST SP 800-38D) with a random
// nonce for each sealing. A key may seal 2^32 times.

#include <cstddef>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "base/result.h"
#include "crypto/secret_key.h"

namespace selvedge::crypto {

inline constexpr std::size_t kSealNonceBytes = 12;
inline constexpr std::size_t kSealTagBytes = 16;
inline constexpr std::size_t kSealOverheadBytes = kSealNonceBytes + kSealTagBytes;

// Nonce, ciphertext and tag. `associated` is authenticated but not part of the result: open()
// needs the same, so that sealed bytes cannot be moved to another place. `random` must be fit for
// secrets.
std::vector<std::byte> seal(const SecretKey& key, base::Random& random, base::ByteSpan associated,
                            base::ByteSpan plain);

// Denied: another key, other associated bytes, or changed bytes; which of them cannot be told.
Result<std::vector<std::byte>> open_sealed(const SecretKey& key, base::ByteSpan associated,
                                           base::ByteSpan sealed);

}  // namespace selvedge::crypto
