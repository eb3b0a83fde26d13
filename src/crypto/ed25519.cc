#include "crypto/ed25519.h"

#include <openssl/evp.h>

#include <algorithm>
#include <bit>
#include <memory>

#include "base/assert.h"

namespace selvedge::crypto {
namespace {

struct Free {
  void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;
using Context = std::unique_ptr<EVP_MD_CTX, Free>;

const unsigned char* octets(base::ByteSpan bytes) {
  // The library wants an address even of nothing.
  static constexpr std::byte kNone{};
  const void* const data = bytes.empty() ? &kNone : bytes.data();
  return static_cast<const unsigned char*>(data);
}

// Fails only when the library is broken or out of memory.
Key private_key(const SecretKey& key) {
  Key made(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, octets(key.bytes()),
                                        SecretKey::kSize));
  SELVEDGE_ASSERT(made != nullptr);
  return made;
}

Context new_context() {
  Context made(EVP_MD_CTX_new());
  SELVEDGE_ASSERT(made != nullptr);
  return made;
}

}  // namespace

SecretKey make_ed25519_key(base::Random& random) {
  std::array<std::byte, SecretKey::kSize> bytes{};
  random.fill(bytes);
  SecretKey made(bytes);
  bytes = {};
  return made;
}

Ed25519PublicKey ed25519_public_key(const SecretKey& key) {
  const Key pair = private_key(key);
  std::array<unsigned char, 32> bytes{};
  std::size_t size = bytes.size();
  SELVEDGE_ASSERT(EVP_PKEY_get_raw_public_key(pair.get(), bytes.data(), &size) == 1 &&
                  size == bytes.size());
  return std::bit_cast<Ed25519PublicKey>(bytes);
}

Ed25519Signature ed25519_sign(const SecretKey& key, base::ByteSpan message) {
  const Key pair = private_key(key);
  const Context context = new_context();
  std::array<unsigned char, 64> bytes{};
  std::size_t size = bytes.size();
  SELVEDGE_ASSERT(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, pair.get()) == 1);
  SELVEDGE_ASSERT(
      EVP_DigestSign(context.get(), bytes.data(), &size, octets(message), message.size()) == 1 &&
      size == bytes.size());
  return std::bit_cast<Ed25519Signature>(bytes);
}

bool ed25519_verify(const Ed25519PublicKey& key, base::ByteSpan message,
                    const Ed25519Signature& signature) {
  const Key made(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, octets(key), key.size()));
  if (made == nullptr) {
    return false;
  }
  const Context context = new_context();
  return EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, made.get()) == 1 &&
         EVP_DigestVerify(context.get(), octets(signature), signature.size(), octets(message),
                          message.size()) == 1;
}

}  // namespace selvedge::crypto
