#include "store/internal/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "base/format.h"
#include "base/log.h"

namespace selvedge::store::internal {
namespace {

constexpr std::size_t kEtagBytesMax = 256;
// Slower than this, over the time of a stall, is a stall.
constexpr long kBytesPerSecondMin = 1024;

struct FreeList {
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, FreeList>;

HeaderList make_headers(const NameValues& headers) {
  HeaderList list;
  const auto append = [&list](const std::string& line) {
    curl_slist* const longer = curl_slist_append(list.get(), line.c_str());
    SELVEDGE_ASSERT(longer != nullptr);
    static_cast<void>(list.release());
    list.reset(longer);
  };
  for (const auto& [name, value] : headers) {
    append(fmt::format("{}: {}", name, value));
  }
  // No content type of libcurl's, and no round trip before the content.
  append("Content-Type:");
  append("Expect:");
  return list;
}

// One exchange: what libcurl's callbacks work on.
struct Exchange {
  const HttpRequest& request;
  Pause& pause;
  CURL* handle;
  HttpAnswer answer = {};
  std::size_t sent = 0;
  std::uint64_t received = 0;
  std::optional<Error> error = std::nullopt;

  bool is_success() {
    long status = 0;
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    return status >= 200 && status <= 299;
  }

  bool take(base::ByteSpan bytes) {
    if (!is_success()) {
      const std::size_t room = HttpClient::kErrorContentBytesMax -
                               std::min(answer.content.size(), HttpClient::kErrorContentBytesMax);
      bytes = bytes.first(std::min(bytes.size(), room));
      answer.content.insert(answer.content.end(), bytes.begin(), bytes.end());
      return true;
    }
    received += bytes.size();
    if (received > request.answer_bytes_max) {
      error =
          Error(ErrorKind::kInvalid, fmt::format("larger than {} bytes", request.answer_bytes_max));
      return false;
    }
    if (request.sink == nullptr) {
      answer.content.insert(answer.content.end(), bytes.begin(), bytes.end());
      return true;
    }
    if (auto written = request.sink->write(bytes); !written) {
      error = std::move(written).error();
      return false;
    }
    return true;
  }

  void take_header(std::string_view line) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) {
      if (line.starts_with("HTTP/")) {
        answer.etag.clear();  // another head, after 100 Continue
        answer.content_length.reset();
      }
      return;
    }
    std::string name(line.substr(0, colon));
    std::ranges::transform(name, name.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    std::string_view value = line.substr(colon + 1);
    while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) {
      value.remove_prefix(1);
    }
    while (!value.empty() && static_cast<unsigned char>(value.back()) <= ' ') {
      value.remove_suffix(1);
    }
    if (name == "etag" && value.size() <= kEtagBytesMax) {
      answer.etag = value;
    } else if (name == "content-length") {
      std::uint64_t length = 0;
      const auto parsed = std::from_chars(value.data(), value.data() + value.size(), length);
      if (parsed.ec == std::errc() && parsed.ptr == value.data() + value.size()) {
        answer.content_length = length;
      }
    }
  }
};

std::size_t on_content(char* data, std::size_t size, std::size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  return exchange.take(base::as_bytes({data, size * count})) ? size * count : 0;
}

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* user) {
  static_cast<Exchange*>(user)->take_header({data, size * count});
  return size * count;
}

std::size_t on_send(char* out, std::size_t size, std::size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const std::size_t bytes = std::min(size * count, exchange.request.content.size() - exchange.sent);
  if (bytes > 0) {
    std::memcpy(out, exchange.request.content.data() + exchange.sent, bytes);
  }
  exchange.sent += bytes;
  return bytes;
}

int on_rewind(void* user, curl_off_t offset, int origin) {
  auto& exchange = *static_cast<Exchange*>(user);
  if (origin != SEEK_SET || !std::in_range<std::size_t>(offset) ||
      static_cast<std::size_t>(offset) > exchange.request.content.size()) {
    return CURL_SEEKFUNC_FAIL;
  }
  exchange.answer.repeated |= exchange.sent > 0;
  exchange.sent = static_cast<std::size_t>(offset);
  return CURL_SEEKFUNC_OK;
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Exchange*>(user)->pause.wait(base::Duration::zero()) ? 0 : 1;
}

void set_method(CURL* handle, const HttpRequest& request) {
  const std::string method(request.method);
  if (method == "HEAD") {
    curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
  } else if (method == "PUT" || method == "POST") {
    curl_easy_setopt(handle, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(handle, CURLOPT_INFILESIZE_LARGE,
                     static_cast<curl_off_t>(request.content.size()));
    curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, method.c_str());
  } else {
    curl_easy_setopt(handle, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, method.c_str());
  }
}

