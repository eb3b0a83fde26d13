// What messages about keys and their types say.

#include <algorithm>

#include "base/edit_distance.h"
#include "node/internal/config_keys.h"

namespace selvedge::node::internal {
std::string_view type_name(ConfigType type) {
  switch (type) {
    case ConfigType::kText:
      return "a string";
    case ConfigType::kPath:
      return "a path (a string)";
    case ConfigType::kBoolean:
      return "true or false";
    case ConfigType::kInteger:
      return "an integer";
    case ConfigType::kBytes:
      return "a size (a string as \"64MiB\", or an integer)";
    case ConfigType::kDuration:
      return "a duration (a string as \"30s\")";
    case ConfigType::kTexts:
      return "an array of strings";
  }
  return {};
}

std::optional<std::string_view> nearest_key(std::string_view path) {
  constexpr std::size_t kNameBytesMax = 64;  // of what is compared
  constexpr std::size_t kDistanceMin = 2;
  if (path.size() > kNameBytesMax) {
    return std::nullopt;
  }
  std::optional<std::string_view> nearest;
  std::size_t nearest_distance = std::max(kDistanceMin, name_of(path).size() / 3) + 1;
  for (const ConfigKey& key : config_keys()) {
    // The right name in the wrong table is nearly right.
    const std::size_t elsewhere = base::edit_distance(name_of(path), name_of(key.path)) + 1;
    const std::size_t apart = std::min(base::edit_distance(path, key.path), elsewhere);
    if (apart < nearest_distance) {
      nearest_distance = apart;
      nearest = key.path;
    }
  }
  return nearest;
}

}  // namespace selvedge::node::internal
