#pragma once

// The answers of an S3 server that are read. The server is not trusted: sizes are bounded by the
// caller, and what is missing or malformed is an error, never a default.

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
  };
  std::vector<Entry> entries;
  bool truncated = false;
};

// ListBucketResult of ListObjectsV2 with encoding-type=url. kInternal when malformed.
Result<S3ListAnswer> parse_list_answer(base::ByteSpan xml);

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
