#pragma once

// Typed access to one TOML table that remembers which keys were asked for, so that what is left
// over can be reported. The only includer of toml++.

#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_WINDOWS_COMPAT 0
// toml++ asserts, and in release assumes, what a malformed document makes false ("[!]"): without
// both it reports such a document as it does others.
#pragma push_macro("NDEBUG")
#undef NDEBUG
#define TOML_ASSERT(condition) static_cast<void>(0)
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "app/manifest.h"
#include "base/format.h"
#include "base/result.h"

namespace selvedge::app::internal {

// What all readers of one file share. `manifest` collects warnings and unknown keys.
struct TomlFile {
  std::string_view name;
  Manifest& manifest;
};

inline std::string position(const TomlFile& file, const toml::node& node) {
  return fmt::format("{}:{}:{}", file.name, node.source().begin.line, node.source().begin.column);
}
inline std::uint32_t line_of(const toml::node& node) { return node.source().begin.line; }

template <class... Args>
std::unexpected<Error> fail_at(const TomlFile& file, const toml::node& node, ErrorKind kind,
                               fmt::format_string<Args...> format, Args&&... args) {
  return fail(Error(kind, fmt::format("{}: {}", position(file, node),
                                      fmt::format(format, std::forward<Args>(args)...))));
}

class TomlTable {
 public:
  // `path`: the dotted path of the table, empty for the document. Both arguments outlive this.
  TomlTable(TomlFile& file, const toml::table& table, std::string path)
      : file_(file), table_(table), path_(std::move(path)) {}

  const toml::table& node() const noexcept { return table_; }
  // The value of a key as it is, or null; marks the key as known.
  const toml::node* find(std::string_view key);
  Result<std::optional<std::string>> text(std::string_view key);
  Result<std::string> required_text(std::string_view key);
  // A list of strings; empty when the key is absent.
  Result<std::vector<std::string>> texts(std::string_view key);
  Result<const toml::table*> table(std::string_view key);                // null when absent
  Result<std::vector<const toml::table*>> tables(std::string_view key);  // [[key]]
  // Marks a key as known whose value this version has no use for.
  void ignore(std::string_view key) { known_.emplace(key); }
  // Warns of every key that nobody asked for and keeps it.
  void finish();
  std::string path_of(std::string_view key) const {
    return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
  }

 private:
  TomlFile& file_;
  const toml::table& table_;
  std::string path_;
  std::set<std::string, std::less<>> known_;
};

}  // namespace selvedge::app::internal
