#include "wire/cgi_response_parser.h"

#include "base/format.h"
#include "base/log.h"

namespace selvedge::wire {

Result<std::optional<base::ByteSpan>> CgiResponseParser::feed(base::ByteSpan output) {
  // The head's end is found in buffer_ + output without copying the content that follows it.
  const std::string_view text = base::as_text(output);
  std::size_t position = 0;
  while (position < text.size()) {
    const std::size_t newline = text.find('\n', position);
    const std::size_t end = newline == std::string_view::npos ? text.size() : newline;
    if (end - position > limits_.head_bytes_max - head_bytes_) {
      return fail(ErrorKind::kInvalid, "the response head is too large");
    }
    line_.append(text.substr(position, end - position));
    head_bytes_ += end - position;
    if (newline == std::string_view::npos) {
      break;
    }
    position = newline + 1;
    std::string_view line = line_;
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    if (line.empty()) {
      SELVEDGE_TRY_VOID(finish_head());
      return std::optional(output.subspan(position));
    }
    SELVEDGE_TRY_VOID(parse_line(line));
    line_.clear();
  }
  return std::optional<base::ByteSpan>();
}

Result<> CgiResponseParser::parse_line(std::string_view line) {
  if (line_count_++ == 0 && line.starts_with("HTTP/")) {
    return fail(
        ErrorKind::kUnsupported,
        "the response begins with a status line; non-parsed header scripts are not supported");
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) {
    return fail_format(ErrorKind::kInvalid, "line {} of the response head has no colon: \"{}\"",
                       line_count_, log::escape(line, 60));
  }
  const auto name = HeaderName::parse(line.substr(0, colon));
  const auto value = HeaderValue::parse(line.substr(colon + 1));
  if (!name || !value) {
    return fail_format(ErrorKind::kInvalid,
                       "line {} of the response head has an invalid {}: \"{}\"", line_count_,
                       name ? "value" : "name", log::escape(line, 60));
  }
  if (head_.headers.size() >= limits_.headers_max) {
    return fail(ErrorKind::kInvalid, "the response head has too many fields");
  }
  if (*name == "status") {
    return parse_status(value->text());
  }
  if ((*name == "location" || *name == "content-type") && head_.headers.contains(*name)) {
    return fail_format(ErrorKind::kInvalid, "the response head has two {} fields", name->text());
  }
  head_.headers.add(*name, *value);
  return {};
}

// "Status:" 3DIGIT [SP reason-phrase] (RFC 3875 section 6.3.3).
Result<> CgiResponseParser::parse_status(std::string_view value) {
  const std::string_view digits = value.substr(0, value.find(' '));
  const auto number = digits.size() == 3 ? parse_content_length(digits) : std::nullopt;
  if (status_ || !number) {
    return fail(ErrorKind::kInvalid, "the response's Status is repeated or not a number");
  }
  SELVEDGE_TRY(status_, StatusCode::from_number(*number));
  return {};
}

Result<> CgiResponseParser::finish_head() {
  const bool redirects = head_.headers.contains("location");
  // RFC 3875 section 6.3: at least one of the CGI fields.
  if (!redirects && !status_ && !head_.headers.contains("content-type")) {
    return fail(ErrorKind::kInvalid,
                "the response head has none of Content-Type, Location and Status");
  }
  head_.status = status_.value_or(redirects ? StatusCode(302) : StatusCode(200));
  return sanitize_response_head(head_);
}

}  // namespace selvedge::wire
