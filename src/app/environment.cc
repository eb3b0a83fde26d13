#include "app/environment.h"

#include <string_view>
#include <unordered_map>

namespace selvedge::app {

Environment merge_environments(const Environment& first, const Environment& second) {
  Environment merged;
  merged.reserve(first.size() + second.size());
  std::unordered_map<std::string_view, std::size_t> places;
  for (const Environment* source : {&first, &second}) {
    for (const auto& [name, value] : *source) {
      const auto [place, is_new] = places.try_emplace(name, merged.size());
      if (is_new) {
        merged.emplace_back(name, value);
      } else {
        merged[place->second].second = value;
      }
    }
  }
  return merged;
}

EnvironmentBlock environment_block(const Environment& environment) {
  EnvironmentBlock block;
  block.reserve(environment.size());
  for (const auto& [name, value] : environment) {
    std::string& entry = block.emplace_back();
    entry.reserve(name.size() + 1 + value.size());
    entry.append(name).append(1, '=').append(value);
  }
  return block;
}

}  // namespace selvedge::app
