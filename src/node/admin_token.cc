#include "node/admin_token.h"

#include <algorithm>
#include <array>

#include "app/app_config.h"
#include "app/json_reader.h"
#include "base/bytes.h"
#include "base/format.h"
#include "base/utf8.h"

namespace selvedge::node {
namespace {

constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
constexpr unsigned kDigitBits = 5;
constexpr std::size_t kSecretBytes = 32;
constexpr std::size_t kSecretDigits = 52;
constexpr std::size_t kChecksumDigits = 6;
constexpr std::size_t kTokenBytes = kTokenPrefix.size() + kSecretDigits + kChecksumDigits;
constexpr std::size_t kIdDigits = 16;
constexpr std::size_t kOwnerBytesMax = 64;
constexpr std::string_view kPurpose = "selvedge 2026-11 token of the admin API";

// As many digits as asked for, from the first bits of `bytes` and zeros after them.
std::string encode(base::ByteSpan bytes, std::size_t digits) {
  std::string text;
  for (std::size_t i = 0; i < digits; ++i) {
    unsigned value = 0;
    for (std::size_t bit = i * kDigitBits; bit < (i + 1) * kDigitBits; ++bit) {
      const unsigned byte = bit / 8 < bytes.size() ? std::to_integer<unsigned>(bytes[bit / 8]) : 0;
      value = value << 1 | (byte >> (7 - bit % 8) & 1);
    }
    text += kAlphabet[value];
  }
  return text;
}

std::string checksum_of(std::string_view secret) {
  return encode(crypto::blake3(base::as_bytes(secret)).bytes(), kChecksumDigits);
}

std::int64_t seconds_of(base::WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

bool is_owner(std::string_view text) {
  return text.size() <= kOwnerBytesMax && std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
         });
}

}  // namespace

std::string make_token(base::Random& random) {
  std::array<std::byte, kSecretBytes> bytes;
  random.fill(bytes);
  const std::string secret = encode(bytes, kSecretDigits);
  return fmt::format("{}{}{}", kTokenPrefix, secret, checksum_of(secret));
}

Result<crypto::Blake3Hash> hash_token(std::string_view token) {
  if (!token.starts_with(kTokenPrefix)) {
    return fail_format(ErrorKind::kInvalid, "this is not a token, which begins with {}",
                       kTokenPrefix);
  }
  const std::string_view digits = token.substr(kTokenPrefix.size());
  if (token.size() != kTokenBytes ||
      digits.find_first_not_of(kAlphabet) != std::string_view::npos ||
      checksum_of(digits.substr(0, kSecretDigits)) != digits.substr(kSecretDigits)) {
    return fail(ErrorKind::kInvalid, "the token is mistyped, or a part of it is missing");
  }
  return crypto::Blake3Hash(crypto::derive_key_blake3(kPurpose, base::as_bytes(token)).bytes());
}

std::string token_id(const crypto::Blake3Hash& hash) { return hash.hex().substr(0, kIdDigits); }

