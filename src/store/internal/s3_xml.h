#pragma once

// The answers of an S3 server that are read. The server is not trusted: sizes are bounded by the
// caller, and what is missing or malformed is an error, never a default.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace selvedge::store::internal {

struct S3ListAnswer {
  struct Entry {
    std::string key;  // as it is, decoded
    std::string etag;
    std::uint64_t bytes = 0;
    // In seconds since 1970; nullopt when the server does not say.
    std::optional<std::int64_t> written;
  };
  std::vector<Entry> entries;
  bool truncated = false;
};

// ListBucketResult of ListObjectsV2 with encoding-type=url. kInternal when malformed.
Result<S3ListAnswer> parse_list_answer(base::ByteSpan xml);

// An upload in parts that is not finished.
struct S3Upload {
  std::string key;  // decoded
  std::string id;
  std::int64_t begun = 0;  // seconds since 1970
};
// ListMultipartUploadsResult with encoding-type=url. kInternal when malformed.
Result<std::vector<S3Upload>> parse_uploads_answer(base::ByteSpan xml);

// "2026-01-31T12:00:00.000Z" in seconds since 1970; nullopt when it is of another form.
std::optional<std::int64_t> parse_time(std::string_view text);

// UploadId of InitiateMultipartUploadResult. kInternal when malformed.
Result<std::string> parse_upload_id(base::ByteSpan xml);

// Code and Message of an Error answer, printable and short; empty when it is none.
struct S3ErrorAnswer {
  std::string code;
  std::string message;
};
S3ErrorAnswer parse_error_answer(base::ByteSpan xml);

// Whether `etag` can be sent in headers and XML as it is: 1 to 256 visible ASCII characters without
// < > &.
bool is_safe_etag(std::string_view etag) noexcept;

}  // namespace selvedge::store::internal
