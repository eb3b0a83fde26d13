#include "cli/admin_client.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "app/json_reader.h"
#include "base/format.h"
#include "cli/options.h"
#include "cli/retry_budget.h"
#include "cli/status_line.h"
#include "store/pause.h"

namespace selvedge::cli {
namespace {

constexpr std::size_t kAnswerBytesMax = std::size_t{64} << 20;
constexpr std::size_t kErrorBytesMax = std::size_t{64} << 10;
constexpr long kConnectSecondsMax = 10;
constexpr long kHttpErrorMin = 400;
constexpr long kTooManyRequests = 429;

ErrorKind kind_of(std::string_view text) {
  for (const ErrorKind kind :
       {ErrorKind::kInvalid, ErrorKind::kNotFound, ErrorKind::kDenied, ErrorKind::kOverloaded,
        ErrorKind::kDisconnected, ErrorKind::kTimeout, ErrorKind::kConflict,
        ErrorKind::kUnsupported}) {
    if (to_string(kind) == text) {
      return kind;
    }
  }
  return ErrorKind::kInternal;
}

// {"error": sentence, "kind": kind}
Error error_of(const nlohmann::json& answer, long status) {
  if (answer.is_object() && answer.contains("error") && answer["error"].is_string()) {
    const auto kind = answer.find("kind");
    return Error(kind != answer.end() && kind->is_string()
                     ? kind_of(kind->get_ref<const std::string&>())
                     : ErrorKind::kInternal,
                 answer["error"].get_ref<const std::string&>());
  }
  return Error(ErrorKind::kInternal, fmt::format("the node answered with status {}", status));
}

long status_of(CURL* handle) {
  long status = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

// Takes an answer apart as it comes: lines one by one, a refusal as a whole.
struct Answer {
  CURL* handle;
  std::string text = {};
  const std::function<void(const nlohmann::json&)>* on_line = nullptr;
  std::size_t bytes_max = kAnswerBytesMax;
  nlohmann::json last = nullptr;
  bool malformed = false;

  bool take(std::string_view piece) {
    text += piece;
    if (on_line == nullptr || status_of(handle) >= kHttpErrorMin) {
      return text.size() <= bytes_max;
    }
    for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
      last = nlohmann::json::parse(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(end),
                                   nullptr, false);
      text.erase(0, end + 1);
      malformed = malformed || last.is_discarded();
      if (!malformed) {
        (*on_line)(last);
      }
    }
    return text.size() <= bytes_max && !malformed;
  }
};

std::size_t take_answer(const char* bytes, std::size_t size, std::size_t count, void* answer) {
  const std::size_t total = size * count;
  return static_cast<Answer*>(answer)->take({bytes, total}) ? total : 0;
}

}  // namespace

struct AdminClient::Request {
  const char* method;
  std::string_view path;
  base::ByteSpan content = {};
  bool is_json = true;
  const std::function<void(const nlohmann::json&)>* on_line = nullptr;
  std::size_t bytes_max = kAnswerBytesMax;
  std::string* raw = nullptr;  // gets the answer, which is not JSON
};

Result<AdminClient> AdminClient::create(const std::filesystem::path& node) {
  SELVEDGE_TRY(NodeAddress address, parse_node_address(node.string()));
  CURL* const handle = curl_easy_init();
  if (handle == nullptr) {
    return fail(ErrorKind::kInternal, "libcurl cannot be initialised");
  }
  AdminClient made(std::move(address), handle);
  if (made.node_.url.empty()) {
    return made;
  }
  const char* const token = std::getenv("SELVEDGE_TOKEN");
  if (token == nullptr || *token == '\0') {
    return fail_format(ErrorKind::kInvalid,
                       "{} asks for a token: have one made on the node with `selvedge cluster "
                       "token create`, and set SELVEDGE_TOKEN",
                       made.name());
  }
  made.token_ = token;
  return made;
}

void AdminClient::set_up_connection() {
  CURL* const handle = handle_.get();
  if (node_.url.empty()) {
    curl_easy_setopt(handle, CURLOPT_UNIX_SOCKET_PATH, node_.socket.c_str());
    return;
  }
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "https");
  curl_easy_setopt(handle, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!node_.pinned_key.empty()) {
    // The key alone says that it is the node: its certificate may be one that nobody vouches for.
    curl_easy_setopt(handle, CURLOPT_PINNEDPUBLICKEY, node_.pinned_key.c_str());
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 0L);
  } else if (const char* const authorities = std::getenv("SELVEDGE_NODE_CA");
             authorities != nullptr && *authorities != '\0') {
    curl_easy_setopt(handle, CURLOPT_CAINFO, authorities);
  }
}

