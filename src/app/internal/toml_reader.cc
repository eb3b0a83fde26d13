#include "app/internal/toml_reader.h"

#include <algorithm>

namespace selvedge::app::internal {
namespace {

std::string_view type_name(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a float";
    case toml::node_type::boolean:
      return "a boolean";
    default:
      return "a date";
  }
}

Result<std::string> to_text(const TomlFile& file, const toml::node& node, std::string_view what) {
  const auto* value = node.as_string();
  if (value == nullptr) {
    return fail_at(file, node, ErrorKind::kInvalid, "{} must be a string, not {}", what,
                   type_name(node));
  }
  if (value->get().find('\0') != std::string::npos) {
    return fail_at(file, node, ErrorKind::kInvalid, "{} must not contain a NUL character", what);
  }
  return value->get();
}

std::string position(std::string_view file_name, const toml::source_position& at) {
  return fmt::format("{}:{}:{}", file_name, at.line, at.column);
}

}  // namespace

std::string position(const TomlFile& file, const toml::node& node) {
  if (file.positions != nullptr) {
    if (const auto found = file.positions->find(&node); found != file.positions->end()) {
      return fmt::format("{}:{}:{}", file.name, found->second.line, found->second.column);
    }
  }
  return position(file.name, node.source().begin);
}

std::string position(const TomlFile& file, const toml::key& key, const toml::node& value) {
  return file.positions != nullptr ? position(file, value)
                                   : position(file.name, key.source().begin);
}

const toml::node* TomlTable::find(std::string_view key) {
  known_.emplace(key);
  return table_.get(key);
}

Result<std::optional<std::string>> TomlTable::text(std::string_view key) {
  const toml::node* node = find(key);
  if (node == nullptr) {
    return std::optional<std::string>();
  }
  SELVEDGE_TRY(auto value, to_text(file_, *node, path_of(key)));
  return std::optional(std::move(value));
}

Result<std::optional<bool>> TomlTable::boolean(std::string_view key) {
  const toml::node* node = find(key);
  if (node == nullptr) {
    return std::optional<bool>();
  }
  const auto* value = node->as_boolean();
  if (value == nullptr) {
    return fail_at(file_, *node, ErrorKind::kInvalid, "{} must be true or false, not {}",
                   path_of(key), type_name(*node));
  }
  return std::optional(value->get());
}

Result<std::string> TomlTable::required_text(std::string_view key) {
  SELVEDGE_TRY(auto value, text(key));
  if (!value.has_value() || value->empty()) {
    return fail_at(file_, table_, ErrorKind::kInvalid, "{} is missing: add {} = \"…\"",
                   path_of(key), key);
  }
  return *std::move(value);
}

Result<std::vector<std::string>> TomlTable::texts(std::string_view key) {
  const toml::node* node = find(key);
  if (node == nullptr) {
    return std::vector<std::string>();
  }
  const auto* array = node->as_array();
  if (array == nullptr) {
    return fail_at(file_, *node, ErrorKind::kInvalid, "{} must be an array of strings, not {}",
                   path_of(key), type_name(*node));
  }
  if (array->size() > kManifestListMax) {
    return fail_at(file_, *node, ErrorKind::kInvalid, "{} has more than {} items", path_of(key),
                   kManifestListMax);
  }
  std::vector<std::string> values;
  for (const auto& item : *array) {
    SELVEDGE_TRY(auto value, to_text(file_, item, "every item of " + path_of(key)));
    values.push_back(std::move(value));
  }
  return values;
}

Result<const toml::table*> TomlTable::table(std::string_view key) {
  const toml::node* node = find(key);
  if (node != nullptr && !node->is_table()) {
    return fail_at(file_, *node, ErrorKind::kInvalid, "{} must be a table ([{}]), not {}",
                   path_of(key), path_of(key), type_name(*node));
  }
  return node == nullptr ? nullptr : node->as_table();
}

Result<std::vector<const toml::table*>> TomlTable::tables(std::string_view key) {
  const toml::node* node = find(key);
  std::vector<const toml::table*> values;
  if (node == nullptr) {
    return values;
  }
  if (node->is_table()) {
    file_.manifest.warnings.push_back(fmt::format("{}: [{}] is one of a list: write [[{}]]",
                                                  position(file_, *node), path_of(key),
                                                  path_of(key)));
    return std::vector{node->as_table()};
  }
  if (!node->is_array()) {
    return fail_at(file_, *node, ErrorKind::kInvalid,
                   "{} must be written [[{}]] (an array of tables), not {}", path_of(key),
                   path_of(key), type_name(*node));
  }
  for (const auto& item : *node->as_array()) {
    if (!item.is_table()) {
      return fail_at(file_, item, ErrorKind::kInvalid, "every [[{}]] must be a table, not {}",
                     path_of(key), type_name(item));
    }
    values.push_back(item.as_table());
  }
  return values;
}

void TomlTable::finish() {
  for (const auto& [key, value] : table_) {
    if (known_.contains(key.str())) {
      continue;
    }
    const std::string path = path_of(key.str());
    file_.manifest.unknown.push_back(path);
    file_.manifest.warnings.push_back(
        fmt::format("{}: unknown key {} is not used", position(file_, key, value), path));
  }
}

}  // namespace selvedge::app::internal
