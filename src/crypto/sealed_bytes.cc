#include "crypto/sealed_bytes.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/assert.h"
#include "base/narrow.h"

namespace selvedge::crypto {
namespace {

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

const unsigned char* octets(base::ByteSpan bytes) {
  const void* const data = bytes.data();
  return static_cast<const unsigned char*>(data);
}
unsigned char* octets(base::MutableByteSpan bytes) {
  void* const data = bytes.data();
  return static_cast<unsigned char*>(data);
}

// Fails only when the library is broken or out of memory.
Context start(const SecretKey& key, base::ByteSpan nonce, base::ByteSpan associated,
              bool encrypting) {
  static_assert(SecretKey::kSize == 32);
  Context context(EVP_CIPHER_CTX_new());
  SELVEDGE_ASSERT(context != nullptr);
  SELVEDGE_ASSERT(EVP_CipherInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, octets(key.bytes()),
                                    octets(nonce), encrypting ? 1 : 0) == 1);
  int written = 0;
  SELVEDGE_ASSERT(EVP_CipherUpdate(context.get(), nullptr, &written, octets(associated),
                                   base::narrow<int>(associated.size())) == 1);
  return context;
}

void update(EVP_CIPHER_CTX* context, base::ByteSpan in, base::MutableByteSpan out) {
  if (in.empty()) {
    return;
  }
  int written = 0;
  SELVEDGE_ASSERT(EVP_CipherUpdate(context, octets(out), &written, octets(in),
                                   base::narrow<int>(in.size())) == 1);
}

}  // namespace

std::vector<std::byte> seal(const SecretKey& key, base::Random& random, base::ByteSpan associated,
                            base::ByteSpan plain) {
  std::vector<std::byte> sealed(plain.size() + kSealOverheadBytes);
  const base::MutableByteSpan all(sealed);
  random.fill(all.first(kSealNonceBytes));
  const Context context = start(key, all.first(kSealNonceBytes), associated, true);
  update(context.get(), plain, all.subspan(kSealNonceBytes, plain.size()));
  const base::MutableByteSpan tag = all.last(kSealTagBytes);
  int written = 0;
  SELVEDGE_ASSERT(EVP_CipherFinal_ex(context.get(), octets(tag), &written) == 1);
  SELVEDGE_ASSERT(
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kSealTagBytes, octets(tag)) == 1);
  return sealed;
}

Result<std::vector<std::byte>> open_sealed(const SecretKey& key, base::ByteSpan associated,
                                           base::ByteSpan sealed) {
  const auto denied = [] {
    return fail(ErrorKind::kDenied, "the sealed bytes do not open with this key");
  };
  if (sealed.size() < kSealOverheadBytes) {
    return denied();
  }
  const Context context = start(key, sealed.first(kSealNonceBytes), associated, false);
  const base::ByteSpan content =
      sealed.subspan(kSealNonceBytes, sealed.size() - kSealOverheadBytes);
  std::vector<std::byte> plain(content.size());
  update(context.get(), content, plain);
  // OpenSSL takes the expected tag through a pointer that is not const.
  std::array<std::byte, kSealTagBytes> tag;
  std::ranges::copy(sealed.last(kSealTagBytes), tag.begin());
  int written = 0;
  std::array<std::byte, kSealTagBytes> rest{};
  if (EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kSealTagBytes,
                          octets(base::MutableByteSpan(tag))) != 1 ||
      EVP_CipherFinal_ex(context.get(), octets(base::MutableByteSpan(rest)), &written) != 1) {
    return denied();
  }
  return plain;
}

}  // namespace selvedge::crypto
