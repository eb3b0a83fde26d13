#include <charconv>

#include "base/format.h"
#include "cli/platform_options.h"

namespace selvedge::cli {

Result<app::VersionWeight> parse_version_weight(std::string_view text) {
  app::VersionWeight made;
  const char* const end = text.data() + text.size();
  auto parsed = std::from_chars(text.data(), end, made.version);
  bool valid = parsed.ec == std::errc();
  if (valid && parsed.ptr != end) {
    valid = *parsed.ptr == '=';
    parsed = std::from_chars(parsed.ptr + 1, end, made.weight);
    valid = valid && parsed.ec == std::errc() && parsed.ptr == end;
  }
  if (!valid) {
    return fail_format(ErrorKind::kInvalid,
                       "\"{}\" is not a version: write for example 3, or 2=90 3=10", text);
  }
  return made;
}

}  // namespace selvedge::cli
