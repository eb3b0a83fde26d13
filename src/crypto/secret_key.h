#pragma once

// A 32-byte secret that does not outlive its owner: the bytes are wiped when the object is
// destroyed or moved from. It is not copied by accident; clone() says so where a second owner is
// meant.

#include <array>
#include <cstddef>
#include <span>

#include "base/bytes.h"
#include "base/result.h"

namespace selvedge::crypto {

class SecretKey {
 public:
  static constexpr std::size_t kSize = 32;

  explicit SecretKey(std::span<const std::byte, kSize> bytes) noexcept;
  // kInvalid unless `bytes` has exactly kSize bytes.
  static Result<SecretKey> from_bytes(base::ByteSpan bytes);

  SecretKey(SecretKey&& other) noexcept;
  SecretKey& operator=(SecretKey&& other) noexcept;
  ~SecretKey();

  SecretKey clone() const noexcept { return SecretKey(bytes()); }
  std::span<const std::byte, kSize> bytes() const noexcept [[clang::lifetimebound]] {
    return bytes_;
  }
  // For functions of this module that write a fresh key in place.
  std::span<std::byte, kSize> mutable_bytes() noexcept [[clang::lifetimebound]] { return bytes_; }

 private:
  void wipe() noexcept;

  std::array<std::byte, kSize> bytes_;
};

}  // namespace selvedge::crypto
