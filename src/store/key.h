#pragma once

// The name of something in a store: a path of segments, such as `apps/hello/active`. The alphabet
// is small enough that every file system and every S3 server keeps two keys apart and sorts them
// alike: lower case only, nothing that is escaped, hidden or special.

#include <compare>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace selvedge::store {

class Key {
 public:
  static constexpr std::size_t kBytesMax = 512;
  static constexpr std::size_t kSegmentBytesMax = 128;

  // 1 to kBytesMax bytes: segments of 1 to kSegmentBytesMax bytes out of [a-z0-9._@+-], not
  // beginning with ".", joined by "/". Else kInvalid.
  static Result<Key> parse(std::string_view text);

  // This key as a folder, and `segments` (one or more, joined by "/") in it.
  Result<Key> child(std::string_view segments) const;

  const std::string& text() const noexcept [[clang::lifetimebound]] { return text_; }
  // Whether this key lies in `folder`, at any depth.
  bool is_below(std::string_view folder) const noexcept;

  // In the order of their bytes, as stores list them.
  friend auto operator<=>(const Key&, const Key&) noexcept = default;

 private:
  explicit Key(std::string text) noexcept : text_(std::move(text)) {}

  std::string text_;
};

}  // namespace selvedge::store
