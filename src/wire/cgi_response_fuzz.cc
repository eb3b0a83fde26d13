// Heads that guests write: whole input against random pieces; and whatever is accepted, once
// written as HTTP, has exactly the lines that its fields say (nothing injected).

#include <algorithm>
#include <cstdint>
#include <string>

#include "base/assert.h"
#include "base/random.h"
#include "wire/cgi_response_parser.h"
#include "wire/http1_response_writer.h"

namespace selvedge::wire {
namespace {

std::string write(const ResponseHead& head) {
  Http1ResponseWriter writer;
  std::string out;
  SELVEDGE_ASSERT(writer.start(head, {}, out).has_value());
  return out;
}

// The head as it would be sent and the content's first byte; or why it was refused.
std::string parse(base::ByteSpan output, base::Random* random) {
  CgiResponseParser parser({.head_bytes_max = 600, .headers_max = 12});
  std::size_t position = 0;
  while (position < output.size()) {
    const std::size_t piece =
        random == nullptr
            ? output.size()
            : 1 + random->below(std::min<std::uint64_t>(output.size() - position, 30));
    const auto content = parser.feed(output.subspan(position, piece));
    if (!content) {
      return std::string("refused: ") + content.error().message();
    }
    if (content->has_value()) {
      const std::string head = write(parser.head());
      const auto lines = std::ranges::count(head, '\n');
      const auto fields = static_cast<std::ptrdiff_t>(parser.head().headers.size());
      const bool framed = !parser.head().status.forbids_content() &&
                          !parser.head().headers.contains("content-length");
      const bool dropped =
          parser.head().status.value() == 204 && parser.head().headers.contains("content-length");
      SELVEDGE_ASSERT(lines == fields + 2 + (framed ? 1 : 0) - (dropped ? 1 : 0));
      SELVEDGE_ASSERT(std::ranges::count(head, '\r') == lines);
      return head;
    }
    position += std::min(piece, output.size() - position);
  }
  return "incomplete";
}

}  // namespace
}  // namespace selvedge::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto output = std::as_bytes(std::span(data, size));
  selvedge::base::SeededRandom random(size);
  SELVEDGE_ASSERT(selvedge::wire::parse(output, &random) == selvedge::wire::parse(output, nullptr));
  return 0;
}
