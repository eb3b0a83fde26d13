#include "wire/http1_response_writer.h"

#include <charconv>

namespace selvedge::wire {
namespace {

void append_number(std::uint64_t value, std::string& out) {
  std::array<char, 20> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out.append(digits.data(), end);
}

void append_status_line(StatusCode status, std::string& out) {
  if (status == StatusCode(200)) {
    out += "HTTP/1.1 200 OK\r\n";
    return;
  }
  out += "HTTP/1.1 ";
  append_number(status.value(), out);
  out += ' ';
  out += status.reason();
  out += "\r\n";
}

}  // namespace

Result<> Http1ResponseWriter::start(const ResponseHead& head, const Http1ResponseOptions& options,
                                    std::string& out) {
  if (head.status.is_informational()) {
    return fail(ErrorKind::kInvalid, "a final response cannot have an informational status");
  }
  std::optional<std::uint64_t> length;
  bool has_date = false;
  for (const Header header : head.headers) {
    if (header.name == "content-length") {
      const auto value = parse_content_length(header.value.text());
      if (!value || length) {
        return fail(ErrorKind::kInvalid, "Content-Length is repeated or not a number");
      }
      length = value;
    } else if (header.name == "transfer-encoding") {
      return fail(ErrorKind::kInvalid, "Transfer-Encoding is set by the server only");
    } else if (header.name == "date") {
      has_date = true;
    }
  }
  if (length && options.content_bytes && !options.is_head_request &&
      *length != *options.content_bytes && !head.status.forbids_content()) {
    return fail(ErrorKind::kInvalid, "the content is not as long as Content-Length says");
  }
  if (!length) {
    length = options.content_bytes;
  }

  const bool is_http11 = options.version != HttpVersion::kHttp10;
  keep_alive_ = options.keep_alive;
  const bool silent = head.status.forbids_content() || options.is_head_request;
  if (silent) {
    framing_ = Framing::kNone;
  } else if (length) {
    framing_ = Framing::kFixed;
    content_remaining_ = *length;
  } else if (is_http11) {
    framing_ = Framing::kChunked;
  } else {
    framing_ = Framing::kUntilClose;
    keep_alive_ = false;
  }

  append_head(head, options, length, has_date, out);
  return {};
}

void Http1ResponseWriter::append_head(const ResponseHead& head, const Http1ResponseOptions& options,
                                      std::optional<std::uint64_t> length, bool has_date,
                                      std::string& out) const {
  append_status_line(head.status, out);
  for (const Header header : head.headers) {
    if (header.name == "content-length" || header.name == "connection" ||
        (!options.request_id.empty() && header.name == "x-request-id")) {
      continue;
    }
    out += header.name.text();
    out += ": ";
    out += header.value.text();
    out += "\r\n";
  }
  if (!has_date && !options.date.empty()) {
    out += "date: ";
    out += options.date;
    out += "\r\n";
  }
  if (!options.request_id.empty()) {
    out += "x-request-id: ";
    out += options.request_id;
    out += "\r\n";
  }
  // RFC 9110 section 8.6: none with 204; with HEAD and 304 only what the content would have had.
  if (length && head.status.value() != 204 &&
      (head.status.value() != 304 || head.headers.contains("content-length"))) {
    out += "content-length: ";
    append_number(*length, out);
    out += "\r\n";
  } else if (framing_ == Framing::kChunked) {
    out += "transfer-encoding: chunked\r\n";
  }
  if (!keep_alive_) {
    out += "connection: close\r\n";
  } else if (options.version == HttpVersion::kHttp10) {
    out += "connection: keep-alive\r\n";
  }
  out += "\r\n";
}

Result<ContentFrame> Http1ResponseWriter::frame(base::ByteSpan data) {
  ContentFrame content;
  switch (framing_) {
    case Framing::kNone:
      break;
    case Framing::kUntilClose:
      content.data = data;
      break;
    case Framing::kFixed:
      if (data.size() > content_remaining_) {
        return fail(ErrorKind::kInvalid, "the content is longer than Content-Length says");
      }
      content_remaining_ -= data.size();
      content.data = data;
      break;
    case Framing::kChunked: {
      if (data.empty()) {
        break;  // a chunk of no bytes would end the message
      }
      char* const begin = chunk_prefix_.data();
      char* end = std::to_chars(begin, begin + 16, data.size(), 16).ptr;
      *end++ = '\r';
      *end++ = '\n';
      content.prefix = {begin, end};
      content.data = data;
      content.suffix = "\r\n";
      break;
    }
  }
  return content;
}

Result<std::string_view> Http1ResponseWriter::finish() {
  if (framing_ == Framing::kFixed && content_remaining_ > 0) {
    return fail(ErrorKind::kInvalid, "the content is shorter than Content-Length says");
  }
  return framing_ == Framing::kChunked ? std::string_view("0\r\n\r\n") : std::string_view();
}

}  // namespace selvedge::wire
