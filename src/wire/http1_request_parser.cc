#include "wire/http1_request_parser.h"

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "wire/characters.h"
#include "wire/internal/field_store.h"
#include "wire/internal/head_tokenizer.h"

namespace selvedge::wire {
namespace {

// Room for the method, two spaces, the version and CR around the longest target.
constexpr std::size_t kRequestLineOverheadMax = Method::kBytesMax + 2 + 8 + 1;
static_assert(Http1RequestParser::kHeadersCapacity <= internal::kFieldsMax);
constexpr std::string_view kLineEnd = "\r\n";

std::unexpected<HttpRejection> reject(StatusCode status, std::string_view reason) noexcept {
  return std::unexpected(HttpRejection{status, reason});
}
std::unexpected<HttpRejection> bad(std::string_view reason) noexcept {
  return reject(StatusCode(400), reason);
}

HttpRejection describe(internal::TokenizeStatus status, std::string_view request_line) noexcept {
  switch (status) {
    case internal::TokenizeStatus::kBadLineEnd:
      return {StatusCode(400), "a line does not end with CRLF"};
    case internal::TokenizeStatus::kBadName:
      return {StatusCode(400), "a header field name is invalid"};
    case internal::TokenizeStatus::kBadValue:
      return {StatusCode(400), "a header field value has a control character"};
    case internal::TokenizeStatus::kTooManyFields:
      return {StatusCode(431), "there are too many header fields"};
    case internal::TokenizeStatus::kBadVersion: {
      // method SP target SP version
      const std::string_view version = request_line.substr(request_line.rfind(' ') + 1);
      if (std::ranges::count(request_line, ' ') == 2 && version.size() == 8 &&
          version.starts_with("HTTP/") && is_digit(version[5]) && version[6] == '.' &&
          is_digit(version[7])) {
        return {StatusCode(505), "only HTTP/1.0 and HTTP/1.1 are spoken here"};
      }
      break;
    }
    case internal::TokenizeStatus::kBadRequestLine:
    case internal::TokenizeStatus::kBadStatusLine:
    case internal::TokenizeStatus::kComplete:
      break;
  }
  return {StatusCode(400), "the request line is invalid"};
}

HttpRejection describe(internal::HeadScan scan) noexcept {
  switch (scan) {
    case internal::HeadScan::kFirstLineTooLong:
      return {StatusCode(414), "the request line is too long"};
    case internal::HeadScan::kFieldTooLong:
      return {StatusCode(431), "a header field is too long"};
    case internal::HeadScan::kHeadTooLarge:
      return {StatusCode(431), "the request head is too large"};
    case internal::HeadScan::kTooManyFields:
      return {StatusCode(431), "there are too many header fields"};
    case internal::HeadScan::kEmptyFirstLine:
      return {StatusCode(400), "the request line is empty"};
    case internal::HeadScan::kBadLineEnd:
    case internal::HeadScan::kIncomplete:
    case internal::HeadScan::kComplete:
      break;
  }
  return {StatusCode(400), "a line does not end with CRLF"};
}

// Equal hosts; a port of the scheme's default is the same as none.
bool is_same_authority(std::string_view a, std::string_view b, std::string_view scheme) noexcept {
  const auto left = Authority::parse(a);
  const auto right = Authority::parse(b);
  if (!left || !right || !equals_ignoring_case(left->host, right->host)) {
    return false;
  }
  const std::string_view default_port = equals_ignoring_case(scheme, "https") ? "443" : "80";
  const auto effective = [default_port](std::string_view port) {
    return port.empty() ? default_port : port;
  };
  return effective(left->port) == effective(right->port);
}

// RFC 9112 sections 6.1 and 6.3: only "chunked" is understood; chunked that is not last cannot be
// framed.
HttpRejection describe_transfer_encoding(std::string_view value) noexcept {
  std::string_view rest = value;
  std::string_view last;
  bool repeated = false;
  while (!rest.empty()) {
    repeated = repeated || equals_ignoring_case(last, "chunked");
    last = next_list_element(rest);
    if (!is_token(last)) {
      return {StatusCode(400), "Transfer-Encoding is invalid"};
    }
  }
  if (repeated || value.ends_with(',') || !equals_ignoring_case(last, "chunked")) {
    return {StatusCode(400), "the last transfer coding is not chunked"};
  }
  return {StatusCode(501), "only the transfer coding chunked is understood"};
}

}  // namespace

// What the fields say together, collected in one pass.
struct Http1RequestParser::FieldFacts {
  std::optional<std::size_t> host;
  std::optional<std::size_t> content_length;
  std::optional<std::size_t> transfer_encoding;
  bool has_duplicate = false;  // of one of the above
  bool has_close = false;
  bool has_upgrade = false;
  bool has_keep_alive = false;
  bool expects_continue = false;
  bool expects_other = false;
};

Http1RequestParser::Http1RequestParser(const Http1Limits& limits)
    : limits_(limits), content_(limits.chunked) {
  SELVEDGE_ASSERT(limits.headers_max <= kHeadersCapacity);
}

void Http1RequestParser::start_next() noexcept {
  SELVEDGE_DCHECK(state_ == State::kEnd);
  if (internal::FieldStore::kept_bytes(head_.headers_) > kKeptBytesMax) {
    head_ = RequestHead();
  }
  state_ = State::kHead;
  leading_bytes_ = 0;
  scanner_.start();
}

std::expected<Http1Event, HttpRejection> Http1RequestParser::next(base::ByteSpan input) {
  Step step = Http1Event{};
  switch (state_) {
    case State::kHead:
      step = next_head(base::as_text(input));
      break;
    case State::kContent:
      step = content_.next(input);
      if (step && step->kind == Http1EventKind::kEnd) {
        state_ = State::kEnd;
      }
      break;
    case State::kEnd:
      return Http1Event{.kind = Http1EventKind::kEnd, .consumed = 0, .data = {}};
    case State::kRejected:
      return std::unexpected(rejection_);
  }
  if (!step) {
    state_ = State::kRejected;
    rejection_ = step.error();
  }
  return step;
}

Http1RequestParser::Step Http1RequestParser::next_head(std::string_view input) {
  // RFC 9112 section 2.2: an empty line before the request line is skipped; one is enough for the
  // clients that send it.
  if (leading_bytes_ == 0 && !scanner_.has_line() && input.starts_with(kLineEnd)) {
    leading_bytes_ = kLineEnd.size();
    scanner_.start();
  }
  input.remove_prefix(leading_bytes_);
  const internal::HeadScan scan = scanner_.scan(
      input, {.first_line_bytes_max = limits_.target_bytes_max + kRequestLineOverheadMax,
              .line_bytes_max = limits_.line_bytes_max + 1,
              .head_bytes_max = limits_.head_bytes_max,
              .fields_max = limits_.headers_max});
  if (scan == internal::HeadScan::kIncomplete) {
    return Http1Event{};
  }
  if (scan != internal::HeadScan::kComplete) {
    return std::unexpected(describe(scan));
  }
  const std::size_t size = scanner_.size();
  if (const auto parsed = parse_head(input.substr(0, size)); !parsed) {
    return std::unexpected(parsed.error());
  }
  if (head_.is_chunked_) {
    content_.start_chunked(limits_.content_bytes_max);
  } else {
    content_.start_fixed(head_.content_length_.value_or(0));
  }
  state_ = State::kContent;
  return Http1Event{.kind = Http1EventKind::kHead, .consumed = leading_bytes_ + size, .data = {}};
}

std::expected<void, HttpRejection> Http1RequestParser::parse_head(std::string_view text) {
  [[clang::uninitialized]] std::array<internal::FieldSpan, kHeadersCapacity> fields;
  const internal::TokenizedHead tokens = internal::tokenize_request_head(text, fields);
  if (tokens.status != internal::TokenizeStatus::kComplete) {
    return std::unexpected(describe(tokens.status, text.substr(0, text.find(kLineEnd))));
  }
  if (const auto line = parse_request_line(tokens); !line) {
    return line;
  }
  if (!internal::FieldStore::assign(head_.headers_, text,
                                    std::span(fields).first(tokens.field_count))) {
    return reject(StatusCode(431), "a header field name is too long");
  }
  FieldFacts facts;
  for (std::size_t index = 0; index < head_.headers_.size(); ++index) {
    note_field(index, head_.headers_[index], facts);
  }
  return apply(facts);
}

std::expected<void, HttpRejection> Http1RequestParser::parse_request_line(
    const internal::TokenizedHead& tokens) {
  if (tokens.method.size() > Method::kBytesMax) {
    return reject(StatusCode(501), "the method is not implemented");
  }
  if (!is_token(tokens.method)) {
    return bad("the method is invalid");
  }
  head_.method_.assign(tokens.method);
  // A tunnel would reach what the client chooses; TRACE would show credentials to scripts.
  if (head_.method_.kind() == Method::Kind::kConnect ||
      head_.method_.kind() == Method::Kind::kTrace) {
    return reject(StatusCode(501), "the method is not implemented");
  }
  if (tokens.target.size() > limits_.target_bytes_max) {
    return reject(StatusCode(414), "the request target is too long");
  }
  if (!head_.target_.assign(tokens.target) ||
      (head_.target_.is_asterisk_form() && head_.method_.kind() != Method::Kind::kOptions)) {
    return bad("the request target is invalid");
  }
  head_.version_ = tokens.is_http11 ? HttpVersion::kHttp11 : HttpVersion::kHttp10;
  return {};
}

void Http1RequestParser::note_field(std::size_t index, Header field, FieldFacts& facts) noexcept {
  const std::string_view name = field.name.text();
  std::string_view value = field.value.text();
  const auto note_single = [&](std::optional<std::size_t>& seen) {
    facts.has_duplicate = facts.has_duplicate || seen.has_value();
    seen = index;
  };
  switch (name.size()) {
    case 4:
      if (equals_ignoring_case(name, "host")) {
        note_single(facts.host);
      }
      break;
    case 6:
      if (equals_ignoring_case(name, "expect")) {
        const bool is_continue = equals_ignoring_case(value, "100-continue");
        (is_continue ? facts.expects_continue : facts.expects_other) = true;
      }
      break;
    case 7:
      facts.has_upgrade = facts.has_upgrade || equals_ignoring_case(name, "upgrade");
      break;
    case 10:
      if (equals_ignoring_case(name, "connection")) {
        while (!value.empty()) {
          const std::string_view option = next_list_element(value);
          facts.has_close = facts.has_close || equals_ignoring_case(option, "close");
          facts.has_keep_alive = facts.has_keep_alive || equals_ignoring_case(option, "keep-alive");
        }
      }
      break;
    case 14:
      if (equals_ignoring_case(name, "content-length")) {
        note_single(facts.content_length);
      }
      break;
    case 17:
      if (equals_ignoring_case(name, "transfer-encoding")) {
        note_single(facts.transfer_encoding);
      }
      break;
    default:
      break;
  }
}

std::expected<void, HttpRejection> Http1RequestParser::apply(const FieldFacts& facts) {
  const bool is_http11 = head_.version_ == HttpVersion::kHttp11;
  if (facts.has_duplicate) {
    return bad("Host, Content-Length or Transfer-Encoding is repeated");
  }
  head_.host_index_ = facts.host;
  if (facts.host ? !Authority::parse(head_.authority()).has_value() : is_http11) {
    return bad("Host is missing or invalid");
  }
  const RequestTarget& target = head_.target_;
  if (target.is_absolute_form() && facts.host &&
      !is_same_authority(target.authority(), head_.authority(), target.scheme())) {
    return bad("the request target and Host name different hosts");
  }
  head_.is_chunked_ = facts.transfer_encoding.has_value();
  head_.content_length_.reset();
  if (facts.transfer_encoding) {
    const std::string_view coding = head_.headers_[*facts.transfer_encoding].value.text();
    if (facts.content_length || !is_http11) {
      return bad("Transfer-Encoding is combined with Content-Length or HTTP/1.0");
    }
    if (!equals_ignoring_case(coding, "chunked")) {
      return std::unexpected(describe_transfer_encoding(coding));
    }
  }
  if (facts.content_length) {
    const std::string_view digits = head_.headers_[*facts.content_length].value.text();
    head_.content_length_ = parse_content_length(digits);
    if (!head_.content_length_) {
      return bad("Content-Length is not a number");
    }
    if (*head_.content_length_ > limits_.content_bytes_max) {
      return reject(StatusCode(413), "the content is too large");
    }
  }
  // What follows an offer to upgrade may be meant for the other protocol, which we do not speak:
  // the connection ends with the response.
  head_.wants_keep_alive_ =
      !facts.has_close && !facts.has_upgrade && (is_http11 || facts.has_keep_alive);
  if (is_http11 && facts.expects_other) {
    return reject(StatusCode(417), "only the expectation 100-continue can be met");
  }
  head_.expects_continue_ = is_http11 && facts.expects_continue && head_.has_content();
  return {};
}

}  // namespace selvedge::wire
