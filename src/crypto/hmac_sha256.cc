#include "crypto/hmac_sha256.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <bit>

#include "base/assert.h"
#include "base/narrow.h"

namespace selvedge::crypto {

std::array<std::byte, 32> hmac_sha256(base::ByteSpan key, base::ByteSpan input) noexcept {
  // A null key would mean to HMAC() that the one of an earlier call is kept.
  static constexpr std::byte kNone{};
  const void* const key_data = key.empty() ? &kNone : key.data();
  const void* const input_data = input.data();
  std::array<unsigned char, 32> bytes;
  SELVEDGE_ASSERT(HMAC(EVP_sha256(), key_data, base::narrow<int>(key.size()),
                       static_cast<const unsigned char*>(input_data), input.size(), bytes.data(),
                       nullptr) != nullptr);
  return std::bit_cast<std::array<std::byte, 32>>(bytes);
}

}  // namespace selvedge::crypto
