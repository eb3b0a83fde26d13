#include "app/package_signature.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/bytes.h"
#include "base/format.h"

namespace selvedge::app {
namespace {

template <std::size_t Size>
std::string hex_of(const std::array<std::byte, Size>& bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  }
  return text;
}

// `hex` has been checked.
template <std::size_t Size>
std::array<std::byte, Size> bytes_of(std::string_view hex) {
  std::array<std::byte, Size> bytes{};
  for (std::size_t i = 0; i < Size; ++i) {
    unsigned value = 0;
    std::from_chars(hex.data() + 2 * i, hex.data() + 2 * i + 2, value, 16);
    bytes[i] = static_cast<std::byte>(value);
  }
  return bytes;
}

bool holds(const PublishedPackage& package, const PackageSignature& signature) {
  const std::string text = signed_text(package.name, package.version, package.image);
  return crypto::ed25519_verify(bytes_of<32>(signature.key), base::as_bytes(text),
                                bytes_of<64>(signature.signature));
}

}  // namespace

std::string signed_text(std::string_view name, std::string_view version,
                        const crypto::Blake3Hash& image) {
  return fmt::format("selvedge package signature 1\n{}\n{}\n{}\n", name, version, image.hex());
}

PackageSignature sign_package(const crypto::SecretKey& key, std::string_view name,
                              std::string_view version, const crypto::Blake3Hash& image) {
  const std::string text = signed_text(name, version, image);
  return {.key = hex_of(crypto::ed25519_public_key(key)),
          .signature = hex_of(crypto::ed25519_sign(key, base::as_bytes(text)))};
}

Result<crypto::Ed25519PublicKey> parse_publisher_key(std::string_view hex) {
  if (!is_hex(hex, 2 * std::tuple_size_v<crypto::Ed25519PublicKey>)) {
    return fail_format(ErrorKind::kInvalid,
                       "\"{}\" is not a publisher's key: 64 small hexadecimal digits, as selvedge "
                       "package keygen prints them",
                       hex);
  }
  return bytes_of<32>(hex);
}

Result<crypto::SecretKey> parse_publisher_secret(std::string_view hex) {
  if (!is_hex(hex, 2 * crypto::SecretKey::kSize)) {
    return fail(ErrorKind::kInvalid, "a publisher's key is 64 small hexadecimal digits");
  }
  return crypto::SecretKey(bytes_of<crypto::SecretKey::kSize>(hex));
}

std::string to_hex(const crypto::Ed25519PublicKey& key) { return hex_of(key); }

Result<> PublisherPolicy::verify(const PublishedPackage& package) const {
  const std::string what =
      package.name.empty() ? "the package" : fmt::format("{} {}", package.name, package.version);
  const std::string_view owner = owner_of(package.name);
  if (package.signature.has_value() && !holds(package, *package.signature)) {
    return fail_format(ErrorKind::kDenied, "the signature of {} does not hold", what);
  }
  if (!concerns(package.name)) {
    return {};
  }
  const auto known = keys.find(owner);
  if (known == keys.end()) {
    return fail_format(ErrorKind::kDenied,
                       "{} must be signed, and this node knows no key of \"{}\": add one to "
                       "[publishers] of its configuration",
                       what, owner);
  }
  if (!package.signature.has_value()) {
    return fail_format(ErrorKind::kDenied,
                       "{} is not signed, and packages of \"{}\" must be: publish with --sign KEY",
                       what, owner);
  }
  if (std::ranges::find(known->second, package.signature->key) == known->second.end()) {
    return fail_format(ErrorKind::kDenied,
                       "{} is signed by the key {}, which is none of \"{}\" here ([publishers] of "
                       "the node's configuration)",
                       what, package.signature->key, owner);
  }
  return {};
}

}  // namespace selvedge::app