bool is_token_id(std::string_view text) noexcept {
  return text.size() == kIdDigits && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::string_view to_string(TokenScope scope) noexcept {
  switch (scope) {
    case TokenScope::kRead:
      return "read";
    case TokenScope::kDeploy:
      return "deploy";
    case TokenScope::kAdmin:
      return "admin";
  }
  return {};
}

Result<TokenScope> parse_token_scope(std::string_view text) {
  for (const TokenScope scope : {TokenScope::kRead, TokenScope::kDeploy, TokenScope::kAdmin}) {
    if (text == to_string(scope)) {
      return scope;
    }
  }
  return fail_format(ErrorKind::kInvalid, "\"{}\" is no scope: choose admin, deploy or read", text);
}

Result<> TokenRecord::validate() const {
  if (name.size() > kTokenNameBytesMax || !base::is_utf8(name) ||
      std::ranges::any_of(name, [](char c) { return static_cast<unsigned char>(c) < ' '; })) {
    return fail_format(ErrorKind::kInvalid,
                       "the name of a token has at most {} bytes, and no line feeds",
                       kTokenNameBytesMax);
  }
  if (apps.size() > kTokenAppsMax) {
    return fail_format(ErrorKind::kInvalid, "a token is for at most {} apps, or for all",
                       kTokenAppsMax);
  }
  for (const std::string& app : apps) {
    if (!app::is_app_name(app)) {
      return fail_format(ErrorKind::kInvalid, "\"{}\" is not the name of an app", app);
    }
  }
  if (!is_owner(owner)) {
    return fail_format(ErrorKind::kInvalid,
                       "\"{}\" is not an owner: small letters, digits, - and _, at most {}",
                       owner.substr(0, kOwnerBytesMax), kOwnerBytesMax);
  }
  if (scope == TokenScope::kAdmin && (!apps.empty() || !owner.empty())) {
    return fail(ErrorKind::kInvalid,
                "a token of scope admin is for everything: leave apps and owner out, or choose "
                "deploy");
  }
  if (expires.has_value() && *expires <= created) {
    return fail(ErrorKind::kInvalid, "the token would be expired from the beginning");
  }
  return {};
}

std::string to_json(const TokenRecord& record) {
  nlohmann::json made = {{"format", 1},
                         {"id", record.id},
                         {"hash", record.hash.hex()},
                         {"name", record.name},
                         {"scope", to_string(record.scope)},
                         {"apps", record.apps},
                         {"owner", record.owner},
                         {"created", record.created}};
  if (record.expires.has_value()) {
    made["expires"] = *record.expires;
  }
  if (record.revoked.has_value()) {
    made["revoked"] = *record.revoked;
  }
  return app::json_text(made);
}

Result<TokenRecord> parse_token_record(std::string_view json) {
  SELVEDGE_TRY(const auto document, app::parse_json(json, "the token"));
  SELVEDGE_TRY(const auto root, app::JsonObject::open(document, "token"));
  TokenRecord record;
  SELVEDGE_TRY(const auto format, root.integer("format", UINT32_MAX));
  if (format != 1) {
    return fail_format(ErrorKind::kUnsupported, "token.format {} is of a newer version", format);
  }
  SELVEDGE_TRY(record.hash, root.hash("hash"));
  SELVEDGE_TRY(record.id, root.text("id"));
  SELVEDGE_TRY(record.name, root.text("name"));
  SELVEDGE_TRY(const auto scope, root.text("scope"));
  SELVEDGE_TRY(record.scope, parse_token_scope(scope));
  SELVEDGE_TRY(record.apps, root.texts("apps"));
  SELVEDGE_TRY(record.owner, root.text("owner"));
  SELVEDGE_TRY(const auto created, root.integer("created", INT64_MAX));
  SELVEDGE_TRY(const auto expires, root.optional_integer("expires", INT64_MAX));
  SELVEDGE_TRY(const auto revoked, root.optional_integer("revoked", INT64_MAX));
  record.created = static_cast<std::int64_t>(created);
  if (expires.has_value()) {
    record.expires = static_cast<std::int64_t>(*expires);
  }
  if (revoked.has_value()) {
    record.revoked = static_cast<std::int64_t>(*revoked);
  }
  SELVEDGE_TRY_VOID(record.validate());
  if (record.id != token_id(record.hash)) {
    return fail(ErrorKind::kInvalid, "token.id does not belong to its hash");
  }
  return record;
}

Result<> check_token(const TokenRecord& record, base::WallTime now) {
  if (record.revoked.has_value()) {
    return fail_format(ErrorKind::kDenied, "the token {} was revoked: ask for a new one",
                       record.id);
  }
  if (record.expires.has_value() && seconds_of(now) >= *record.expires) {
    return fail_format(ErrorKind::kDenied, "the token {} has expired: ask for a new one",
                       record.id);
  }
  return {};
}

}  // namespace selvedge::node
