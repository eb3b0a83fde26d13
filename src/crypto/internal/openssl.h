#pragma once

// Owners of OpenSSL's objects, and its errors as ours.

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace selvedge::crypto::internal {

template <auto Function>
struct FreeWith {
  template <class T>
  void operator()(T* object) const noexcept {
    Function(object);
  }
};

using BioPointer = std::unique_ptr<BIO, FreeWith<BIO_free>>;
using BioMethodPointer = std::unique_ptr<BIO_METHOD, FreeWith<BIO_meth_free>>;
using KeyPointer = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;
using X509Pointer = std::unique_ptr<X509, FreeWith<X509_free>>;
using SslContextPointer = std::unique_ptr<SSL_CTX, FreeWith<SSL_CTX_free>>;
using SslPointer = std::unique_ptr<SSL, FreeWith<SSL_free>>;

inline const unsigned char* octets(base::ByteSpan bytes) {
  const void* const data = bytes.data();
  return static_cast<const unsigned char*>(data);
}

// Reads from `text`, which outlives it.
BioPointer read_from(std::string_view text [[clang::lifetimebound]]);
// Of a BIO that was written to.
std::string_view written_to(BIO* bio);

// The reason of this thread's last failure, for people; forgets all of them.
std::string_view take_reason();

// Lower-case hexadecimal SHA-256 of the certificate's public key (SubjectPublicKeyInfo, DER).
std::string public_key_hash(X509* certificate);

}  // namespace selvedge::crypto::internal