void set_connection(CURL* handle, const HttpClientOptions& options, const HttpRequest& request) {
  using std::chrono::duration_cast;
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(handle, CURLOPT_NETRC, 0L);
  curl_easy_setopt(handle, CURLOPT_PROXY, options.proxy.c_str());
  curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, options.verify_tls ? 1L : 0L);
  curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, options.verify_tls ? 2L : 0L);
  if (!options.ca_file.empty()) {
    curl_easy_setopt(handle, CURLOPT_CAINFO, options.ca_file.c_str());
  }
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(
                       duration_cast<std::chrono::milliseconds>(options.connect_time_max).count()));
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, kBytesPerSecondMin);
  curl_easy_setopt(
      handle, CURLOPT_LOW_SPEED_TIME,
      std::max(1L, static_cast<long>(
                       duration_cast<std::chrono::seconds>(options.stall_time_max).count())));
  curl_easy_setopt(handle, CURLOPT_FRESH_CONNECT, request.fresh_connection ? 1L : 0L);
}

// What a failed exchange means.
HttpFailure failure_of(CURLcode code, const char* reason, Exchange& exchange) {
  if (exchange.error) {
    return {.error = std::move(*exchange.error), .transient = false, .in_doubt = false};
  }
  std::string text = log::escape(*reason != '\0' ? reason : curl_easy_strerror(code), 256);
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
      return {.error = Error(ErrorKind::kDisconnected, std::move(text)),
              .transient = true,
              .in_doubt = false};
    case CURLE_OPERATION_TIMEDOUT:
      return {.error = Error(ErrorKind::kTimeout, std::move(text)),
              .transient = true,
              .in_doubt = true};
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return {
          .error = Error(ErrorKind::kDenied, "the server's certificate is not trusted: " + text),
          .transient = false,
          .in_doubt = false};
    case CURLE_ABORTED_BY_CALLBACK:
      return {.error = Error(ErrorKind::kDisconnected, "the process is ending"),
              .transient = false,
              .in_doubt = true};
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
      return {.error = Error(ErrorKind::kInvalid, std::move(text)),
              .transient = false,
              .in_doubt = false};
    default:
      return {.error = Error(ErrorKind::kDisconnected, std::move(text)),
              .transient = true,
              .in_doubt = true};
  }
}

}  // namespace

HttpClient::HttpClient(HttpClientOptions options) : options_(std::move(options)) {
  // Counted and thread-safe since 7.84; never undone, as other users of libcurl may be left.
  SELVEDGE_ASSERT(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

HttpClient::~HttpClient() = default;

void HttpClient::Free::operator()(CURL* handle) const noexcept { curl_easy_cleanup(handle); }

HttpClient::Handle HttpClient::acquire() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      Handle handle = std::move(idle_.back());
      idle_.pop_back();
      return handle;
    }
  }
  Handle handle(curl_easy_init());
  SELVEDGE_ASSERT(handle != nullptr);
  return handle;
}

void HttpClient::release(Handle handle) {
  // Keeps connections, TLS sessions and names.
  curl_easy_reset(handle.get());
  const std::lock_guard lock(mutex_);
  if (idle_.size() < kIdleHandlesMax) {
    idle_.push_back(std::move(handle));
  }
}

std::expected<HttpAnswer, HttpFailure> HttpClient::perform(const HttpRequest& request) {
  Handle handle = acquire();
  CURL* const curl = handle.get();
  Exchange exchange{.request = request, .pause = options_.pause, .handle = curl};
  const HeaderList headers = make_headers(request.headers);
  std::array<char, CURL_ERROR_SIZE> reason{};
  set_connection(curl, options_, request);
  set_method(curl, request);
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason.data());
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &on_content);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &exchange);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &exchange);
  curl_easy_setopt(curl, CURLOPT_READFUNCTION, &on_send);
  curl_easy_setopt(curl, CURLOPT_READDATA, &exchange);
  curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, &on_rewind);
  curl_easy_setopt(curl, CURLOPT_SEEKDATA, &exchange);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &on_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &exchange);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  const CURLcode code = curl_easy_perform(curl);
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  exchange.answer.status = static_cast<int>(status);
  release(std::move(handle));
  if (code != CURLE_OK) {
    return std::unexpected(failure_of(code, reason.data(), exchange));
  }
  return std::move(exchange.answer);
}

}  // namespace selvedge::store::internal
