// Documents of a directory or a bucket that somebody else may have written: any bytes are refused,
// or are exactly what the frame of their content is.

#include <algorithm>
#include <cstdint>
#include <span>

#include "base/assert.h"
#include "store/internal/document_frame.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace internal = selvedge::store::internal;
  const auto frame = std::as_bytes(std::span(data, size));
  const auto document = internal::parse_document(frame);
  if (document) {
    SELVEDGE_ASSERT(
        std::ranges::equal(internal::frame_document(document->write_id, document->bytes), frame));
    SELVEDGE_ASSERT(internal::parse_write_id(frame).has_value());
  }
  // What the hash keeps a fuzzer from finding: the content behind a right head.
  const auto whole = internal::frame_document("000102030405060708090a0b0c0d0e0f", frame);
  const auto parsed = internal::parse_document(whole);
  SELVEDGE_ASSERT(parsed && std::ranges::equal(parsed->bytes, frame));
  return 0;
}
