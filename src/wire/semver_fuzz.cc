// Versions and ranges from manifests of anywhere: two versions are ordered one way only, and a
// range has only versions.

#include <cstdint>
#include <span>
#include <string_view>

#include "base/assert.h"
#include "base/bytes.h"
#include "wire/semver.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using selvedge::wire::compare_semver;
  using selvedge::wire::is_semver;
  using selvedge::wire::is_semver_range;
  using selvedge::wire::semver_matches;
  const std::string_view text = selvedge::base::as_text(std::as_bytes(std::span(data, size)));
  const std::size_t line = text.find('\n');
  const std::string_view left = text.substr(0, line);
  const std::string_view right =
      line == std::string_view::npos ? std::string_view() : text.substr(line + 1);
  const int order = compare_semver(left, right);
  SELVEDGE_ASSERT((order < 0) == (compare_semver(right, left) > 0));
  SELVEDGE_ASSERT(compare_semver(left, left) == 0);
  if (semver_matches(left, right)) {
    SELVEDGE_ASSERT(is_semver_range(left) && is_semver(right));
  }
  return 0;
}
