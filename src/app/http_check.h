#pragma once

// A request that is made to an app from inside the node, and what its answer must be: of health
// checks and of jobs that fetch.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "wire/http_message.h"

namespace selvedge::app {

inline constexpr std::size_t kExpectedStatusCodesMax = 64;
inline constexpr std::size_t kExpectedTextBytesMax = 4096;
inline constexpr std::size_t kCheckContentBytesMax = std::size_t{64} << 10;
inline constexpr std::size_t kCheckHeadersMax = 32;
// Of an answer's content, what is looked at.
inline constexpr std::size_t kCheckedContentBytesMax = std::size_t{1} << 20;

struct HttpExpectation {
  std::vector<std::uint16_t> status_codes;  // empty: any 2xx
  std::string body_includes;                // empty: any
  std::string body_regex;                   // of RE2, found anywhere; empty: any

  friend bool operator==(const HttpExpectation&, const HttpExpectation&) = default;
};

struct HttpCheck {
  std::string method = "GET";
  std::string path = "/";  // with its query
  std::vector<std::pair<std::string, std::string>> headers;
  std::string content;
  std::optional<base::Duration> timeout;
  HttpExpectation expect;

  friend bool operator==(const HttpCheck&, const HttpCheck&) = default;
};

// The request to `host`. Invalid, when the path, method or a header is none that can be sent.
Result<wire::RequestHead> request_of(const HttpCheck& check, std::string_view host);

// Invalid: the expression is malformed, or too large. Time and memory that matching takes are
// linear in the text, whatever the expression.
Result<> check_regex(std::string_view expression);
// Invalid: the first thing that is not as expected, in one clause ("answered 500, not 200").
// `content` is at most the first kCheckedContentBytesMax.
Result<> check_answer(const HttpExpectation& expect, std::uint16_t status,
                      std::string_view content);

}  // namespace selvedge::app
