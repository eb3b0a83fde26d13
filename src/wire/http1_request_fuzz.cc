// HTTP/1 requests. Whole input against random pieces: same outcome. Every accepted request written
// out again in canonical form: parsed to the same request.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/assert.h"
#include "base/random.h"
#include "wire/http1_request_parser.h"

namespace selvedge::wire {
namespace {

struct Request {
  std::string method;
  std::string target;
  std::string path;
  std::string fields;  // as lines
  std::string content;
  HttpVersion version = HttpVersion::kHttp11;
  bool is_chunked = false;
  bool keep_alive = false;
  friend bool operator==(const Request&, const Request&) = default;
};

struct Outcome {
  std::vector<Request> requests;
  int status = 0;
  std::size_t rest = 0;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

constexpr Http1Limits kLimits{.target_bytes_max = 256,
                              .line_bytes_max = 512,
                              .head_bytes_max = 2048,
                              .headers_max = 20,
                              .content_bytes_max = 4096,
                              .chunked = {.extension_bytes_max = 32,
                                          .extension_bytes_total_max = 128,
                                          .trailer_bytes_max = 256,
                                          .trailers_max = 4}};

Request describe(const RequestHead& head) {
  Request request{.method = std::string(head.method().text()),
                  .target = std::string(head.target().text()),
                  .path = std::string(head.target().path()),
                  .fields = {},
                  .content = {},
                  .version = head.version(),
                  .is_chunked = head.is_chunked(),
                  .keep_alive = head.wants_keep_alive()};
  for (const Header header : head.headers()) {
    SELVEDGE_ASSERT(HeaderName::parse(header.name.text()).has_value());
    SELVEDGE_ASSERT(HeaderValue::parse(header.value.text())->text() == header.value.text());
    request.fields.append(header.name.text()).append(": ").append(header.value.text());
    request.fields.append("\r\n");
  }
  return request;
}

// Pieces of random size when `random` is given, else all at once.
Outcome parse(std::string_view text, base::Random* random) {
  Http1RequestParser parser(kLimits);
  Outcome outcome;
  Request request;
  std::size_t available = random == nullptr ? text.size() : 0;
  std::size_t position = 0;
  for (;;) {
    const auto event = parser.next(base::as_bytes(text.substr(position, available - position)));
    if (!event) {
      outcome.status = event.error().status.value();
      return outcome;
    }
    SELVEDGE_ASSERT(event->consumed <= available - position);
    position += event->consumed;
    switch (event->kind) {
      case Http1EventKind::kHead:
        request = describe(parser.head());
        break;
      case Http1EventKind::kContent:
        request.content += base::as_text(event->data);
        break;
      case Http1EventKind::kEnd:
        outcome.requests.push_back(request);
        parser.start_next();
        break;
      case Http1EventKind::kNeedMore:
        if (available == text.size()) {
          outcome.rest = text.size() - position;
          return outcome;
        }
        available += 1 + random->below(std::min<std::uint64_t>(text.size() - available, 40));
    }
  }
}

std::string write(const Request& request) {
  std::string out = request.method + " " + request.target + " ";
  out.append(to_string(request.version)).append("\r\n").append(request.fields).append("\r\n");
  if (!request.is_chunked) {
    return out + request.content;
  }
  constexpr std::string_view kHex = "0123456789abcdef";
  for (const char c : request.content) {  // one byte a chunk: also many chunks
    out.append({kHex[1], '\r', '\n', c, '\r', '\n'});
  }
  return out + "0\r\n\r\n";
}

void check(std::string_view text, std::uint64_t seed) {
  const Outcome whole = parse(text, nullptr);
  base::SeededRandom random(seed);
  SELVEDGE_ASSERT(parse(text, &random) == whole);
  for (const Request& request : whole.requests) {
    const Outcome again = parse(write(request), nullptr);
    SELVEDGE_ASSERT(again.status == 0 && again.rest == 0);
    SELVEDGE_ASSERT(again.requests.size() == 1 && again.requests[0] == request);
  }
}

}  // namespace
}  // namespace selvedge::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = selvedge::base::as_text(std::as_bytes(std::span(data, size)));
  selvedge::wire::check(text, size);
  return 0;
}
