#pragma once

// The parser of wasmer.toml: package, folders and modules in manifest.cc, commands in
// manifest_commands.cc.

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/internal/toml_reader.h"
#include "app/manifest.h"
#include "base/format.h"
#include "base/result.h"

namespace selvedge::app::internal {

// A path of a package's file: relative, and not out of the folder by its words.
bool stays_inside(std::string_view path) noexcept;

// Of modules and commands.
bool is_manifest_item_name(std::string_view text) noexcept;

// Whether `items` (modules, commands, dependencies) has one of that name.
template <class Item>
bool has_named(const std::vector<Item>& items, std::string_view name) {
  return std::ranges::find(items, name, &Item::name) != items.end();
}

class ManifestParser {
 public:
  ManifestParser(std::string_view file_name, const toml::table& document,
                 const ManifestFileReader& read_file)
      : document_(document),
        read_file_(read_file),
        file_{.name = file_name, .manifest = manifest_} {}

  Result<Manifest> parse() {
    TomlTable root(file_, document_, "");
    SELVEDGE_TRY_VOID(package(root));
    SELVEDGE_TRY_VOID(dependencies(root));
    SELVEDGE_TRY_VOID(mounts(root));
    SELVEDGE_TRY_VOID(modules(root));
    SELVEDGE_TRY_VOID(commands(root));
    SELVEDGE_TRY_VOID(check_entrypoint());
    root.finish();
    return std::move(manifest_);
  }

 private:
  Result<> package(TomlTable& root);
  Result<> description(TomlTable& table);
  Result<std::optional<std::string>> file(TomlTable& table, std::string_view key);
  Result<> dependencies(TomlTable& root);
  Result<> mounts(TomlTable& root);
  Result<> modules(TomlTable& root);
  Result<> module(const toml::table& node);
  Result<> commands(TomlTable& root);
  Result<> command(const toml::table& node);
  Result<> old_main_args(TomlTable& table, ManifestCommand& command);
  Result<> find_module(const toml::table& node, ManifestCommand& command);
  Result<> runner(TomlTable& table, ManifestCommand& command);
  Result<> annotations(const toml::table& node, const std::string& path, ManifestCommand& command);
  Result<> annotations_of_file(TomlTable& table, ManifestCommand& command);
  Result<> wasi_annotation(TomlTable& table, ManifestCommand& command);
  Result<> wasi_module(TomlTable& table, ManifestCommand& command);
  Result<> wcgi_annotation(TomlTable& table, ManifestCommand& command);
  Result<> check_entrypoint();
  void warn(const toml::node& node, std::string_view text) {
    manifest_.warnings.push_back(fmt::format("{}: {}", position(file_, node), text));
  }
  // Marks a key as known, and warns when it is there.
  void without_effect(TomlTable& table, std::string_view key, std::string_view reason) {
    if (const toml::node* const node = table.find(key); node != nullptr) {
      warn(*node, fmt::format("{} has no effect here: {}", table.path_of(key), reason));
    }
  }

  const toml::table& document_;
  const ManifestFileReader& read_file_;
  Manifest manifest_;
  TomlFile file_;
  const toml::node* entrypoint_node_ = nullptr;
};

}  // namespace selvedge::app::internal
