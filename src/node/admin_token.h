#pragma once

// Tokens of the admin API: what a client shows to be let in over a network. A token is 256 random
// bits as text, "slv_" and 58 small letters and digits, of which the last six are a checksum: one
// that was cut or mistyped is told from one that is not known, and secret scanners find it. The
// store has only its hash, so it cannot be shown again.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "crypto/blake3.h"

namespace selvedge::node {

inline constexpr std::string_view kTokenPrefix = "slv_";
inline constexpr std::size_t kTokenNameBytesMax = 64;
inline constexpr std::size_t kTokenAppsMax = 100;
inline constexpr std::size_t kTokenRecordBytesMax = std::size_t{64} << 10;

// `random` must be fit for secrets.
std::string make_token(base::Random& random);
// What the store knows a token by. Invalid: a sentence, which does not quote the text.
Result<crypto::Blake3Hash> hash_token(std::string_view token);
// What people know it by, the beginning of the hash: 16 hexadecimal digits.
std::string token_id(const crypto::Blake3Hash& hash);
bool is_token_id(std::string_view text) noexcept;

// What a token allows, each also what is before it: to look; to change apps; everything.
enum class TokenScope : unsigned char { kRead, kDeploy, kAdmin };
std::string_view to_string(TokenScope scope) noexcept;  // "read", "deploy", "admin"
// Invalid: a sentence.
Result<TokenScope> parse_token_scope(std::string_view text);

struct TokenRecord {
  std::string id;
  crypto::Blake3Hash hash;
  std::string name;  // for people; may be empty
  TokenScope scope = TokenScope::kRead;
  std::vector<std::string> apps = {};  // these; without owner and apps: all
  std::string owner = {};              // of packages, and of apps (AppOwners)
  std::int64_t created = 0;            // seconds since 1970
  std::optional<std::int64_t> expires = std::nullopt;
  std::optional<std::int64_t> revoked = std::nullopt;

  // Invalid: a sentence on a name, app or owner that cannot be.
  Result<> validate() const;
  friend bool operator==(const TokenRecord&, const TokenRecord&) = default;
};
std::string to_json(const TokenRecord& record);
Result<TokenRecord> parse_token_record(std::string_view json);

// Whether a token that hashes to the record's hash may be used at `now`. Denied: a sentence. What
// is revoked stays so whatever the clock says.
Result<> check_token(const TokenRecord& record, base::WallTime now);

}  // namespace selvedge::node
