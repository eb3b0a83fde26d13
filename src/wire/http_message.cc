#include "wire/http_message.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string>

#include "wire/internal/hop_by_hop.h"

namespace selvedge::wire {
namespace {

Method::Kind kind_of(std::string_view text) noexcept {
  using Kind = Method::Kind;
  struct Known {
    std::string_view text;
    Kind kind;
  };
  static constexpr std::array<Known, 9> kKnown{{{"GET", Kind::kGet},
                                                {"HEAD", Kind::kHead},
                                                {"POST", Kind::kPost},
                                                {"PUT", Kind::kPut},
                                                {"DELETE", Kind::kDelete},
                                                {"CONNECT", Kind::kConnect},
                                                {"OPTIONS", Kind::kOptions},
                                                {"TRACE", Kind::kTrace},
                                                {"PATCH", Kind::kPatch}}};
  for (const Known& known : kKnown) {
    if (known.text == text) {
      return known.kind;
    }
  }
  return Kind::kOther;
}

}  // namespace

Method::Method() noexcept : text_{'G', 'E', 'T'}, size_(3), kind_(Kind::kGet) {}

Result<Method> Method::parse(std::string_view text) {
  if (!is_token(text)) {
    return fail(ErrorKind::kInvalid, "the method is not a token");
  }
  if (text.size() > kBytesMax) {
    return fail(ErrorKind::kUnsupported, "the method is longer than 23 bytes");
  }
  Method method;
  method.assign(text);
  return method;
}

void Method::assign(std::string_view token) noexcept {
  std::copy(token.begin(), token.end(), text_.begin());
  size_ = static_cast<std::uint8_t>(token.size());
  kind_ = kind_of(token);
}

std::string_view to_string(HttpVersion version) noexcept {
  switch (version) {
    case HttpVersion::kHttp10:
      return "HTTP/1.0";
    case HttpVersion::kHttp11:
      return "HTTP/1.1";
    case HttpVersion::kHttp2:
      break;
  }
  return "HTTP/2.0";
}

Result<StatusCode> StatusCode::from_number(std::uint64_t value) {
  if (value < 100 || value > 599) {
    return fail(ErrorKind::kInvalid, "a status code is not between 100 and 599");
  }
  return StatusCode(Trusted{}, static_cast<std::uint16_t>(value));
}

// The registered codes (IANA, HTTP Status Codes).
std::string_view StatusCode::reason() const noexcept {
  struct Known {
    std::uint16_t value;
    std::string_view reason;
  };
  static constexpr auto kKnown = std::to_array<Known>({
      {100, "Continue"},
      {101, "Switching Protocols"},
      {102, "Processing"},
      {103, "Early Hints"},
      {200, "OK"},
      {201, "Created"},
      {202, "Accepted"},
      {203, "Non-Authoritative Information"},
      {204, "No Content"},
      {205, "Reset Content"},
      {206, "Partial Content"},
      {207, "Multi-Status"},
      {208, "Already Reported"},
      {226, "IM Used"},
      {300, "Multiple Choices"},
      {301, "Moved Permanently"},
      {302, "Found"},
      {303, "See Other"},
      {304, "Not Modified"},
      {305, "Use Proxy"},
      {307, "Temporary Redirect"},
      {308, "Permanent Redirect"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {402, "Payment Required"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {406, "Not Acceptable"},
      {407, "Proxy Authentication Required"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {410, "Gone"},
      {411, "Length Required"},
      {412, "Precondition Failed"},
      {413, "Content Too Large"},
      {414, "URI Too Long"},
      {415, "Unsupported Media Type"},
      {416, "Range Not Satisfiable"},
      {417, "Expectation Failed"},
      {421, "Misdirected Request"},
      {422, "Unprocessable Content"},
      {423, "Locked"},
      {424, "Failed Dependency"},
      {425, "Too Early"},
      {426, "Upgrade Required"},
      {428, "Precondition Required"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {451, "Unavailable For Legal Reasons"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {502, "Bad Gateway"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
      {505, "HTTP Version Not Supported"},
      {506, "Variant Also Negotiates"},
      {507, "Insufficient Storage"},
      {508, "Loop Detected"},
      {511, "Network Authentication Required"},
  });
  const auto found = std::ranges::lower_bound(kKnown, value_, {}, &Known::value);
  return found != kKnown.end() && found->value == value_ ? found->reason : "Unknown";
}

Result<RequestHead> RequestHead::create(Method method, std::string_view target, HeaderList headers,
                                        HttpVersion version) {
  RequestHead head;
  head.method_ = method;
  head.version_ = version;
  if (!head.target_.assign(target)) {
    return fail(ErrorKind::kInvalid, "the request target is invalid");
  }
  head.headers_ = std::move(headers);
  for (std::size_t i = 0; i < head.headers_.size(); ++i) {
    const Header header = head.headers_[i];
    if (header.name == "host") {
      if (head.host_index_ || !Authority::parse(header.value.text())) {
        return fail(ErrorKind::kInvalid, "the Host field is repeated or invalid");
      }
      head.host_index_ = i;
    } else if (header.name == "content-length") {
      head.content_length_ = parse_content_length(header.value.text());
    } else if (header.name == "transfer-encoding") {
      head.is_chunked_ = equals_ignoring_case(header.value.text(), "chunked");
    }
  }
  return head;
}

std::string_view RequestHead::authority() const noexcept {
  return host_index_ ? headers_[*host_index_].value.text() : target_.authority();
}

std::string_view RequestHead::host() const noexcept {
  const auto parsed = Authority::parse(authority());
  return parsed ? parsed->host : std::string_view();
}

Result<> sanitize_response_head(ResponseHead& head) {
  if (head.status.is_informational()) {
    return fail(ErrorKind::kInvalid, "the response has an informational status");
  }
  bool has_hop_by_hop = false;
  bool has_length = false;
  for (const Header header : head.headers) {
    if (header.name == "transfer-encoding") {
      return fail(ErrorKind::kInvalid,
                  "the response sets Transfer-Encoding, which is the server's");
    }
    if (header.name == "content-length") {
      if (has_length || !parse_content_length(header.value.text())) {
        return fail(ErrorKind::kInvalid,
                    "the response's Content-Length is repeated or not a number");
      }
      has_length = true;
    }
    has_hop_by_hop = has_hop_by_hop || is_hop_by_hop(header.name);
  }
  if (has_hop_by_hop) {
    internal::remove_hop_by_hop(head.headers);
  }
  return {};
}

std::optional<std::uint64_t> parse_content_length(std::string_view text) noexcept {
  constexpr std::uint64_t kMax = (1ULL << 63) - 1;
  std::uint64_t value = 0;
  if (text.empty()) {
    return std::nullopt;
  }
  for (const char c : text) {
    if (!is_digit(c)) {
      return std::nullopt;
    }
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (value > (kMax - digit) / 10) {
      return std::nullopt;
    }
    value = value * 10 + digit;
  }
  return value;
}

}  // namespace selvedge::wire
