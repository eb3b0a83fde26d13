#include "node/node_config.h"

#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_WINDOWS_COMPAT 0
#include <toml++/toml.h>

#include <algorithm>
#include <map>

#include "base/format.h"
#include "base/quantity.h"
#include "node/internal/config_keys.h"

namespace selvedge::node {
namespace {

using internal::ConfigDraft;
using internal::ConfigKey;
using internal::ConfigType;
using internal::ConfigValue;

// Equal for equal values.
std::string as_text(const ConfigValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    return *text;
  }
  if (const auto* path = std::get_if<std::filesystem::path>(&value)) {
    return path->string();
  }
  if (const auto* duration = std::get_if<base::Duration>(&value)) {
    return fmt::format("{}", duration->count());
  }
  if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) {
    return fmt::format("{}", fmt::join(*texts, "\n"));
  }
  const auto* flag = std::get_if<bool>(&value);
  return flag != nullptr ? fmt::format("{}", *flag)
                         : fmt::format("{}", std::get<std::uint64_t>(value));
}

bool is_table(std::string_view path) {
  return std::ranges::any_of(internal::config_keys(), [path](const ConfigKey& key) {
    const std::string_view table = internal::table_of(key.path);
    return table == path || (table.starts_with(path) && table[path.size()] == '.');
  });
}

class ConfigReader {
 public:
  ConfigReader(std::string_view name, const std::filesystem::path& folder, NodeOptions& options)
      : name_(name), folder_(folder), draft_{.options = options} {}

  Result<> read(const toml::table& document) {
    SELVEDGE_TRY_VOID(read_table(document, ""));
    return finish();
  }

 private:
  std::string position(const toml::source_region& region) const {
    return fmt::format("{}:{}:{}", name_, region.begin.line, region.begin.column);
  }
  std::unexpected<Error> fail_at(const toml::source_region& region,
                                 std::string_view sentence) const {
    return fail_format(ErrorKind::kInvalid, "{}: {}", position(region), sentence);
  }

  Result<> read_table(const toml::table& table, const std::string& prefix) {
    for (const auto& [key, node] : table) {
      const std::string path = prefix + std::string(key.str());
      const auto keys = internal::config_keys();
      auto known = std::ranges::find(keys, path, &ConfigKey::path);
      if (known == keys.end()) {
        known = std::ranges::find(keys, prefix + std::string(internal::kAnyName), &ConfigKey::path);
        draft_.name = key.str();
      }
      if (known != keys.end()) {
        SELVEDGE_TRY(const ConfigValue value, value_of(node, *known));
        if (auto set = known->set(draft_, value); !set.has_value()) {
          return fail_at(node.source(), fmt::format("{}: {}", path, set.error().message()));
        }
        seen_.emplace(path, key.source());
        // Keys of chosen names are one, whose text is that of all of them.
        std::string& written = draft_.options.written[std::string(known->path)];
        written = known->path == path ? as_text(value)
                                      : fmt::format("{}{} {}\n", written, path, as_text(value));
        continue;
      }
      if (!is_table(path)) {
        const auto nearest = internal::nearest_key(path);
        return fail_at(key.source(),
                       nearest.has_value()
                           ? fmt::format("unknown key {}: did you mean {}?", path, *nearest)
                           : fmt::format("unknown key {} (docs/node-config.md has all)", path));
      }
      if (!node.is_table()) {
        return fail_at(node.source(), fmt::format("{} must be a table ([{}])", path, path));
      }
      seen_.emplace(path, key.source());
      SELVEDGE_TRY_VOID(read_table(*node.as_table(), path + "."));
    }
    return {};
  }

  Result<ConfigValue> value_of(const toml::node& node, const ConfigKey& key) const {
    const auto wrong = [&] {
      return fail_at(node.source(),
                     fmt::format("{} must be {}", key.path, internal::type_name(key.type)));
    };
    if (key.type == ConfigType::kBoolean) {
      const auto* value = node.as_boolean();
      return value != nullptr ? Result<ConfigValue>(value->get()) : wrong();
    }
    if (const auto* integer = node.as_integer();
        integer != nullptr &&
        (key.type == ConfigType::kInteger || key.type == ConfigType::kBytes)) {
      return number(node, key, integer->get());
    }
    if (key.type == ConfigType::kTexts) {
      return texts(node, key);
    }
    const auto* text = node.as_string();
    if (text == nullptr || key.type == ConfigType::kInteger) {
      return wrong();
    }
    return from_text(node, key, text->get());
  }

  Result<ConfigValue> texts(const toml::node& node, const ConfigKey& key) const {
    std::vector<std::string> values;
    if (const auto* array = node.as_array(); array != nullptr) {
      for (const toml::node& item : *array) {
        if (const auto* text = item.as_string(); text != nullptr) {
          values.push_back(text->get());
        }
      }
      if (values.size() == array->size()) {
        return ConfigValue(std::move(values));
      }
    }
    return fail_at(node.source(),
                   fmt::format("{} must be {}", key.path, internal::type_name(key.type)));
  }

  Result<ConfigValue> from_text(const toml::node& node, const ConfigKey& key,
                                const std::string& text) const {
    if (text.empty() || text.find('\0') != std::string::npos) {
      return fail_at(node.source(), fmt::format("{} must not be empty", key.path));
    }
    switch (key.type) {
      case ConfigType::kPath:
        return ConfigValue(folder_ / text);
      case ConfigType::kBytes: {
        const auto bytes = base::parse_bytes(text);
        return bytes.has_value()
                   ? number(node, key,
                            static_cast<std::int64_t>(std::min<std::uint64_t>(*bytes, INT64_MAX)))
                   : fail_at(node.source(),
                             fmt::format("{}: {}", key.path, bytes.error().message()));
      }
      case ConfigType::kDuration: {
        const auto duration = base::parse_duration(text);
        return duration.has_value()
                   ? Result<ConfigValue>(*duration)
                   : fail_at(node.source(),
                             fmt::format("{}: {}", key.path, duration.error().message()));
      }
      default:
        return ConfigValue(text);
    }
  }

