#pragma once

// One HTTP exchange after another over libcurl, on the calling thread. Handles, and with them
// connections and TLS sessions, are kept for the next exchange.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "store/blob.h"
#include "store/internal/s3_signature.h"
#include "store/pause.h"

using CURL = void;

namespace selvedge::store::internal {

struct HttpClientOptions {
  base::Duration connect_time_max;
  // With less than 1 KiB a second in both directions.
  base::Duration stall_time_max;
  // Certificates to trust (PEM); empty for the system's.
  std::string ca_file;
  bool verify_tls = true;
  // URL; empty for none. Variables of the environment are not asked.
  std::string proxy;
  Pause& pause;
};

struct HttpRequest {
  std::string_view method;
  std::string url;
  NameValues headers;
  base::ByteSpan content;
  // Takes the content of a successful answer; null to get it in the answer.
  BlobSink* sink = nullptr;
  // A larger content of a successful answer is kInvalid.
  std::uint64_t answer_bytes_max = 0;
  // For requests that must not be sent twice: on a kept connection that has died meanwhile, libcurl
  // sends them again without a word.
  bool fresh_connection = false;
};

struct HttpAnswer {
  int status = 0;
  std::string etag;
  std::optional<std::uint64_t> content_length;
  std::vector<std::byte> content;
  // The content of the request was sent twice, so an earlier one may have been acted upon.
  bool repeated = false;
};

struct HttpFailure {
  Error error;
  // Whether trying again may help.
  bool transient;
  // Whether the server may have acted on the request.
  bool in_doubt;
};

class HttpClient {
 public:
  static constexpr std::size_t kIdleHandlesMax = 16;
  static constexpr std::size_t kErrorContentBytesMax = std::size_t{64} << 10;

  explicit HttpClient(HttpClientOptions options);
  ~HttpClient();

  // Blocks. Any thread.
  std::expected<HttpAnswer, HttpFailure> perform(const HttpRequest& request);

 private:
  struct Free {
    void operator()(CURL* handle) const noexcept;
  };
  using Handle = std::unique_ptr<CURL, Free>;

  Handle acquire();
  void release(Handle handle);

  HttpClientOptions options_;
  std::mutex mutex_;
  std::vector<Handle> idle_;
};

}  // namespace selvedge::store::internal
