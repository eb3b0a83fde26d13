#pragma once

// Typed access to one YAML mapping that remembers which keys were asked for, so that what is left
// over can be reported. The only includer of yaml-cpp, whose exceptions end here.

#include <yaml-cpp/yaml.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "app/environment.h"
#include "app/manifest.h"
#include "base/clock.h"
#include "base/format.h"
#include "base/result.h"

namespace selvedge::app::internal {

inline constexpr std::size_t kYamlItemsMax = 4096;  // of one mapping or list

// What all readers of one file share; collects unknown keys and warnings.
struct YamlFile {
  std::string_view name;
  std::vector<std::string>& unknown;
  std::vector<std::string>& warnings;
};

std::string position(const YamlFile& file, const YAML::Node& node);

template <class... Args>
std::unexpected<Error> fail_at(const YamlFile& file, const YAML::Node& node, ErrorKind kind,
                               fmt::format_string<Args...> format, Args&&... args) {
  return fail(Error(kind, fmt::format("{}: {}", position(file, node),
                                      fmt::format(format, std::forward<Args>(args)...))));
}

// The only document of `text`. Invalid, with file:line:column.
Result<YAML::Node> parse_yaml(std::string_view text, std::string_view file_name);

// Absent keys, and keys without a value, are nullopt or empty. Errors are Invalid, with
// file:line:column and what to write instead.
class YamlMap {
 public:
  // `path`: the dotted path of the mapping, empty for the document. `file` outlives this. Invalid
  // when the node is not a mapping, has too many keys, or one twice.
  static Result<YamlMap> open(YamlFile& file, const YAML::Node& node, std::string path);

  const YAML::Node& node() const noexcept { return node_; }
  const std::string& path() const noexcept { return path_; }
  // Marks the key as known.
  std::optional<YAML::Node> find(std::string_view key);
  Result<std::optional<std::string>> text(std::string_view key);
  Result<std::optional<bool>> boolean(std::string_view key);
  Result<std::optional<std::uint64_t>> integer(std::string_view key, std::uint64_t min,
                                               std::uint64_t max);
  Result<std::optional<base::Duration>> duration(std::string_view key);
  Result<std::optional<std::uint64_t>> bytes(std::string_view key);
  Result<std::vector<std::string>> texts(std::string_view key);
  Result<std::optional<YamlMap>> map(std::string_view key);
  Result<std::vector<YamlMap>> maps(std::string_view key);
  // A mapping of names to scalars.
  Result<Environment> environment(std::string_view key);

  // Marks a key as known that says nothing to us.
  void ignore(std::string_view key) { known_.emplace(key); }
  // Likewise, and warns when it is there: "<key> has no effect here: <reason>".
  void without_effect(std::string_view key, std::string_view reason);
  // Warns of every key that nobody asked for and keeps it.
  void finish();
  std::string path_of(std::string_view key) const {
    return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
  }

 private:
  YamlMap(YamlFile& file, const YAML::Node& node, std::string path)
      : file_(&file), node_(node), path_(std::move(path)) {}

  YamlFile* file_;
  YAML::Node node_;
  std::string path_;
  std::set<std::string, std::less<>> known_;
};

}  // namespace selvedge::app::internal
