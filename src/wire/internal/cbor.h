#pragma once

// The part of CBOR (RFC 8949) that a webc index is written in: integers, byte and text strings and
// maps of definite length. Bounded; a cursor's first error is sticky and later reads yield zero or
// nothing, so that a parser reads straight on and looks at ok() before it believes.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace selvedge::wire::internal {

class CborCursor {
 public:
  explicit CborCursor(base::ByteSpan data [[clang::lifetimebound]]) noexcept : data_(data) {}

  bool ok() const noexcept { return ok_; }
  // Of the item that was read last, or that is wrong.
  std::size_t position() const noexcept { return item_; }
  void fail() noexcept { ok_ = false; }

  std::uint64_t read_unsigned() noexcept;
  base::ByteSpan read_bytes() noexcept;
  std::string_view read_text() noexcept;  // not checked for UTF-8
  // The number of pairs that follow. A loop over them ends early when ok() is false.
  std::uint64_t read_map() noexcept;
  // Passes over one item of any kind.
  void skip() noexcept;

 private:
  struct Head {
    unsigned major = 0;
    std::uint64_t argument = 0;
  };
  Head read_head() noexcept;
  std::uint64_t expect(unsigned major) noexcept;
  base::ByteSpan take(std::uint64_t count) noexcept;

  base::ByteSpan data_;
  std::size_t position_ = 0;
  std::size_t item_ = 0;
  bool ok_ = true;
};

// Appends items in their shortest form.
class CborAppender {
 public:
  explicit CborAppender(std::vector<std::byte>& out [[clang::lifetimebound]]) noexcept
      : out_(out) {}

  void add_unsigned(std::uint64_t value);
  void add_bytes(base::ByteSpan bytes);
  void add_text(std::string_view text);
  void add_map(std::uint64_t pairs);

 private:
  void add_head(unsigned major, std::uint64_t argument);

  std::vector<std::byte>& out_;
};

}  // namespace selvedge::wire::internal
