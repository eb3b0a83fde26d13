#pragma once

// Header fields (RFC 9110 section 5) as types that prove their validity: bytes from a peer or a
// guest become a HeaderName or a HeaderValue once, and whatever is written into a message can then
// not split it.

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "wire/characters.h"

namespace selvedge::wire {

namespace internal {
class FieldStore;
}

// A field name: one or more token characters. A view: does not own its bytes. Compares without
// regard to case.
class HeaderName {
 public:
  static constexpr std::size_t kBytesMax = 256;

  // From a literal; an invalid one does not compile. Implicit, so that add("content-type",
  // "text/plain") reads well.
  template <std::size_t N>
  // NOLINTNEXTLINE(google-explicit-constructor): a literal that compiles is a valid name
  consteval HeaderName(const char (&literal)[N]) : text_(literal, N - 1) {
    if (!is_token(text_)) {
      invalid_literal();
    }
  }
  // kInvalid when `text` is empty, longer than kBytesMax or has a byte that is not a token
  // character.
  static Result<HeaderName> parse(std::string_view text [[clang::lifetimebound]]);

  std::string_view text() const noexcept { return text_; }
  friend bool operator==(HeaderName a, HeaderName b) noexcept {
    return equals_ignoring_case(a.text_, b.text_);
  }

 private:
  friend class HeaderList;
  static void invalid_literal();  // never defined: reached only by a literal that must not compile
  struct Trusted {};
  HeaderName(Trusted, std::string_view text) noexcept : text_(text) {}
  std::string_view text_;
};

// A field value: visible characters, space, tab and bytes from 0x80, with no white space at either
// end; may be empty. So it has no CR, LF or NUL. A view: does not own its bytes.
class HeaderValue {
 public:
  template <std::size_t N>
  // NOLINTNEXTLINE(google-explicit-constructor): a literal that compiles is a valid value
  consteval HeaderValue(const char (&literal)[N]) : text_(literal, N - 1) {
    if (!is_field_content(text_) || trim_optional_whitespace(text_).size() != text_.size()) {
      invalid_literal();
    }
  }
  // Drops spaces and tabs at both ends; kInvalid when a control character remains.
  static Result<HeaderValue> parse(std::string_view text [[clang::lifetimebound]]);

  std::string_view text() const noexcept { return text_; }

 private:
  friend class HeaderList;
  static void invalid_literal();
  struct Trusted {};
  HeaderValue(Trusted, std::string_view text) noexcept : text_(text) {}
  std::string_view text_;
};

struct Header {
  HeaderName name;
  HeaderValue value;
};

// Fields in the order of arrival, duplicates kept. Owns one block of bytes and one table, and keeps
// both when cleared, so that a connection parses request after request without allocating.
class HeaderList {
 public:
  class Iterator;

  void add(HeaderName name, HeaderValue value);
  void add_number(HeaderName name, std::uint64_t value);
  // Replaces every field of that name.
  void set(HeaderName name, HeaderValue value);
  // Returns how many were removed.
  std::size_t remove(HeaderName name);
  void clear() noexcept;

  // The first field of that name.
  std::optional<std::string_view> find(HeaderName name) const noexcept [[clang::lifetimebound]];
  std::size_t count(HeaderName name) const noexcept;
  bool contains(HeaderName name) const noexcept { return find(name).has_value(); }

  std::size_t size() const noexcept { return entries_.size(); }
  bool empty() const noexcept { return entries_.empty(); }
  // Precondition: index < size(). The views are good until the list changes.
  Header operator[](std::size_t index) const noexcept [[clang::lifetimebound]];
  Iterator begin() const noexcept [[clang::lifetimebound]];
  Iterator end() const noexcept [[clang::lifetimebound]];

 private:
  friend class internal::FieldStore;
  struct Entry {
    std::uint32_t name_offset;
    std::uint32_t value_offset;
    std::uint32_t value_size;
    std::uint16_t name_size;
  };
  std::string bytes_;
  std::vector<Entry> entries_;
};

class HeaderList::Iterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = Header;
  using difference_type = std::ptrdiff_t;
  using pointer = void;
  using reference = Header;

  Iterator(const HeaderList& list, std::size_t index) noexcept : list_(&list), index_(index) {}
  Header operator*() const noexcept { return (*list_)[index_]; }
  Iterator& operator++() noexcept {
    ++index_;
    return *this;
  }
  friend bool operator==(const Iterator& a, const Iterator& b) noexcept {
    return a.index_ == b.index_;
  }

 private:
  const HeaderList* list_;
  std::size_t index_;
};

// True for fields that concern one connection only (RFC 9110 section 7.6.1): connection,
// keep-alive, proxy-connection, te, trailer, transfer-encoding, upgrade. A `connection` field may
// name more.
bool is_hop_by_hop(HeaderName name) noexcept;

}  // namespace selvedge::wire
