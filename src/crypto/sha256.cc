#include "crypto/sha256.h"

#include <openssl/evp.h>

#include <bit>
#include <memory>

#include "base/assert.h"

namespace selvedge::crypto {
namespace {

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
};

}  // namespace

std::array<std::byte, 32> sha256(std::span<const base::ByteSpan> pieces) noexcept {
  const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  SELVEDGE_ASSERT(context != nullptr);
  SELVEDGE_ASSERT(EVP_DigestInit_ex2(context.get(), EVP_sha256(), nullptr) == 1);
  for (const base::ByteSpan piece : pieces) {
    SELVEDGE_ASSERT(EVP_DigestUpdate(context.get(), piece.data(), piece.size()) == 1);
  }
  std::array<unsigned char, 32> bytes;
  SELVEDGE_ASSERT(EVP_DigestFinal_ex(context.get(), bytes.data(), nullptr) == 1);
  return std::bit_cast<std::array<std::byte, 32>>(bytes);
}

}  // namespace selvedge::crypto
