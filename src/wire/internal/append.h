#pragma once

// How writers of heads append: all pieces of a line with one look at the room.

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace selvedge::wire::internal {

// Appends the pieces, which do not lie in `out`, one behind the other.
template <class... Pieces>
void append(std::string& out, const Pieces&... pieces) {
  const std::size_t before = out.size();
  const std::size_t after = (before + ... + std::string_view(pieces).size());
  // What libstdc++ 12 says the size is may be the capacity.
  out.resize_and_overwrite(after, [&](char* data, std::size_t /*size*/) noexcept {
    char* at = data + before;
    const auto put = [&at](std::string_view piece) noexcept {
      if (!piece.empty()) {
        std::memcpy(at, piece.data(), piece.size());
        at += piece.size();
      }
    };
    (put(pieces), ...);
    return after;
  });
}

// A field's line.
inline void append_field(std::string& out, std::string_view name, std::string_view value) {
  append(out, name, ": ", value, "\r\n");
}

}  // namespace selvedge::wire::internal
