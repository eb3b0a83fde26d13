// HTTP/1 responses. Whole input against random pieces: same outcome, wherever the connection ends.
// The first byte chooses what the request was.

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>

#include "base/assert.h"
#include "base/random.h"
#include "wire/http1_response_parser.h"

namespace selvedge::wire {
namespace {

constexpr Http1ResponseLimits kLimits{.status_line_bytes_max = 64,
                                      .field_bytes_max = 256,
                                      .response_head_bytes_max = 1024,
                                      .fields_max = 20,
                                      .interim_responses_max = 3,
                                      .chunked = {.extension_bytes_max = 32,
                                                  .extension_bytes_total_max = 128,
                                                  .trailer_bytes_max = 256,
                                                  .trailers_max = 4}};
constexpr std::size_t kResponsesMax = 16;

struct Outcome {
  std::string transcript;  // heads and content of complete and incomplete responses
  std::string_view rejection;
  std::size_t rest = 0;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

void describe(Http1ResponseParser& parser, std::string& out) {
  out += std::to_string(parser.head().status.value());
  for (const Header header : parser.head().headers) {
    SELVEDGE_ASSERT(HeaderName::parse(header.name.text()).has_value());
    SELVEDGE_ASSERT(HeaderValue::parse(header.value.text())->text() == header.value.text());
    SELVEDGE_ASSERT(!(header.name == "transfer-encoding"));
    out.append("|").append(header.name.text()).append(":").append(header.value.text());
  }
  out += '\n';
}

// Pieces of random size when `random` is given, else all at once.
Outcome parse(std::string_view text, const Http1ResponseContext& context, base::Random* random) {
  Http1ResponseParser parser(kLimits);
  parser.start(context);
  Outcome outcome;
  std::size_t available = random == nullptr ? text.size() : 0;
  std::size_t position = 0;
  std::size_t responses = 0;
  bool ended = false;
  for (;;) {
    const auto event =
        ended ? parser.end_of_input()
              : parser.next(base::as_bytes(text.substr(position, available - position)));
    if (!event) {
      outcome.rejection = event.error().reason;
      return outcome;
    }
    SELVEDGE_ASSERT(event->consumed <= available - position);
    position += event->consumed;
    switch (event->kind) {
      case Http1EventKind::kHead:
        describe(parser, outcome.transcript);
        break;
      case Http1EventKind::kContent:
        SELVEDGE_ASSERT(!event->data.empty());
        outcome.transcript += base::as_text(event->data);
        break;
      case Http1EventKind::kEnd:
        outcome.transcript += "\nend\n";
        if (ended || !parser.keep_alive() || ++responses == kResponsesMax) {
          outcome.rest = text.size() - position;
          return outcome;
        }
        parser.start(context);
        break;
      case Http1EventKind::kNeedMore:
        if (available == text.size()) {
          ended = true;
        } else {
          available += 1 + random->below(std::min<std::uint64_t>(text.size() - available, 40));
        }
    }
  }
}

void check(std::string_view text, std::uint64_t seed) {
  if (text.empty()) {
    return;
  }
  const Http1ResponseContext context{.is_head_request = (text[0] & 1) != 0,
                                     .offers_upgrade = (text[0] & 2) != 0};
  text.remove_prefix(1);
  const Outcome whole = parse(text, context, nullptr);
  base::SeededRandom random(seed);
  SELVEDGE_ASSERT(parse(text, context, &random) == whole);
}

}  // namespace
}  // namespace selvedge::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = selvedge::base::as_text(std::as_bytes(std::span(data, size)));
  selvedge::wire::check(text, size);
  return 0;
}
