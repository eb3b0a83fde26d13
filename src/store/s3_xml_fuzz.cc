// Answers of an S3 server: any bytes are parsed or refused, and what is accepted can be used as it
// is in keys, headers and lines of the log.

#include <cstdint>
#include <span>

#include "base/assert.h"
#include "store/internal/s3_xml.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace internal = selvedge::store::internal;
  const auto xml = std::as_bytes(std::span(data, size));
  if (const auto list = internal::parse_list_answer(xml)) {
    for (const auto& entry : list->entries) {
      SELVEDGE_ASSERT(!entry.key.empty() && internal::is_safe_etag(entry.etag));
    }
  }
  if (const auto id = internal::parse_upload_id(xml)) {
    SELVEDGE_ASSERT(!id->empty());
  }
  if (const auto uploads = internal::parse_uploads_answer(xml)) {
    for (const auto& upload : *uploads) {
      SELVEDGE_ASSERT(!upload.key.empty() && !upload.id.empty());
    }
  }
  const auto error = internal::parse_error_answer(xml);
  for (const char c : error.code + error.message) {
    SELVEDGE_ASSERT(c != '\n' && c != '\r' && c != '\x1b');
  }
  return 0;
}
