#include "store/internal/s3_client.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/format.h"
#include "base/log.h"

namespace selvedge::store::internal {
namespace {

// A download that got this far since the last failure has all its tries again.
constexpr std::uint64_t kProgressBytes = std::uint64_t{1} << 20;

// What has been delivered of a download that may take several tries.
class Progress final : public BlobSink {
 public:
  Progress(BlobSink& next, std::uint64_t bytes_max) noexcept : next_(next), bytes_max_(bytes_max) {}

  Result<> write(base::ByteSpan bytes) override {
    if (bytes.size() > bytes_max_ - delivered_) {
      return fail_format(ErrorKind::kInvalid, "larger than {} bytes", bytes_max_);
    }
    delivered_ += bytes.size();
    return next_.write(bytes);
  }
  std::uint64_t delivered() const noexcept { return delivered_; }

 private:
  BlobSink& next_;
  std::uint64_t bytes_max_;
  std::uint64_t delivered_ = 0;
};

bool is_read(std::string_view method) noexcept { return method == "GET" || method == "HEAD"; }

bool is_transient(int status, std::string_view code) noexcept {
  return status >= 500 ? status != 501
                       : status == 408 || status == 429 || code == "RequestTimeout" ||
                             code == "ConditionalRequestConflict" || code == "OperationAborted";
}

// Whether a failed answer leaves open if the request was carried out. Servers that shed load, or
// lost a race of conditions, say that they did nothing.
bool leaves_doubt(int status, std::string_view code) noexcept {
  return status >= 500 && code != "SlowDown" && code != "ServiceUnavailable";
}

ErrorKind kind_of(int status, std::string_view code) noexcept {
  if (code == "NoSuchBucket") {
    return ErrorKind::kInternal;
  }
  if (status == 401 || status == 403 || code == "ExpiredToken" || code == "InvalidToken") {
    return ErrorKind::kDenied;
  }
  switch (status) {
    case 404:
      return ErrorKind::kNotFound;
    case 412:
      return ErrorKind::kConflict;
    case 408:
      return ErrorKind::kTimeout;
    case 409:
    case 429:
      return ErrorKind::kOverloaded;
    case 501:
      return ErrorKind::kUnsupported;
    default:
      return status >= 500 ? ErrorKind::kOverloaded : ErrorKind::kInternal;
  }
}

std::string_view advice_of(int status, std::string_view code) noexcept {
  if (code == "NoSuchBucket") {
    return "; create the bucket";
  }
  if (code == "RequestTimeTooSkewed") {
    return "; set this machine's clock";
  }
  if (code == "InvalidAccessKeyId" || code == "SignatureDoesNotMatch" || code == "ExpiredToken") {
    return "; check the credentials";
  }
  if (code == "AuthorizationHeaderMalformed" || (status >= 300 && status <= 399)) {
    return "; check region and endpoint";
  }
  return "";
}

}  // namespace

// What one try came to: an answer that counts, or why there is none.
struct S3Client::Try {
  std::optional<S3Answer> answer;
  std::optional<Error> error;
  bool transient = false;
  bool in_doubt = false;
};

S3Client::S3Client(const S3StoreOptions& options, LockedRandom& random)
    : options_(options),
      random_(random),
      http_({.connect_time_max = options.connect_time_max,
             .stall_time_max = options.stall_time_max,
             .ca_file = options.ca_file,
             .verify_tls = options.verify_tls,
             .proxy = options.proxy,
             .pause = options.pause}) {
  const std::size_t colon = options.endpoint.find("://");
  scheme_ = options.endpoint.substr(0, colon);
  host_ = options.endpoint.substr(colon + 3);
  // As libcurl writes it into the Host header, which is signed.
  const std::string_view default_port = scheme_ == "https" ? ":443" : ":80";
  if (host_.ends_with(default_port)) {
    host_.resize(host_.size() - default_port.size());
  }
  if (options.addressing == S3Addressing::kVirtualHost) {
    host_ = fmt::format("{}.{}", options.bucket, host_);
  }
  if (options.registry != nullptr) {
    requests_ = &options.registry->counter("selvedge_store_requests_total",
                                           "Requests to the S3 server, retries included.");
    retries_ = &options.registry->counter("selvedge_store_retries_total",
                                          "Requests to the S3 server that were tried again.");
    failures_ = &options.registry->counter("selvedge_store_failures_total",
                                           "Requests to the S3 server that failed for good.");
  }
}

std::string S3Client::name_of(std::string_view key) const {
  return key.empty() ? fmt::format("S3 bucket `{}`", options_.bucket)
                     : fmt::format("S3 bucket `{}`, key `{}`", options_.bucket, key);
}

Error S3Client::error_of(const S3Request& request, const S3Answer& answer) const {
  const std::string_view code = answer.error.code;
  return Error(
      kind_of(answer.status, code),
      fmt::format("{}: the server answers {}{}{}{}{}{}", name_of(request.key), answer.status,
                  code.empty() ? "" : " ", code, answer.error.message.empty() ? "" : ": ",
                  answer.error.message, advice_of(answer.status, code)));
}

HttpRequest S3Client::make_request(const S3Request& request, const NameValues& more_headers,
                                   BlobSink* sink) const {
  std::string path = "/";
  if (options_.addressing == S3Addressing::kPath) {
    path += options_.bucket;
    path += request.key.empty() ? "" : "/";
  }
  path += percent_encode(request.key, true);
  const std::string query = canonical_query(request.query);
  NameValues headers = request.headers;
  headers.insert(headers.end(), more_headers.begin(), more_headers.end());
  headers = sign_request({.method = request.method,
                          .host = host_,
                          .path = path,
                          .query = query,
                          .headers = std::move(headers),
                          .content_hash = sha256_hex(base::as_text(request.content)),
                          .region = options_.region,
                          .now = options_.clock.wall_now()},
                         options_.credentials);
  return {
      .method = request.method,
      .url = fmt::format("{}://{}{}{}{}", scheme_, host_, path, query.empty() ? "" : "?", query),
      .headers = std::move(headers),
      .content = request.content,
      .sink = sink,
      .answer_bytes_max = request.answer_bytes_max,
      .fresh_connection = request.fresh_connection};
}

S3Client::Try S3Client::try_once(const S3Request& request, const NameValues& more_headers,
                                 BlobSink* sink) {
  count(requests_);
  const bool resumes = !more_headers.empty();
  auto answer = http_.perform(make_request(request, more_headers, sink));
  if (!answer) {
    HttpFailure& failure = answer.error();
    return {.answer = std::nullopt,
            .error = std::move(failure.error).with_context(name_of(request.key)),
            .transient = failure.transient,
            .in_doubt = failure.in_doubt};
  }
  S3Answer parsed{.status = answer->status,
                  .etag = std::move(answer->etag),
                  .content_length = answer->content_length,
                  .content = std::move(answer->content),
                  .error = {},
                  .in_doubt = answer->repeated};
  if (parsed.is_success()) {
    // Without the range it would begin anew.
    if (resumes && parsed.status != 206) {
      return {.answer = std::nullopt,
              .error =
                  Error(ErrorKind::kInternal, name_of(request.key) + ": the server ignores ranges"),
              .transient = false,
              .in_doubt = false};
    }
    return {
        .answer = std::move(parsed), .error = std::nullopt, .transient = false, .in_doubt = false};
  }
  parsed.error = parse_error_answer(parsed.content);
  Error error = error_of(request, parsed);
  const bool transient = is_transient(parsed.status, parsed.error.code);
  const bool in_doubt = parsed.in_doubt || leaves_doubt(parsed.status, parsed.error.code);
  return {.answer = std::move(parsed),
          .error = std::move(error),
          .transient = transient,
          .in_doubt = in_doubt};
}

base::Duration S3Client::delay_before(int attempt) {
  base::Duration bound = options_.delay_min;
  for (int i = 1; i < attempt && bound < options_.delay_max; ++i) {
    bound *= 2;
  }
  bound = std::min(bound, options_.delay_max);
  return base::Duration(static_cast<base::Duration::rep>(
      random_.below(static_cast<std::uint64_t>(std::max<base::Duration::rep>(bound.count(), 1)))));
}

void S3Client::count(base::Counter* counter) const noexcept {
  if (counter != nullptr) {
    counter->add();
  }
}

Result<S3Answer> S3Client::perform(const S3Request& request) {
  const base::MonotonicTime deadline = options_.clock.now() + options_.retry_time_max;
  std::optional<Progress> progress;
  if (request.sink != nullptr) {
    progress.emplace(*request.sink, request.answer_bytes_max);
  }
  std::uint64_t kept = 0;
  bool in_doubt = false;
  for (int attempt = 1;; ++attempt) {
    NameValues more_headers;
    if (kept > 0) {
      more_headers = {{"range", fmt::format("bytes={}-", kept)}};
    }
    Try result = try_once(request, more_headers, progress ? &*progress : nullptr);
    if (result.answer && !result.transient) {
      result.answer->in_doubt |= in_doubt;
      return *std::move(result.answer);
    }
    in_doubt |= result.in_doubt;
    if (progress) {
      attempt = progress->delivered() - kept >= kProgressBytes ? 1 : attempt;
      kept = progress->delivered();
    }
    const base::Duration delay = delay_before(attempt);
    if (!result.transient || attempt >= options_.attempts_max ||
        options_.clock.now() + delay > deadline || !options_.pause.wait(delay)) {
      count(failures_);
      if (in_doubt && !is_read(request.method) && result.transient) {
        return fail_format(ErrorKind::kDisconnected, "{}; it is not known whether it was changed",
                           result.error->message());
      }
      return fail(*std::move(result.error));
    }
    log::debug("store request is tried again method={} attempt={} error=\"{}\"", request.method,
               attempt, result.error->message());
    count(retries_);
  }
}

}  // namespace selvedge::store::internal
