#pragma once

// How parsers put a head into a HeaderList as a whole: one copy of its bytes and a table of spans.

#include <cstddef>
#include <span>
#include <string_view>

#include "wire/header.h"
#include "wire/internal/head_tokenizer.h"

namespace selvedge::wire::internal {

class FieldStore {
 public:
  // Replaces what `list` holds; `fields` point into `head` and were validated by the tokenizer.
  // False, and unspecified contents, when a name is longer than HeaderName::kBytesMax.
  static bool assign(HeaderList& list, std::string_view head, std::span<const FieldSpan> fields) {
    list.bytes_.assign(head);
    list.entries_.clear();
    for (const FieldSpan& field : fields) {
      if (field.name_size > HeaderName::kBytesMax) {
        return false;
      }
      list.entries_.push_back({.name_offset = field.name_offset,
                               .value_offset = field.value_offset,
                               .value_size = field.value_size,
                               .name_size = static_cast<std::uint16_t>(field.name_size)});
    }
    return true;
  }
  // Memory that the list keeps for the next head.
  static std::size_t kept_bytes(const HeaderList& list) noexcept { return list.bytes_.capacity(); }
};

}  // namespace selvedge::wire::internal
