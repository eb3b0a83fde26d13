#include "app/manifest.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "app/internal/manifest_parser.h"
#include "base/format.h"

namespace selvedge::app {
namespace internal {
namespace {

constexpr std::size_t kNameBytesMax = 256;

}  // namespace

bool stays_inside(std::string_view path) noexcept {
  if (path.empty() || path.front() == '/') {
    return false;
  }
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    if (path.substr(0, slash) == "..") {
      return false;
    }
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  }
  return true;
}

bool is_manifest_item_name(std::string_view text) noexcept {
  const auto ordinary = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !text.empty() && text.size() <= kNameBytesMax && text.front() != '.' &&
         text.front() != '-' && std::ranges::all_of(text, ordinary);
}

Result<> ManifestParser::package(TomlTable& root) {
  SELVEDGE_TRY(const toml::table* node, root.table("package"));
  if (node == nullptr) {
    return {};
  }
  TomlTable table(file_, *node, "package");
  SELVEDGE_TRY(auto name, table.text("name"));
  if (name.has_value()) {
    if (!is_manifest_name(*name, /*owner_needed=*/false)) {
      return fail_at(file_, *table.find("name"), ErrorKind::kInvalid,
                     "package.name must be \"owner/name\" of letters, digits, '-', '_' and '.'");
    }
    manifest_.name = *std::move(name);
  }
  SELVEDGE_TRY(auto version, table.text("version"));
  manifest_.version = std::move(version).value_or("");
  SELVEDGE_TRY_VOID(description(table));
  SELVEDGE_TRY(manifest_.entrypoint, table.text("entrypoint"));
  entrypoint_node_ = table.find("entrypoint");
  for (const auto* key :
       {"wasmer-extra-flags", "disable-command-rename", "rename-commands-to-raw-command-name"}) {
    without_effect(table, key, "it is deprecated, and commands keep their names");
  }
  table.finish();
  return {};
}

Result<> ManifestParser::description(TomlTable& table) {
  SELVEDGE_TRY(auto description, table.text("description"));
  manifest_.description = std::move(description).value_or("");
  SELVEDGE_TRY(manifest_.license, table.text("license"));
  SELVEDGE_TRY(manifest_.license_file, file(table, "license-file"));
  SELVEDGE_TRY(manifest_.readme, file(table, "readme"));
  SELVEDGE_TRY(manifest_.repository, table.text("repository"));
  SELVEDGE_TRY(manifest_.homepage, table.text("homepage"));
  SELVEDGE_TRY(const auto is_private, table.boolean("private"));
  manifest_.is_private = is_private.value_or(false);
  return {};
}

// A file of the package's folder.
Result<std::optional<std::string>> ManifestParser::file(TomlTable& table, std::string_view key) {
  SELVEDGE_TRY(auto path, table.text(key));
  if (path.has_value() && !stays_inside(*path)) {
    return fail_at(file_, *table.find(key), ErrorKind::kInvalid,
                   "{} must name a file inside the package, not \"{}\"", table.path_of(key), *path);
  }
  return path;
}

Result<> ManifestParser::dependencies(TomlTable& root) {
  SELVEDGE_TRY(const toml::table* node, root.table("dependencies"));
  if (node == nullptr) {
    return {};
  }
  if (node->size() > kManifestDependenciesMax) {
    return fail_at(file_, *node, ErrorKind::kInvalid, "more than {} dependencies",
                   kManifestDependenciesMax);
  }
  TomlTable table(file_, *node, "dependencies");
  for (const auto& [key, value] : *node) {
    if (!is_manifest_name(key.str(), /*owner_needed=*/true)) {
      return fail_at(file_, value, ErrorKind::kInvalid,
                     "the dependency \"{}\" must be named \"owner/name\"", key.str());
    }
    SELVEDGE_TRY(auto version, table.text(key.str()));
    manifest_.dependencies.push_back({.name = std::string(key.str()),
                                      .version = std::move(version).value_or(""),
                                      .line = line_of(value)});
  }
  return {};
}

Result<> ManifestParser::mounts(TomlTable& root) {
  SELVEDGE_TRY(const toml::table* node, root.table("fs"));
  if (node == nullptr) {
    return {};
  }
  if (node->size() > kManifestMountsMax) {
    return fail_at(file_, *node, ErrorKind::kInvalid, "more than {} entries in [fs]",
                   kManifestMountsMax);
  }
  TomlTable table(file_, *node, "fs");
  for (const auto& [key, value] : *node) {
    SELVEDGE_TRY(auto host, table.required_text(key.str()));
    auto guest = normalise_guest_path(key.str().starts_with('/') ? std::string(key.str())
                                                                 : "/" + std::string(key.str()));
    if (!guest.has_value()) {
      return fail_at(file_, value, ErrorKind::kInvalid, "fs.\"{}\": {}", key.str(),
                     guest.error().message());
    }
    if (!stays_inside(host)) {
      return fail_at(file_, value, ErrorKind::kInvalid,
                     "fs.\"{}\" must name a folder inside the package, not \"{}\" (mount others "
                     "with --dir HOST::GUEST)",
                     key.str(), host);
    }
    manifest_.mounts.push_back(
        {.guest = *std::move(guest), .host = std::move(host), .line = line_of(value)});
  }
  // toml++ sorts keys; a later mount may lie inside an earlier one, so the file's order counts.
  std::ranges::sort(manifest_.mounts, {},
                    [](const ManifestMount& mount) { return std::tie(mount.line, mount.guest); });
  std::set<std::string_view> seen;
  for (const ManifestMount& mount : manifest_.mounts) {
    if (!seen.insert(mount.guest).second) {
      return fail_format(ErrorKind::kInvalid, "{}:{}:1: two [fs] entries mount \"{}\"", file_.name,
                         mount.line, mount.guest);
    }
  }
  return {};
}

Result<> ManifestParser::modules(TomlTable& root) {
  SELVEDGE_TRY(const auto nodes, root.tables("module"));
  if (nodes.size() > kManifestModulesMax) {
    return fail_at(file_, *nodes.back(), ErrorKind::kInvalid, "more than {} modules",
                   kManifestModulesMax);
  }
  for (const toml::table* node : nodes) {
    SELVEDGE_TRY_VOID(module(*node));
  }
  return {};
}

Result<> ManifestParser::module(const toml::table& node) {
  TomlTable table(file_, node, "module");
  ManifestModule module;
  module.line = line_of(node);
  SELVEDGE_TRY(module.name, table.required_text("name"));
  if (!is_manifest_item_name(module.name)) {
    return fail_at(file_, *table.find("name"), ErrorKind::kInvalid,
                   "module.name must consist of letters, digits, '-', '_' and '.'");
  }
  if (has_named(manifest_.modules, module.name)) {
    return fail_at(file_, *table.find("name"), ErrorKind::kInvalid,
                   "two modules are named \"{}\": rename one", module.name);
  }
  SELVEDGE_TRY(module.source, table.required_text("source"));
  if (!stays_inside(module.source)) {
    return fail_at(file_, *table.find("source"), ErrorKind::kInvalid,
                   "module.source must name a file inside the package, not \"{}\"", module.source);
  }
  SELVEDGE_TRY(const auto abi, table.text("abi"));
  const std::string abi_name = abi.value_or("wasi");
  if (abi_name == "none" && table.find("interfaces") == nullptr &&
      table.find("bindings") == nullptr) {
    return fail_at(file_, *table.find("abi"), ErrorKind::kInvalid,
                   "module \"{}\" has abi \"none\" and no interfaces: write abi = \"wasi\"",
                   module.name);
  }
  if (abi_name == "emscripten" || abi_name == "wasm4") {
    warn(*table.find("abi"), fmt::format("module.abi \"{}\" has no effect here: only modules for "
                                         "WASI can be run",
                                         abi_name));
  } else if (abi_name != "wasi" && abi_name != "none") {
    return fail_at(file_, *table.find("abi"), ErrorKind::kInvalid,
                   "module.abi must be \"wasi\", not \"{}\"", abi_name);
  }
  without_effect(table, "interfaces", "what a module imports is read from the module");
  without_effect(table, "kind", "what a module is for is read from the module");
  without_effect(table, "bindings", "they are for tools that generate code");
  table.finish();
  manifest_.modules.push_back(std::move(module));
  return {};
}

}  // namespace internal

