#include "crypto/blake3.h"

#include <algorithm>
#include <cstdint>

#include <native.h>

#include "base/assert.h"
#include "crypto/constant_time.h"

namespace selvedge::crypto {
namespace {

static_assert(Blake3Hash::kSize == native::BLAKE3_SIZE);
static_assert(SecretKey::kSize == native::BLAKE3_SIZE);
// The many-inputs form writes hashes one behind the other.
static_assert(sizeof(Blake3Hash) == Blake3Hash::kSize);

constexpr std::string_view kHexDigits = "0123456789abcdef";

const std::uint8_t* as_octets(const std::byte* bytes) noexcept {
  return reinterpret_cast<const std::uint8_t*>(bytes);
}
std::uint8_t* as_octets(std::byte* bytes) noexcept {
  return reinterpret_cast<std::uint8_t*>(bytes);
}
native::Bytes as_native(base::ByteSpan bytes) noexcept {
  return {.data = as_octets(bytes.data()), .size = bytes.size()};
}

using Digest = std::array<std::byte, Blake3Hash::kSize>;

void hash_many(const std::uint8_t* key, std::span<const std::byte* const> inputs,
               std::size_t input_size, std::span<Blake3Hash> hashes) noexcept {
  SELVEDGE_ASSERT(hashes.size() >= inputs.size());
  native::selvedge_blake3_hash_many(reinterpret_cast<const std::uint8_t* const*>(inputs.data()),
                                    inputs.size(), input_size, key,
                                    reinterpret_cast<std::uint8_t*>(hashes.data()));
}

}  // namespace

Blake3Hash::Blake3Hash(std::span<const std::byte, kSize> bytes) noexcept {
  std::ranges::copy(bytes, bytes_.begin());
}

Result<Blake3Hash> Blake3Hash::from_hex(std::string_view hex) {
  if (hex.size() != kHexSize || hex.find_first_not_of(kHexDigits) != std::string_view::npos) {
    return fail(ErrorKind::kInvalid,
                "a BLAKE3 hash is written as 64 lower-case hexadecimal digits");
  }
  Blake3Hash hash;
  for (std::size_t i = 0; i < kSize; ++i) {
    const std::size_t high = kHexDigits.find(hex[2 * i]);
    const std::size_t low = kHexDigits.find(hex[2 * i + 1]);
    hash.bytes_[i] = static_cast<std::byte>(high << 4 | low);
  }
  return hash;
}

std::string Blake3Hash::hex() const {
  std::string hex;
  hex.reserve(kHexSize);
  for (const std::byte byte : bytes_) {
    hex.push_back(kHexDigits[std::to_integer<std::size_t>(byte >> 4)]);
    hex.push_back(kHexDigits[std::to_integer<std::size_t>(byte & std::byte{0x0f})]);
  }
  return hex;
}

bool operator==(const Blake3Hash& left, const Blake3Hash& right) noexcept {
  return constant_time_equal(left.bytes_, right.bytes_);
}

Blake3Hash blake3(base::ByteSpan input) noexcept {
  Digest digest;
  native::selvedge_blake3_hash(as_native(input), as_octets(digest.data()));
  return Blake3Hash(digest);
}

Blake3Hash keyed_blake3(const SecretKey& key, base::ByteSpan input) noexcept {
  Digest digest;
  native::selvedge_blake3_keyed_hash(as_octets(key.bytes().data()), as_native(input),
                                     as_octets(digest.data()));
  return Blake3Hash(digest);
}

SecretKey derive_key_blake3(std::string_view context, base::ByteSpan material) noexcept {
  SecretKey key(Digest{});
  native::selvedge_blake3_derive_key(as_native(base::as_bytes(context)), as_native(material),
                                     as_octets(key.mutable_bytes().data()));
  return key;
}

void blake3_many(std::span<const std::byte* const> inputs, std::size_t input_size,
                 std::span<Blake3Hash> hashes) noexcept {
  hash_many(nullptr, inputs, input_size, hashes);
}

void keyed_blake3_many(const SecretKey& key, std::span<const std::byte* const> inputs,
                       std::size_t input_size, std::span<Blake3Hash> hashes) noexcept {
  hash_many(as_octets(key.bytes().data()), inputs, input_size, hashes);
}

Blake3Hasher::Blake3Hasher() : hasher_(native::selvedge_blake3_hasher_new()) {}

Blake3Hasher::Blake3Hasher(const SecretKey& key)
    : hasher_(native::selvedge_blake3_hasher_new_keyed(as_octets(key.bytes().data()))) {}

void Blake3Hasher::update(base::ByteSpan input) noexcept {
  native::selvedge_blake3_hasher_update(hasher_.get(), as_native(input));
}

Blake3Hash Blake3Hasher::finalize() const noexcept {
  Digest digest;
  finalize_into(digest);
  return Blake3Hash(digest);
}

void Blake3Hasher::finalize_into(base::MutableByteSpan out) const noexcept {
  native::selvedge_blake3_hasher_finalize(hasher_.get(), as_octets(out.data()), out.size());
}

void Blake3Hasher::reset() noexcept { native::selvedge_blake3_hasher_reset(hasher_.get()); }

void Blake3Hasher::Free::operator()(native::Blake3Hasher* hasher) const noexcept {
  native::selvedge_blake3_hasher_free(hasher);
}

}  // namespace selvedge::crypto
