#include "crypto/secret_key.h"

#include <string.h>

#include <algorithm>

namespace selvedge::crypto {

SecretKey::SecretKey(std::span<const std::byte, kSize> bytes) noexcept : bytes_{} {
  std::ranges::copy(bytes, bytes_.begin());
}

Result<SecretKey> SecretKey::from_bytes(base::ByteSpan bytes) {
  if (bytes.size() != kSize) {
    return fail(ErrorKind::kInvalid, "a key has 32 bytes");
  }
  return SecretKey(bytes.first<kSize>());
}

SecretKey::SecretKey(SecretKey&& other) noexcept : bytes_(other.bytes_) { other.wipe(); }

SecretKey& SecretKey::operator=(SecretKey&& other) noexcept {
  if (this != &other) {
    bytes_ = other.bytes_;
    other.wipe();
  }
  return *this;
}

SecretKey::~SecretKey() { wipe(); }

void SecretKey::wipe() noexcept { explicit_bzero(bytes_.data(), bytes_.size()); }

}  // namespace selvedge::crypto
