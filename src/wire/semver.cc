#include "wire/semver.h"

#include "wire/internal/native_text.h"

namespace selvedge::wire {
namespace {

// What is too long is empty, which is malformed too.
native::Bytes to_native(std::string_view text) noexcept {
  return internal::to_native(text.size() > kSemverBytesMax ? std::string_view() : text);
}

}  // namespace

bool is_semver(std::string_view text) noexcept {
  return native::selvedge_semver_is_version(to_native(text));
}

bool is_semver_range(std::string_view text) noexcept {
  return native::selvedge_semver_is_range(to_native(text));
}

bool semver_matches(std::string_view range, std::string_view version) noexcept {
  return native::selvedge_semver_matches(to_native(range), to_native(version));
}

int compare_semver(std::string_view left, std::string_view right) noexcept {
  return native::selvedge_semver_compare(to_native(left), to_native(right));
}

}  // namespace selvedge::wire
