#include "wire/semver.h"

#include <cstdint>

#include <native.h>

namespace selvedge::wire {
namespace {

// What is too long is empty, which is malformed too.
native::Bytes to_native(std::string_view text) noexcept {
  if (text.size() > kSemverBytesMax) {
    text = {};
  }
  return {.data = reinterpret_cast<const std::uint8_t*>(text.data()), .size = text.size()};
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
