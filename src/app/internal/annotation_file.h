#pragma once

// A file of annotations that a command of wasmer.toml names, as the table that the manifest could
// have held in its place.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "app/internal/toml_reader.h"
#include "base/result.h"

namespace selvedge::app::internal {

inline constexpr std::size_t kAnnotationDepthMax = 16;
inline constexpr std::size_t kAnnotationValuesMax = 16'384;  // with those behind YAML's aliases

enum class AnnotationKind : std::uint8_t { kYaml, kJson };

// The nodes of `table` have no source of their own: `positions` says where they are. Both move
// together without losing each other.
struct AnnotationDocument {
  toml::table table;
  TomlPositions positions;
};

// `file_name` is only for messages. Values without content (null) are left out, as if their key
// were not there. Invalid, with file:line:column: not of that kind, not a mapping, a key twice, or
// beyond the limits above.
Result<AnnotationDocument> parse_annotations(std::string_view text, AnnotationKind kind,
                                             std::string_view file_name);

}  // namespace selvedge::app::internal
