#pragma once

// The documents of published packages in the store, and the keys they stand under:
//   packages/<owner>/<name>/<version>   a PublishedPackage, written once
//   package-hashes/<sha256>             the same for a .webc file, by the hash of its bytes
// The readers are strict, since anyone who can write to the store may have written them.

#include <nlohmann/json.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/package_image.h"
#include "base/result.h"
#include "crypto/blake3.h"

namespace selvedge::app {

inline constexpr std::size_t kPackageNameBytesMax = 64;  // of an owner, and of a name

// "owner/name" of small letters, digits and ".", "_", "-" between them: what can be published.
bool is_package_name(std::string_view text) noexcept;
// Of "owner/name".
std::string_view owner_of(std::string_view package) noexcept;

// Who vouches for a package: an Ed25519 key, and its signature in hexadecimal digits.
struct PackageSignature {
  std::string key;        // 64 digits
  std::string signature;  // 128 digits
  friend bool operator==(const PackageSignature&, const PackageSignature&) = default;
};

struct PublishedPackage {
  std::string name;           // "owner/name"; empty for one that has only its hash
  std::string version;        // empty likewise
  crypto::Blake3Hash image;   // as it was published: what a signature is of, what others depend on
  crypto::Blake3Hash linked;  // with its dependencies, as they were then: what is run
  std::vector<ImageOrigin> dependencies;  // those, all of them
  std::optional<std::string> sha256;      // of the .webc file, if that was published
  std::optional<PackageSignature> signature;
  std::int64_t created = 0;  // seconds since 1970
  friend bool operator==(const PublishedPackage&, const PublishedPackage&) = default;
};
// `path` is for messages.
Result<PackageSignature> parse_package_signature(const nlohmann::json& value,
                                                 const std::string& path);
std::string to_json(const PublishedPackage& package);
Result<PublishedPackage> parse_published_package(std::string_view json);

// What `app.yaml`, `run` and `pull` call a package of the store.
struct PackageReference {
  std::string name;                   // "owner/name"
  std::string range = "*";            // of versions
  std::optional<std::string> sha256;  // instead of both: 64 digits
};
// "owner/name", "owner/name@1.2" or "sha256:…". Invalid.
Result<PackageReference> parse_package_reference(std::string_view text);

// Whether `text` is `digits` small hexadecimal digits.
bool is_hex(std::string_view text, std::size_t digits) noexcept;

}  // namespace selvedge::app
