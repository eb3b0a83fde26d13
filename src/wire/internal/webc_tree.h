#pragma once

// A tree of files in a package (a volume, or the atoms), from the bytes that describe it and to
// them.

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/webc.h"

namespace selvedge::wire::internal {

struct WebcTreeSource {
  WebcVersion version = WebcVersion::kV3;
  std::string_view name;            // for messages
  base::ByteSpan header;            // the records
  base::ByteSpan contents;          // where files lie
  std::uint64_t header_offset = 0;  // of `header` in the file, for messages
};

// Reads and validates the tree. `entries` counts against WebcLimits::entries_max and goes on from
// tree to tree. No loop and no sharing is possible: a record lies behind that of its directory, all
// records together are no longer than the header, all files no longer than the contents.
Result<WebcNode> read_tree(const WebcTreeSource& source, const WebcLimits& limits,
                           std::size_t& entries);

struct WebcTreeBytes {
  std::vector<std::byte> header;
  std::vector<base::ByteSpan> contents;  // of the files, in the order that they are to be written
  std::uint64_t contents_bytes = 0;
};

struct WebcTreeTarget {
  WebcVersion version = WebcVersion::kV3;
  std::string_view name;  // for messages
  Sha256Function sha256 = nullptr;
};

// The reverse. Children in any order; checked as the reader does. kUnsupported for a symbolic link
// in version 2, which has none.
Result<WebcTreeBytes> write_tree(const WebcNode& root, const WebcTreeTarget& target,
                                 const WebcLimits& limits, std::size_t& entries);

}  // namespace selvedge::wire::internal
