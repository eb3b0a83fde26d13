#pragma once

// Requests to one bucket: addressed, signed, tried again, and their failures named.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/metrics.h"
#include "base/result.h"
#include "store/internal/http_client.h"
#include "store/internal/locked_random.h"
#include "store/internal/s3_signature.h"
#include "store/internal/s3_xml.h"
#include "store/s3_store.h"

namespace selvedge::store::internal {

struct S3Request {
  std::string_view method;
  // The object; empty for the bucket itself.
  std::string_view key = {};
  NameValues query = {};
  NameValues headers = {};
  base::ByteSpan content = {};
  // Takes the content of a successful answer. Interrupted downloads go on where they stopped.
  BlobSink* sink = nullptr;
  std::uint64_t answer_bytes_max = 0;
  bool fresh_connection = false;
};

struct S3Answer {
  int status = 0;
  std::string etag;
  std::optional<std::uint64_t> content_length;
  std::vector<std::byte> content;
  // Of an answer that is no success.
  S3ErrorAnswer error;
  // An earlier try may have been acted upon, so this answer may be to its result.
  bool in_doubt = false;

  bool is_success() const noexcept { return status >= 200 && status <= 299; }
};

class S3Client {
 public:
  // `options` has been checked, and outlives the client.
  S3Client(const S3StoreOptions& options, LockedRandom& random);

  // Any answer that trying again would not change: success, 304, 404, 412 and others.
  Result<S3Answer> perform(const S3Request& request);
  // What an answer other than success says, in a sentence with bucket, key and S3's code.
  Error error_of(const S3Request& request, const S3Answer& answer) const;
  // "S3 bucket `b`, key `k`".
  std::string name_of(std::string_view key) const;

 private:
  struct Try;
  HttpRequest make_request(const S3Request& request, const NameValues& more_headers,
                           BlobSink* sink) const;
  Try try_once(const S3Request& request, const NameValues& more_headers, BlobSink* sink);
  base::Duration delay_before(int attempt);
  void count(base::Counter* counter) const noexcept;

  const S3StoreOptions& options_;
  LockedRandom& random_;
  HttpClient http_;
  std::string scheme_;
  std::string host_;
  base::Counter* requests_ = nullptr;
  base::Counter* retries_ = nullptr;
  base::Counter* failures_ = nullptr;
};

}  // namespace selvedge::store::internal
