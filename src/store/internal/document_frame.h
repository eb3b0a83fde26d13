#pragma once

// How a document lies in a backend: one line of text, then the bytes. The line has a random number
// that no other write has, so that a state is never taken for an older one with the same bytes
// (also by S3, where the entity tag is a hash), and a write whose answer got lost is recognised;
// and the hash of number and bytes, so that damage is noticed.

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "base/result.h"

namespace selvedge::store::internal {

// 32 lower-case hexadecimal digits.
inline constexpr std::size_t kWriteIdBytes = 32;
inline constexpr std::string_view kFrameMagic = "selvedge-document-1 ";
// Magic, number, blank, hash, line feed.
inline constexpr std::size_t kFrameHeadBytes = kFrameMagic.size() + kWriteIdBytes + 1 + 64 + 1;

std::string make_write_id(base::Random& random);

std::vector<std::byte> frame_document(std::string_view write_id, base::ByteSpan bytes);

struct DocumentFrame {
  std::string write_id;
  base::ByteSpan bytes;  // inside the frame
};

// kInternal when this is not a whole document.
Result<DocumentFrame> parse_document(base::ByteSpan frame [[clang::lifetimebound]]);
// The number alone, of a frame's first kFrameHeadBytes; the bytes are not looked at.
Result<std::string> parse_write_id(base::ByteSpan head);

}  // namespace selvedge::store::internal
