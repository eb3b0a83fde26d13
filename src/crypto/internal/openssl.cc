#include "crypto/internal/openssl.h"

#include <openssl/err.h>

#include <string>

#include "base/assert.h"
#include "base/format.h"
#include "base/narrow.h"
#include "crypto/sha256.h"

namespace selvedge::crypto::internal {

BioPointer read_from(std::string_view text) {
  BioPointer bio(BIO_new_mem_buf(text.data(), base::narrow<int>(text.size())));
  SELVEDGE_ASSERT(bio != nullptr);
  return bio;
}

std::string_view written_to(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, base::narrow<std::size_t>(size)};
}

std::string_view take_reason() {
  // The last one is what the others led to.
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "unknown reason" : reason;
}

std::string public_key_hash(X509* certificate) {
  unsigned char* bytes = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &bytes);
  SELVEDGE_ASSERT(size > 0);
  const base::ByteSpan piece = std::as_bytes(std::span(bytes, static_cast<std::size_t>(size)));
  const auto hash = sha256(std::span(&piece, 1));
  OPENSSL_free(bytes);
  std::string hex;
  for (const std::byte byte : hash) {
    fmt::format_to(std::back_inserter(hex), "{:02x}", std::to_integer<unsigned>(byte));
  }
  return hex;
}

}  // namespace selvedge::crypto::internal
