#include "wire/http1_request_writer.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "wire/characters.h"
#include "wire/internal/append.h"
#include "wire/internal/hop_by_hop.h"

namespace selvedge::wire {
namespace {

using internal::append;
using internal::append_field;

std::size_t count_connection_options(const HeaderList& headers) noexcept {
  std::size_t count = 0;
  for (const Header header : headers) {
    if (header.name == "connection") {
      count += 1 + static_cast<std::size_t>(std::ranges::count(header.value.text(), ','));
    }
  }
  return count;
}

// Compares as programs do that turn '-' into '_' (CGI, WSGI).
bool begins_like(std::string_view text, std::string_view prefix) noexcept {
  return text.size() >= prefix.size() &&
         std::ranges::equal(prefix, text.substr(0, prefix.size()), [](char expected, char c) {
           return expected == (c == '_' ? '-' : to_lower(c));
         });
}

// Most heads fit into it.
constexpr std::size_t kUsualHeadBytes = 1024;

// Fields that the upstream must be able to trust, or must not see.
bool is_withheld(HeaderName name) noexcept {
  static constexpr std::array<std::string_view, 5> kNames{"forwarded", "x-real-ip", "x-request-id",
                                                          "expect", "proxy"};
  const std::string_view text = name.text();
  return begins_like(text, "x-forwarded-") ||
         std::ranges::any_of(kNames,
                             [text](std::string_view withheld) {
                               return text.size() == withheld.size() && begins_like(text, withheld);
                             }) ||
         name == "host" || name == "content-length" || name == "transfer-encoding";
}

void append_target(const RequestTarget& target, std::string& out) {
  out += target.path();
  if (target.has_query()) {
    out += '?';
    out += target.query();
  }
}

// A value of a forwarded-pair: a token, or quoted (RFC 7239 section 4). `text` is an address or an
// authority and so has nothing to escape.
void append_pair(std::string_view name, std::string_view text, std::string& out) {
  const std::string_view quote = is_token(text) ? "" : "\"";
  append(out, name, quote, text, quote);
}

void append_forwarding(const Http1RequestOptions& options, std::string_view host,
                       std::string& out) {
  const std::string_view scheme = options.secure ? "https" : "http";
  const bool is_ipv6 = options.client_address.find(':') != std::string_view::npos;
  std::string node = is_ipv6 ? "[" : "";
  node += options.client_address;
  node += is_ipv6 ? "]" : "";
  out += "forwarded: ";
  append_pair("for=", node.empty() ? std::string_view("unknown") : std::string_view(node), out);
  if (!host.empty()) {
    append_pair(";host=", host, out);
  }
  append_pair(";proto=", scheme, out);
  out += "\r\n";
  if (!options.client_address.empty()) {
    append_field(out, "x-forwarded-for", options.client_address);
  }
  if (!host.empty()) {
    append_field(out, "x-forwarded-host", host);
  }
  append_field(out, "x-forwarded-proto", scheme);
}

void append_connection(const Http1RequestOptions& options, std::string& out) {
  if (options.upgrade_websocket) {
    // As browsers write it: some servers compare the option's case.
    out += "connection: Upgrade\r\nupgrade: websocket\r\n";
    return;
  }
  // HTTP/1.1 keeps connections unless told otherwise (RFC 9112 section 9.3).
  if (!options.keep_alive) {
    append_field(out, "connection", "close");
  }
}

}  // namespace

bool is_websocket_upgrade(const RequestHead& head) noexcept {
  const auto protocol = head.headers().find("upgrade");
  if (!protocol || !equals_ignoring_case(*protocol, "websocket") ||
      head.headers().count("upgrade") != 1 || head.method().kind() != Method::Kind::kGet ||
      head.version() != HttpVersion::kHttp11 || head.has_content()) {
    return false;
  }
  for (const Header header : head.headers()) {
    std::string_view rest = header.name == "connection" ? header.value.text() : "";
    while (!rest.empty()) {
      if (equals_ignoring_case(next_list_element(rest), "upgrade")) {
        return true;
      }
    }
  }
  return false;
}

Result<> Http1RequestWriter::start(const RequestHead& head, const Http1RequestOptions& options,
                                   std::string& out) {
  if (options.upgrade_websocket && !is_websocket_upgrade(head)) {
    return fail(ErrorKind::kInvalid, "the request does not offer to upgrade to websocket");
  }
  if (count_connection_options(head.headers()) > kConnectionOptionsMax) {
    return fail(ErrorKind::kInvalid, "the request's Connection field has too many options");
  }
  const internal::HopByHop hop_by_hop(head.headers());
  const std::string_view host = head.authority().empty() ? options.fallback_host : head.authority();

  out.reserve(out.size() + kUsualHeadBytes);
  append(out, head.method().text(), " ");
  append_target(head.target(), out);
  out += " HTTP/1.1\r\n";
  append_field(out, "host", host);
  for (const Header header : head.headers()) {
    if (!hop_by_hop.contains(header.name) && !is_withheld(header.name)) {
      append_field(out, header.name.text(), header.value.text());
    }
  }
  append_forwarding(options, host, out);
  if (!options.request_id.empty()) {
    append_field(out, "x-request-id", options.request_id);
  }
  if (head.is_chunked()) {
    content_.start(internal::ContentFramer::Framing::kChunked);
    append_field(out, "transfer-encoding", "chunked");
  } else if (head.content_length()) {
    content_.start(internal::ContentFramer::Framing::kFixed, *head.content_length());
    std::array<char, 20> digits{};
    const auto end =
        std::to_chars(digits.data(), digits.data() + digits.size(), *head.content_length()).ptr;
    append_field(out, "content-length", {digits.data(), end});
  } else {
    content_.start(internal::ContentFramer::Framing::kFixed, 0);
  }
  append_connection(options, out);
  out += "\r\n";
  return {};
}

}  // namespace selvedge::wire
