#pragma once

// The heads of requests and responses, independent of the HTTP version on the wire (RFC 9110).

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "wire/header.h"
#include "wire/request_target.h"

namespace selvedge::wire {

// A request method: a case-sensitive token of at most kBytesMax bytes, held by value.
class Method {
 public:
  enum class Kind : std::uint8_t {
    kGet,
    kHead,
    kPost,
    kPut,
    kDelete,
    kConnect,
    kOptions,
    kTrace,
    kPatch,
    kOther  // clang-format off
  };  // clang-format on
  static constexpr std::size_t kBytesMax = 23;

  Method() noexcept;  // GET
  // kInvalid when `text` is not a token, kUnsupported when it is longer than kBytesMax.
  static Result<Method> parse(std::string_view text);

  Kind kind() const noexcept { return kind_; }
  std::string_view text() const noexcept [[clang::lifetimebound]] { return {text_.data(), size_}; }
  bool is_head() const noexcept { return kind_ == Kind::kHead; }

 private:
  friend class Http1RequestParser;
  void assign(std::string_view token) noexcept;  // precondition: a token of at most kBytesMax bytes
  std::array<char, kBytesMax> text_;
  std::uint8_t size_;
  Kind kind_;
};

enum class HttpVersion : std::uint8_t { kHttp10, kHttp11, kHttp2 };
// "HTTP/1.1"
std::string_view to_string(HttpVersion version) noexcept;

// A three-digit status, 100 to 599.
class StatusCode {
 public:
  consteval explicit StatusCode(std::uint16_t literal) : value_(literal) {
    if (literal < 100 || literal > 599) {
      invalid_literal();
    }
  }
  static Result<StatusCode> from_number(std::uint64_t value);

  std::uint16_t value() const noexcept { return value_; }
  // The standard reason phrase, "Unknown" for a code without one.
  std::string_view reason() const noexcept;
  bool is_informational() const noexcept { return value_ < 200; }
  // 1xx, 204 and 304 never have content (RFC 9110 section 6.4.1).
  bool forbids_content() const noexcept {
    return is_informational() || value_ == 204 || value_ == 304;
  }
  friend bool operator==(StatusCode, StatusCode) noexcept = default;

 private:
  struct Trusted {};
  StatusCode(Trusted, std::uint16_t value) noexcept : value_(value) {}
  static void invalid_literal();
  std::uint16_t value_;
};

// Why a message was refused: the status to answer with and one sentence that is safe to show to the
// peer.
struct HttpRejection {
  StatusCode status;
  std::string_view reason;  // static storage
};

// A validated request head. Made by a parser, or by create() in tests and for requests of our own.
// Reusable: parsing into the same object again keeps its memory.
class RequestHead {
 public:
  // HTTP/1.1 unless said otherwise; `target` in origin-form, absolute-form or "*". Applies the same
  // rules as the parser to target and Host; framing fields are taken as they are.
  static Result<RequestHead> create(Method method, std::string_view target, HeaderList headers,
                                    HttpVersion version = HttpVersion::kHttp11);

  const Method& method() const noexcept [[clang::lifetimebound]] { return method_; }
  const RequestTarget& target() const noexcept [[clang::lifetimebound]] { return target_; }
  HttpVersion version() const noexcept { return version_; }
  const HeaderList& headers() const noexcept [[clang::lifetimebound]] { return headers_; }

  // "host" or "host:port" as sent, from the Host field (equal to the authority of an absolute-form
  // target). Empty only for HTTP/1.0 without Host.
  std::string_view authority() const noexcept [[clang::lifetimebound]];
  // The authority without its port; an IPv6 literal keeps its brackets.
  std::string_view host() const noexcept [[clang::lifetimebound]];

  // The length declared by Content-Length; nullopt when there is none (no content, or chunked).
  std::optional<std::uint64_t> content_length() const noexcept { return content_length_; }
  bool is_chunked() const noexcept { return is_chunked_; }
  bool has_content() const noexcept { return is_chunked_ || content_length_.value_or(0) > 0; }
  // The connection may persist (RFC 9112 section 9.3): the peer did not say otherwise, and did not
  // offer to upgrade it to another protocol.
  bool wants_keep_alive() const noexcept { return wants_keep_alive_; }
  // The peer waits for 100 Continue before it sends the content (RFC 9110 section 10.1.1).
  bool expects_continue() const noexcept { return expects_continue_; }

 private:
  friend class Http1RequestParser;
  Method method_;
  RequestTarget target_;
  HeaderList headers_;
  std::optional<std::uint64_t> content_length_;
  std::optional<std::size_t> host_index_;
  HttpVersion version_ = HttpVersion::kHttp11;
  bool is_chunked_ = false;
  bool wants_keep_alive_ = true;
  bool expects_continue_ = false;
};

// What a handler answers with. The reason phrase is always the standard one.
struct ResponseHead {
  StatusCode status{200};
  HeaderList headers = {};
};

// Makes the head of an untrusted producer (a guest) fit to be sent: removes hop-by-hop fields and
// those that its Connection field names, and fails with kInvalid when the status is informational,
// when Transfer-Encoding is present (the content would be framed twice) or when Content-Length is
// repeated or not a number.
Result<> sanitize_response_head(ResponseHead& head);

// 1*DIGIT below 2^63; nullopt for anything else ("+5", "0x5", "5,5", "", overflow).
std::optional<std::uint64_t> parse_content_length(std::string_view text) noexcept;

}  // namespace selvedge::wire
