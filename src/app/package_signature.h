#pragma once

// Who may publish under a name. A publisher signs what a package is called and what is in it; a
// node knows the keys of each owner from its configuration, and neither takes nor runs a package of
// such an owner without a signature of one of them.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "app/package_records.h"
#include "base/result.h"
#include "crypto/blake3.h"
#include "crypto/ed25519.h"
#include "crypto/secret_key.h"

namespace selvedge::app {

inline constexpr std::size_t kPublisherKeysMax = 16;  // of one owner

// What is signed: one text for each name, version and content, which no other use of a key has.
std::string signed_text(std::string_view name, std::string_view version,
                        const crypto::Blake3Hash& image);

PackageSignature sign_package(const crypto::SecretKey& key, std::string_view name,
                              std::string_view version, const crypto::Blake3Hash& image);

// 64 small hexadecimal digits. Invalid.
Result<crypto::Ed25519PublicKey> parse_publisher_key(std::string_view hex);
std::string to_hex(const crypto::Ed25519PublicKey& key);
// The same digits of a secret key, as in its file.
Result<crypto::SecretKey> parse_publisher_secret(std::string_view hex);

struct PublisherPolicy {
  // By owner.
  std::map<std::string, std::vector<std::string>, std::less<>> keys;  // in hexadecimal digits
  // Also owners without a key here may not publish, nor may what is not published run.
  bool signatures_required = false;

  // Nothing has to be checked.
  bool is_empty() const noexcept { return keys.empty() && !signatures_required; }
  // Whether packages of this owner need a signature.
  bool concerns(std::string_view name) const {
    return signatures_required || keys.contains(owner_of(name));
  }
  // kDenied: one sentence, when the package's signature is none of its owner's, or is missing and
  // needed. A signature that does not hold is refused in any case.
  Result<> verify(const PublishedPackage& package) const;
};

}  // namespace selvedge::app
