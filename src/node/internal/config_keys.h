#pragma once

// The one table of what a node's configuration file may say.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "node/node.h"

namespace selvedge::node::internal {

enum class ConfigType : unsigned char {
  kText,
  kPath,
  kBoolean,
  kInteger,
  kBytes,
  kDuration,
  kTexts,
};

// In the order of ConfigType, but that a number of bytes is an integer too.
using ConfigValue = std::variant<std::string, std::filesystem::path, bool, std::uint64_t,
                                 base::Duration, std::vector<std::string>>;

enum class StoreKind : unsigned char { kDirectory, kS3 };

// What the file has said so far.
struct ConfigDraft {
  NodeOptions& options;
  std::optional<StoreKind> store_kind = std::nullopt;
  S3Location s3 = {};
  // What stands for kAnyName in the key that is being set.
  std::string name = {};
};

// The last part of a key's path whose name the user chooses: "publishers.OWNER".
inline constexpr std::string_view kAnyName = "OWNER";

struct ConfigKey {
  std::string_view path;  // with its table: "http.listen"
  ConfigType type;
  std::string_view fallback;     // what holds without it, for people
  std::string_view description;  // a sentence or two, Markdown
  std::string_view example;      // as it is written in TOML
  // The value has the key's type. Invalid: a sentence that begins with the value.
  Result<> (*set)(ConfigDraft& draft, const ConfigValue& value);
  // Of integers and bytes.
  std::uint64_t min = 0;
  std::uint64_t max = UINT64_MAX;
  // Of keys that can change while the node runs: takes the option over.
  void (*take)(NodeOptions& running, const NodeOptions& read) = nullptr;
};

// In the order of the reference: the keys of one table are together.
std::span<const ConfigKey> config_keys();
// The last of them: what is kept and how much (config_keys_resources.cc).
std::span<const ConfigKey> config_keys_of_resources();

// "http" of "http.listen"; empty for a key of the document.
inline std::string_view table_of(std::string_view path) {
  const std::size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : path.substr(0, dot);
}
// "listen" of "http.listen".
inline std::string_view name_of(std::string_view path) { return path.substr(path.rfind('.') + 1); }

// What people call the type.
std::string_view type_name(ConfigType type);

// The key whose path or last name is most like `path`, if any is.
std::optional<std::string_view> nearest_key(std::string_view path);

}  // namespace selvedge::node::internal