bool is_manifest_name(std::string_view text, bool owner_needed) noexcept {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) {
    return !owner_needed && internal::is_manifest_item_name(text);
  }
  return internal::is_manifest_item_name(text.substr(0, slash)) &&
         internal::is_manifest_item_name(text.substr(slash + 1));
}

std::string_view to_string(RunnerKind runner) noexcept {
  return runner == RunnerKind::kWasi ? "wasi" : "wcgi";
}

Result<RunnerKind> parse_runner(std::string_view text) {
  constexpr std::string_view kPrefix = "https://webc.org/runner/";
  const std::string_view name = text.starts_with(kPrefix) ? text.substr(kPrefix.size()) : text;
  if (name == "wasi") {
    return RunnerKind::kWasi;
  }
  if (name == "wcgi") {
    return RunnerKind::kWcgi;
  }
  for (const std::string_view known : {"dcgi", "dproxy", "emscripten"}) {
    if (name == known) {
      return fail_format(ErrorKind::kUnsupported,
                         "the runner \"{}\" is not supported; \"wasi\" and \"wcgi\" are", name);
    }
  }
  return fail_format(ErrorKind::kInvalid, "\"{}\" is not a runner: write \"wasi\" or \"wcgi\"",
                     text);
}

Result<std::pair<std::string, std::string>> parse_environment_entry(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return fail_format(ErrorKind::kInvalid, "\"{}\" is not an environment entry: write NAME=VALUE",
                       text);
  }
  if (text.find('\0') != std::string_view::npos) {
    return fail(ErrorKind::kInvalid, "an environment entry must not contain a NUL character");
  }
  return std::pair(std::string(text.substr(0, equals)), std::string(text.substr(equals + 1)));
}

Result<std::string> normalise_guest_path(std::string_view path) {
  if (!path.starts_with('/') || path.find('\0') != std::string_view::npos) {
    return fail_format(ErrorKind::kInvalid, "the guest path \"{}\" must be absolute", path);
  }
  std::string out;
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(part.size());
    if (part == "..") {
      return fail(ErrorKind::kInvalid, "the guest path must not contain \"..\"");
    }
    if (!part.empty() && part != ".") {
      out.append("/").append(part);
    }
  }
  return out.empty() ? "/" : out;
}

Result<Manifest> parse_manifest(std::string_view text, std::string_view file_name,
                                const ManifestFileReader& read_file) {
  if (text.size() > kManifestBytesMax) {
    return fail_format(ErrorKind::kInvalid, "{}: the manifest is larger than {} KiB", file_name,
                       kManifestBytesMax / 1024);
  }
  const toml::parse_result parsed = toml::parse(text, file_name);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    return fail_format(ErrorKind::kInvalid, "{}:{}:{}: {}", file_name, error.source().begin.line,
                       error.source().begin.column, error.description());
  }
  return internal::ManifestParser(file_name, parsed.table(), read_file).parse();
}

}  // namespace selvedge::app
