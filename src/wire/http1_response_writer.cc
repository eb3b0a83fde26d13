#include "wire/http1_response_writer.h"

#include <array>
#include <charconv>

#include "wire/internal/append.h"
#include "wire/internal/hop_by_hop.h"

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

// The fields of the head, and ours that do not concern the framing.
void append_fields(const ResponseHead& head, const Http1ResponseOptions& options,
                   std::string& out) {
  bool has_date = false;
  for (const Header header : head.headers) {
    if (header.name == "content-length" || header.name == "connection" ||
        (!options.request_id.empty() && header.name == "x-request-id")) {
      continue;
    }
    has_date = has_date || header.name == "date";
    internal::append_field(out, header.name.text(), header.value.text());
  }
  if (!has_date && !options.date.empty()) {
    internal::append_field(out, "date", options.date);
  }
  if (!options.request_id.empty()) {
    internal::append_field(out, "x-request-id", options.request_id);
  }
}

}  // namespace

Result<> Http1ResponseWriter::start(const ResponseHead& head, const Http1ResponseOptions& options,
                                    std::string& out) {
  if (head.status.is_informational()) {
    return fail(ErrorKind::kInvalid, "a final response cannot have an informational status");
  }
  std::optional<std::uint64_t> length;
  for (const Header header : head.headers) {
    if (header.name == "content-length") {
      const auto value = parse_content_length(header.value.text());
      if (!value || length) {
        return fail(ErrorKind::kInvalid, "Content-Length is repeated or not a number");
      }
      length = value;
    } else if (header.name == "transfer-encoding") {
      return fail(ErrorKind::kInvalid, "Transfer-Encoding is set by the server only");
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
    content_.start(Framing::kNone);
  } else if (length) {
    content_.start(Framing::kFixed, *length);
  } else if (is_http11) {
    content_.start(Framing::kChunked);
  } else {
    content_.start(Framing::kUntilClose);
    keep_alive_ = false;
  }

  append_head(head, options, length, out);
  return {};
}

void Http1ResponseWriter::append_head(const ResponseHead& head, const Http1ResponseOptions& options,
                                      std::optional<std::uint64_t> length, std::string& out) const {
  append_status_line(head.status, out);
  append_fields(head, options, out);
  // RFC 9110 section 8.6: none with 204; with HEAD and 304 only what the content would have had.
  if (length && head.status.value() != 204 &&
      (head.status.value() != 304 || head.headers.contains("content-length"))) {
    out += "content-length: ";
    append_number(*length, out);
    out += "\r\n";
  } else if (content_.framing() == Framing::kChunked) {
    out += "transfer-encoding: chunked\r\n";
  }
  if (!keep_alive_) {
    out += "connection: close\r\n";
  } else if (options.version == HttpVersion::kHttp10) {
    out += "connection: keep-alive\r\n";
  }
  out += "\r\n";
}

Result<> append_upgrade_response(ResponseHead head, HeaderValue protocol,
                                 const Http1ResponseOptions& options, std::string& out) {
  if (head.status != StatusCode(101)) {
    return fail(ErrorKind::kInvalid, "a connection is switched by the status 101 only");
  }
  internal::remove_hop_by_hop(head.headers);
  head.headers.remove("transfer-encoding");
  head.headers.remove("content-length");
  append_status_line(head.status, out);
  append_fields(head, options, out);
  // As most servers write it: some clients compare the option's case.
  out += "connection: Upgrade\r\nupgrade: ";
  out += protocol.text();
  out += "\r\n\r\n";
  return {};
}

}  // namespace selvedge::wire