  Result<ConfigValue> number(const toml::node& node, const ConfigKey& key,
                             std::int64_t value) const {
    if (value < 0 || static_cast<std::uint64_t>(value) < key.min ||
        static_cast<std::uint64_t>(value) > key.max) {
      return fail_at(node.source(), fmt::format("{} must be {} to {}", key.path, key.min, key.max));
    }
    return ConfigValue(static_cast<std::uint64_t>(value));
  }

  // What concerns several keys.
  Result<> finish() {
    using internal::StoreKind;
    for (const auto& [key, needed] : {std::pair("admin.certificate_file", "admin.listen"),
                                      std::pair("admin.key_file", "admin.certificate_file"),
                                      std::pair("http.proxy_headers", "http.trusted_proxies")}) {
      if (const auto given = seen_.find(key); given != seen_.end() && !seen_.contains(needed)) {
        return fail_at(given->second, fmt::format("{} is of no use without {}", key, needed));
      }
    }
    const auto s3 = seen_.find("store.s3");
    const auto path = seen_.find("store.path");
    const StoreKind kind =
        draft_.store_kind.value_or(s3 != seen_.end() ? StoreKind::kS3 : StoreKind::kDirectory);
    if (kind == StoreKind::kDirectory) {
      return s3 == seen_.end()
                 ? Result<>()
                 : fail_at(s3->second, "[store.s3] is for store.kind = \"s3\", not \"directory\"");
    }
    if (path != seen_.end()) {
      return fail_at(path->second, "store.path is for store.kind = \"directory\", not \"s3\"");
    }
    const toml::source_region& where = s3 != seen_.end() ? s3->second : seen_.at("store.kind");
    for (const std::string_view needed : {"store.s3.endpoint", "store.s3.bucket"}) {
      if (!seen_.contains(needed)) {
        return fail_at(where, fmt::format("{} is missing: add {} = \"…\" to [store.s3]", needed,
                                          internal::name_of(needed)));
      }
    }
    if (seen_.contains("store.s3.access_key_file") != seen_.contains("store.s3.secret_key_file")) {
      return fail_at(where,
                     "store.s3.access_key_file and secret_key_file go together: add the other one");
    }
    draft_.options.s3 = std::move(draft_.s3);
    return {};
  }

  std::string_view name_;
  const std::filesystem::path& folder_;
  ConfigDraft draft_;
  std::map<std::string, toml::source_region, std::less<>> seen_;
};

constexpr std::string_view kIntroduction = R"(# Configuration of a node

`selvedge node --config FILE` reads this file, in [TOML](https://toml.io). Every key may be left
out; options of the command line win over the file. A key that is not listed here is an error.
Relative paths are taken from the folder of the file.

This page is generated from the table in `src/node/internal/config_keys.cc`.

```toml
)";

}  // namespace

Result<> read_node_config(std::string_view text, std::string_view name,
                          const std::filesystem::path& folder, NodeOptions& options) {
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    return fail_format(ErrorKind::kInvalid, "{}:{}:{}: {}", name, error.source().begin.line,
                       error.source().begin.column, error.description());
  }
  return ConfigReader(name, folder, options).read(parsed.table());
}

ConfigChanges take_changes(NodeOptions& running, const NodeOptions& read) {
  ConfigChanges changes;
  for (const ConfigKey& key : internal::config_keys()) {
    const auto old = running.written.find(key.path);
    const auto now = read.written.find(key.path);
    const bool was = old != running.written.end();
    const bool is = now != read.written.end();
    if (was == is && (!is || old->second == now->second)) {
      continue;
    }
    if (key.take == nullptr) {
      changes.later.emplace_back(key.path);
      continue;
    }
    changes.now.emplace_back(key.path);
    key.take(running, read);
    if (is) {
      running.written[std::string(key.path)] = now->second;
    } else {
      running.written.erase(old);
    }
  }
  return changes;
}

std::string node_config_reference() {
  std::string text(kIntroduction);
  std::string_view table;
  for (const ConfigKey& key : internal::config_keys()) {
    if (internal::table_of(key.path) != table) {
      table = internal::table_of(key.path);
      text += fmt::format("\n[{}]\n", table);
    }
    text += fmt::format("{} = {}\n", internal::name_of(key.path), key.example);
  }
  text +=
      "```\n\n(`store.path` and `[store.s3]` exclude each other.)\n\n"
      "SIGHUP (`systemctl reload selvedge`) has the file read anew. What is marked ↻ takes effect "
      "at "
      "once; the rest with a restart, which SIGUSR2 does without a lost request. A file with an "
      "error changes nothing.\n\n"
      "| key | type | without it | what it says |\n|---|---|---|---|\n";
  for (const ConfigKey& key : internal::config_keys()) {
    std::string type(internal::type_name(key.type));
    if (key.type == ConfigType::kInteger) {
      type += fmt::format(", {} to {}", key.min, key.max);
    }
    text += fmt::format("| `{}`{} | {} | {} | {} |\n", key.path, key.take != nullptr ? " ↻" : "",
                        type, key.fallback, key.description);
  }
  return text;
}

}  // namespace selvedge::node
