#pragma once

// Signatures with Ed25519 (RFC 8032): small keys, and the same message always gets the same
// signature.

#include <array>
#include <cstddef>

#include "base/bytes.h"
#include "base/random.h"
#include "crypto/secret_key.h"

namespace selvedge::crypto {

using Ed25519PublicKey = std::array<std::byte, 32>;
using Ed25519Signature = std::array<std::byte, 64>;

// The secret key is the 32 bytes that RFC 8032 begins with. Any thread.
SecretKey make_ed25519_key(base::Random& random);
Ed25519PublicKey ed25519_public_key(const SecretKey& key);
Ed25519Signature ed25519_sign(const SecretKey& key, base::ByteSpan message);
// False also for a public key that is no point of the curve.
bool ed25519_verify(const Ed25519PublicKey& key, base::ByteSpan message,
                    const Ed25519Signature& signature);

}  // namespace selvedge::crypto