Error AdminClient::connection_error(CURLcode code, std::string_view message) const {
  switch (code) {
    case CURLE_COULDNT_CONNECT:
      return Error(ErrorKind::kDisconnected,
                   node_.url.empty()
                       ? fmt::format("no node answers at {}: start one with `selvedge node "
                                     "--dev`, or name its socket with --node or SELVEDGE_NODE",
                                     name())
                       : fmt::format("no node answers at {}: {}", name(), message));
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
      return Error(ErrorKind::kDenied,
                   fmt::format("{} has another key than the fingerprint says: somebody may be in "
                               "between, or it has a new one; compare with what the node prints "
                               "when it starts",
                               name()));
    case CURLE_PEER_FAILED_VERIFICATION:
      return Error(ErrorKind::kDenied,
                   fmt::format("the certificate of {} is not trusted ({}): give the fingerprint "
                               "that the node prints with --node-fingerprint, or the file of its "
                               "certificate in SELVEDGE_NODE_CA",
                               name(), message));
    default:
      return Error(ErrorKind::kDisconnected,
                   fmt::format("the node at {} broke off: {}", name(), message));
  }
}

Result<nlohmann::json> AdminClient::exchange(const Request& request) {
  RetryBudget budget;
  store::ThreadPause pause;
  StatusLine status(true);
  for (;;) {
    std::optional<std::chrono::seconds> retry_after;
    auto answer = try_exchange(request, retry_after);
    const auto wait = retry_after.has_value() ? budget.next(*retry_after) : std::nullopt;
    if (!wait.has_value()) {
      return answer;
    }
    status.show(fmt::format("the node is busy ({}): trying again in {} s", answer.error().message(),
                            wait->count()));
    static_cast<void>(pause.wait(*wait));
  }
}

Result<nlohmann::json> AdminClient::try_exchange(const Request& request,
                                                 std::optional<std::chrono::seconds>& retry_after) {
  CURL* const handle = handle_.get();
  Answer answer{
      .handle = handle, .text = {}, .on_line = request.on_line, .bytes_max = request.bytes_max};
  const std::string url =
      fmt::format("{}{}", node_.url.empty() ? "http://node" : node_.url, request.path);
  std::array<char, CURL_ERROR_SIZE> message{};
  curl_easy_reset(handle);
  std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers(
      curl_slist_append(nullptr, request.is_json ? "Content-Type: application/json"
                                                 : "Content-Type: application/octet-stream"),
      &curl_slist_free_all);
  if (!token_.empty()) {
    const std::string line = "Authorization: Bearer " + token_;
    headers.reset(curl_slist_append(headers.release(), line.c_str()));
  }
  set_up_connection();
  curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_PROXY, "");
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, kConnectSecondsMax);
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, message.data());
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &take_answer);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &answer);
  if (!request.content.empty()) {
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request.content.data());
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.content.size()));
  }
  curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method);
  const CURLcode code = curl_easy_perform(handle);
  if (code != CURLE_OK) {
    return fail(connection_error(
        code, message.front() != '\0' ? message.data() : curl_easy_strerror(code)));
  }
  const long status = status_of(handle);
  if (status == kTooManyRequests) {
    curl_off_t seconds = 0;
    curl_easy_getinfo(handle, CURLINFO_RETRY_AFTER, &seconds);
    retry_after = std::chrono::seconds(seconds);
  }
  if (request.raw != nullptr && status < kHttpErrorMin) {
    *request.raw = std::move(answer.text);
    return nlohmann::json();
  }
  if ((request.on_line == nullptr || status >= kHttpErrorMin) && !answer.text.empty()) {
    answer.last = nlohmann::json::parse(answer.text, nullptr, false);
  }
  if (status >= kHttpErrorMin || (answer.last.is_object() && answer.last.contains("error"))) {
    return fail(error_of(answer.last, status));
  }
  if (answer.last.is_discarded()) {
    return fail_format(ErrorKind::kInternal, "the node at {} did not answer in JSON", name());
  }
  return std::move(answer.last);
}

