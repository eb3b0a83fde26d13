#include "store/key.h"

#include <algorithm>
#include <utility>

#include "base/format.h"
#include "base/log.h"

namespace selvedge::store {
namespace {

bool is_allowed(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '@' ||
         c == '+' || c == '-';
}

bool is_segment(std::string_view segment) noexcept {
  return !segment.empty() && segment.size() <= Key::kSegmentBytesMax && segment.front() != '.' &&
         std::ranges::all_of(segment, is_allowed);
}

}  // namespace

Result<Key> Key::parse(std::string_view text) {
  bool valid = text.size() <= kBytesMax;
  for (std::string_view rest = text; valid;) {
    const std::size_t slash = rest.find('/');
    valid = is_segment(rest.substr(0, slash));
    if (slash == std::string_view::npos) {
      break;
    }
    rest.remove_prefix(slash + 1);
  }
  if (!valid) {
    return fail_format(ErrorKind::kInvalid,
                       "`{}` is not a key: it has segments of a-z, 0-9, and . _ @ + - (not first a "
                       "dot) with / between, {} bytes each and {} in all at most",
                       log::escape(text, 64), kSegmentBytesMax, kBytesMax);
  }
  return Key(std::string(text));
}

Result<Key> Key::child(std::string_view segments) const {
  return parse(fmt::format("{}/{}", text_, segments));
}

bool Key::is_below(std::string_view folder) const noexcept {
  return text_.size() > folder.size() + 1 && text_.starts_with(folder) &&
         text_[folder.size()] == '/';
}

}  // namespace selvedge::store
