#pragma once

// BLAKE3: content hashes, keyed hashes (tags), key derivation. All functions may be called on any
// thread; inputs are borrowed for the call.

#include <array>
#include <compare>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/secret_key.h"

namespace selvedge::native {
struct Blake3Hasher;
}

namespace selvedge::crypto {

// A 32-byte BLAKE3 hash or tag. Equality takes constant time, so that tags can be compared safely;
// ordering does not.
class Blake3Hash {
 public:
  static constexpr std::size_t kSize = 32;
  static constexpr std::size_t kHexSize = 2 * kSize;

  // All zero bytes.
  constexpr Blake3Hash() noexcept = default;
  explicit Blake3Hash(std::span<const std::byte, kSize> bytes) noexcept;
  // The inverse of hex(): exactly 64 lower-case hexadecimal digits, else kInvalid.
  static Result<Blake3Hash> from_hex(std::string_view hex);

  std::span<const std::byte, kSize> bytes() const noexcept [[clang::lifetimebound]] {
    return bytes_;
  }
  std::string hex() const;

  friend bool operator==(const Blake3Hash& left, const Blake3Hash& right) noexcept;
  friend std::strong_ordering operator<=>(const Blake3Hash& left,
                                          const Blake3Hash& right) noexcept {
    return left.bytes_ <=> right.bytes_;
  }

 private:
  std::array<std::byte, kSize> bytes_{};
};

Blake3Hash blake3(base::ByteSpan input) noexcept;

// The keyed mode of BLAKE3: a message authentication code.
Blake3Hash keyed_blake3(const SecretKey& key, base::ByteSpan input) noexcept;

// Derives a key from `material`. `context` is a globally unique ASCII text that is written in the
// source, e.g. "selvedge 2026-11 artifact tag": it separates the purposes of keys that share
// material.
SecretKey derive_key_blake3(std::string_view context, base::ByteSpan material) noexcept;

// Hashes many inputs of `input_size` bytes each, several per SIMD pass: hashes[i] becomes the hash
// of the bytes at inputs[i]. Batches of 16 or more inputs of at most 2,048 bytes gain most.
// Requires hashes.size() >= inputs.size(). With a key the hashes are keyed.
void blake3_many(std::span<const std::byte* const> inputs, std::size_t input_size,
                 std::span<Blake3Hash> hashes) noexcept;
void keyed_blake3_many(const SecretKey& key, std::span<const std::byte* const> inputs,
                       std::size_t input_size, std::span<Blake3Hash> hashes) noexcept;

// A hash of input that comes in pieces. One thread at a time.
class Blake3Hasher {
 public:
  Blake3Hasher();
  // For keyed hashes; the key is copied.
  explicit Blake3Hasher(const SecretKey& key);

  void update(base::ByteSpan input) noexcept;
  // The hash of everything appended so far; more may be appended after.
  Blake3Hash finalize() const noexcept;
  // Fills `out` with output of any length; its first 32 bytes are finalize().
  void finalize_into(base::MutableByteSpan out) const noexcept;
  // Forgets what was appended; the key stays.
  void reset() noexcept;

 private:
  struct Free {
    void operator()(native::Blake3Hasher* hasher) const noexcept;
  };
  std::unique_ptr<native::Blake3Hasher, Free> hasher_;
};

}  // namespace selvedge::crypto
