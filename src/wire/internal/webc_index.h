#pragma once

// The index of a webc file: where its sections are, and their checksums.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/webc.h"

namespace selvedge::wire::internal {

struct WebcSpan {
  std::uint64_t start = 0;  // of the section with its header, from the beginning of the file
  std::uint64_t length = 0;
};

struct WebcIndexEntry {
  WebcSpan span;
  std::optional<base::ByteSpan> checksum;  // SHA-256 of the section's data; none: not stated
};

struct WebcIndexVolume {
  std::string_view name;
  WebcIndexEntry entry;
};

struct WebcIndex {
  WebcIndexEntry manifest;
  WebcIndexEntry atoms;
  std::vector<WebcIndexVolume> volumes;
};

// `cbor` may end in padding; `offset` is where it begins in the file, for messages. Spans are not
// checked. kInvalid; kUnsupported for another checksum than SHA-256 or a signature; kOverloaded.
Result<WebcIndex> decode_index(base::ByteSpan cbor, std::uint64_t offset, const WebcLimits& limits);

// With `shift` added to every start.
std::vector<std::byte> encode_index(const WebcIndex& index, std::uint64_t shift);

}  // namespace selvedge::wire::internal
