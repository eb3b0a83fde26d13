#pragma once

// AWS Signature Version 4 for S3 ("Authenticating Requests: Using the Authorization Header").
// Signed here rather than by libcurl: 7.88 sends no x-amz-content-sha256, which S3 servers insist
// on, and neither sorts nor encodes the query.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "store/s3_credentials.h"

namespace selvedge::store::internal {

using NameValues = std::vector<std::pair<std::string, std::string>>;

// RFC 3986 unreserved characters as they are, everything else as %XX; `keep_slash` also "/".
std::string percent_encode(std::string_view text, bool keep_slash);
// `query`, encoded and sorted: what is signed, and what must be sent.
std::string canonical_query(const NameValues& query);

struct SigningInput {
  std::string_view method;
  std::string_view host;
  // Encoded, beginning with "/".
  std::string_view path;
  // From canonical_query().
  std::string_view query;
  // Further headers to sign: lower-case names, values without blanks around them.
  NameValues headers;
  // Hexadecimal SHA-256 of the content.
  std::string_view content_hash;
  std::string_view region;
  base::WallTime now;
};

// All headers of the request, `host` and `authorization` included.
NameValues sign_request(const SigningInput& input, const S3Credentials& credentials);

// Lower-case hexadecimal digits of SHA-256.
std::string sha256_hex(std::string_view text);

}  // namespace selvedge::store::internal
