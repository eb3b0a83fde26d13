#pragma once

// A certificate (X.509) with the certificates that lead to its authority, and its private key: what
// a TLS server proves its name with.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace selvedge::crypto {

// An immutable value; copies share. Any thread.
class Certificate {
 public:
  struct Contents;

  static constexpr std::size_t kChainMax = 16;

  // Both in PEM; of the chain the certificate itself comes first. Invalid: one sentence, which says
  // which of the two texts it is about; also when the key is not the certificate's.
  static Result<Certificate> from_pem(std::string_view chain, std::string_view key);

  base::WallTime not_before() const noexcept;
  base::WallTime not_after() const noexcept;
  // SHA-256 of the public key (SubjectPublicKeyInfo), 64 hexadecimal digits: it stays when the
  // certificate is renewed for the same key.
  const std::string& public_key_hash() const noexcept [[clang::lifetimebound]];

  // For functions of this module.
  const Contents& contents() const noexcept [[clang::lifetimebound]] { return *contents_; }

 private:
  explicit Certificate(std::shared_ptr<const Contents> contents) noexcept
      : contents_(std::move(contents)) {}
  std::shared_ptr<const Contents> contents_;
};

struct CertificatePem {
  std::string certificate;
  std::string key;
};

struct SelfSignedOptions {
  // Host names, and addresses without brackets; at least one.
  std::vector<std::string> names;
  base::WallTime from;
  base::Duration lifetime;
};

// A new key (P-256) and a certificate that nobody vouches for but itself. The key comes from
// OpenSSL's own randomness. Invalid: a name that is none.
Result<CertificatePem> make_self_signed_certificate(const SelfSignedOptions& options);

}  // namespace selvedge::crypto