Result<nlohmann::json> AdminClient::get(std::string_view path) {
  return exchange({.method = "GET", .path = path});
}

Result<nlohmann::json> AdminClient::put(std::string_view path, const nlohmann::json& content) {
  const std::string text = app::json_text(content);
  return exchange({.method = "PUT", .path = path, .content = base::as_bytes(text)});
}

Result<nlohmann::json> AdminClient::post(std::string_view path, const nlohmann::json& content) {
  const std::string text = app::json_text(content);
  return exchange({.method = "POST", .path = path, .content = base::as_bytes(text)});
}

Result<> AdminClient::remove(std::string_view path) {
  SELVEDGE_TRY_VOID(exchange({.method = "DELETE", .path = path}));
  return {};
}

Result<> AdminClient::put_blob(const crypto::Blake3Hash& hash, base::ByteSpan bytes) {
  const std::string path = "/v1/blobs/" + hash.hex();
  SELVEDGE_TRY_VOID(exchange({.method = "PUT", .path = path, .content = bytes, .is_json = false}));
  return {};
}

Result<std::vector<std::byte>> AdminClient::get_blob(const crypto::Blake3Hash& hash,
                                                     std::uint64_t bytes) {
  std::string text;
  const std::string path = "/v1/blobs/" + hash.hex();
  SELVEDGE_TRY_VOID(exchange({.method = "GET",
                              .path = path,
                              .bytes_max = std::max<std::size_t>(bytes, kErrorBytesMax),
                              .raw = &text}));
  const base::ByteSpan all = base::as_bytes(text);
  if (crypto::blake3(all) != hash) {
    return fail_format(ErrorKind::kInternal, "what the node sent is not the blob {}", hash.hex());
  }
  return std::vector<std::byte>(all.begin(), all.end());
}

Result<nlohmann::json> AdminClient::post_for_lines(
    std::string_view path, const nlohmann::json& content,
    const std::function<void(const nlohmann::json&)>& on_line) {
  const std::string text = app::json_text(content);
  return exchange({.method = "POST",
                   .path = path,
                   .content = base::as_bytes(text),
                   .is_json = true,
                   .on_line = &on_line});
}

Result<nlohmann::json> AdminClient::get_for_lines(
    std::string_view path, const std::function<void(const nlohmann::json&)>& on_line) {
  return exchange(
      {.method = "GET", .path = path, .content = {}, .is_json = true, .on_line = &on_line});
}

int run_client(const std::function<Result<>()>& command, MessageStyle style) {
  Result<> done;
  // nlohmann::json reports a value of another type by exception.
  try {
    done = command();
  } catch (const nlohmann::json::exception& error) {
    done = fail_format(ErrorKind::kInternal,
                       "the node's answer is not what this version expects: {}", error.what());
  }
  if (!done.has_value()) {
    print_error(done.error(), style);
    return static_cast<int>(ExitCode::kFailure);
  }
  return static_cast<int>(ExitCode::kSuccess);
}

}  // namespace selvedge::cli
