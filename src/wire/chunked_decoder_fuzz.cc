// The chunked coding: whole input against random pieces, same content, trailers and end.

#include <cstdint>
#include <string>

#include "base/assert.h"
#include "base/random.h"
#include "wire/chunked_decoder.h"

namespace selvedge::wire {
namespace {

constexpr std::uint64_t kContentBytesMax = 2000;

struct Outcome {
  int status = 0;
  bool finished = false;
  std::size_t consumed = 0;
  std::string content;
  std::size_t trailers = 0;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome decode(base::ByteSpan input, base::Random* random) {
  ChunkedDecoder decoder({.extension_bytes_max = 40,
                          .extension_bytes_total_max = 100,
                          .trailer_bytes_max = 200,
                          .trailers_max = 4});
  decoder.start(kContentBytesMax);
  Outcome outcome;
  std::size_t available = random == nullptr ? input.size() : 0;
  for (;;) {
    const auto step = decoder.decode(input.subspan(outcome.consumed, available - outcome.consumed));
    if (!step) {
      return {.status = step.error().status.value(),
              .finished = false,
              .consumed = 0,
              .content = {},
              .trailers = 0};
    }
    outcome.consumed += step->consumed;
    outcome.content += base::as_text(step->data);
    SELVEDGE_ASSERT(outcome.content.size() <= kContentBytesMax);
    if (step->finished) {
      outcome.finished = true;
      outcome.trailers = decoder.trailers().size();
      return outcome;
    }
    if (step->data.empty()) {
      SELVEDGE_ASSERT(outcome.consumed == available);
      if (available == input.size()) {
        return outcome;
      }
      available += 1 + random->below(std::min<std::uint64_t>(input.size() - available, 20));
    }
  }
}

}  // namespace
}  // namespace selvedge::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = std::as_bytes(std::span(data, size));
  selvedge::base::SeededRandom random(size);
  SELVEDGE_ASSERT(selvedge::wire::decode(input, &random) == selvedge::wire::decode(input, nullptr));
  return 0;
}
