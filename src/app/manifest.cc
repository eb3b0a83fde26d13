#include "app/manifest.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "app/internal/toml_reader.h"
#include "base/format.h"

namespace selvedge::app {
namespace {

using internal::fail_at;
using internal::line_of;
using internal::TomlFile;
using internal::TomlTable;

constexpr std::size_t kNameBytesMax = 256;

bool is_name(std::string_view text) {
  const auto ordinary = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !text.empty() && text.size() <= kNameBytesMax && text.front() != '.' &&
         text.front() != '-' && std::ranges::all_of(text, ordinary);
}

// A path of a package's file: relative, and not out of the folder.
bool stays_inside(std::string_view path) {
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

// Whether `items` (modules, commands, dependencies) has one of that name.
template <class Item>
bool has_named(const std::vector<Item>& items, std::string_view name) {
  return std::ranges::find(items, name, &Item::name) != items.end();
}

class ManifestParser {
 public:
  ManifestParser(std::string_view file_name, const toml::table& document)
      : document_(document), file_{.name = file_name, .manifest = manifest_} {}

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
  Result<> dependencies(TomlTable& root);
  Result<> mounts(TomlTable& root);
  Result<> modules(TomlTable& root);
  Result<> module(const toml::table& node);
  Result<> commands(TomlTable& root);
  Result<> command(const toml::table& node);
  Result<> old_main_args(TomlTable& table, ManifestCommand& command);
  Result<> check_command_module(const toml::table& node, const ManifestCommand& command);
  Result<> annotations(const toml::table& node, const std::string& path, ManifestCommand& command);
  Result<> wasi_annotation(TomlTable& table, ManifestCommand& command);
  Result<> wcgi_annotation(TomlTable& table, ManifestCommand& command);
  Result<> check_entrypoint();
  void warn(const toml::node& node, std::string_view text) {
    manifest_.warnings.push_back(fmt::format("{}: {}", internal::position(file_, node), text));
  }

  const toml::table& document_;
  Manifest manifest_;
  TomlFile file_;
  const toml::node* entrypoint_node_ = nullptr;
};

Result<> ManifestParser::package(TomlTable& root) {
  SELVEDGE_TRY(const toml::table* node, root.table("package"));
  if (node == nullptr) {
    return {};
  }
  TomlTable table(file_, *node, "package");
  SELVEDGE_TRY(auto name, table.text("name"));
  if (name.has_value()) {
    const std::size_t slash = name->find('/');
    const bool valid = slash == std::string::npos
                           ? is_name(*name)
                           : is_name(std::string_view(*name).substr(0, slash)) &&
                                 is_name(std::string_view(*name).substr(slash + 1));
    if (!valid) {
      return fail_at(file_, *table.find("name"), ErrorKind::kInvalid,
                     "package.name must be \"owner/name\" of letters, digits, '-', '_' and '.'");
    }
    manifest_.name = *std::move(name);
  }
  SELVEDGE_TRY(auto version, table.text("version"));
  manifest_.version = std::move(version).value_or("");
  SELVEDGE_TRY(auto description, table.text("description"));
  manifest_.description = std::move(description).value_or("");
  SELVEDGE_TRY(manifest_.entrypoint, table.text("entrypoint"));
  entrypoint_node_ = table.find("entrypoint");
  for (const auto* key :
       {"license", "license-file", "readme", "repository", "homepage", "private",
        "wasmer-extra-flags", "disable-command-rename", "rename-commands-to-raw-command-name"}) {
    table.ignore(key);
  }
  table.finish();
  return {};
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
  if (!is_name(module.name)) {
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
  const toml::node* interfaces = table.find("interfaces");
  const std::string abi_name = abi.value_or("wasi");
  if (abi_name == "none" && interfaces == nullptr) {
    return fail_at(file_, *table.find("abi"), ErrorKind::kInvalid,
                   "module \"{}\" has abi \"none\" and no interfaces: write abi = \"wasi\"",
                   module.name);
  }
  if (abi_name == "emscripten" || abi_name == "wasm4") {
    return fail_at(file_, *table.find("abi"), ErrorKind::kUnsupported,
                   "module \"{}\" has abi \"{}\"; only \"wasi\" is supported", module.name,
                   abi_name);
  }
  if (abi_name != "wasi" && abi_name != "none") {
    return fail_at(file_, *table.find("abi"), ErrorKind::kInvalid,
                   "module.abi must be \"wasi\", not \"{}\"", abi_name);
  }
  table.ignore("kind");
  table.ignore("bindings");
  table.finish();
  manifest_.modules.push_back(std::move(module));
  return {};
}

Result<> ManifestParser::commands(TomlTable& root) {
  SELVEDGE_TRY(const auto nodes, root.tables("command"));
  if (nodes.size() > kManifestCommandsMax) {
    return fail_at(file_, *nodes.back(), ErrorKind::kInvalid, "more than {} commands",
                   kManifestCommandsMax);
  }
  for (const toml::table* node : nodes) {
    SELVEDGE_TRY_VOID(command(*node));
  }
  return {};
}

Result<> ManifestParser::command(const toml::table& node) {
  TomlTable table(file_, node, "command");
  ManifestCommand command;
  command.line = line_of(node);
  SELVEDGE_TRY(command.name, table.required_text("name"));
  if (!is_name(command.name)) {
    return fail_at(file_, *table.find("name"), ErrorKind::kInvalid,
                   "command.name must consist of letters, digits, '-', '_' and '.'");
  }
  if (has_named(manifest_.commands, command.name)) {
    return fail_at(file_, *table.find("name"), ErrorKind::kInvalid,
                   "two commands are named \"{}\": rename one", command.name);
  }
  SELVEDGE_TRY(command.module, table.required_text("module"));
  SELVEDGE_TRY_VOID(check_command_module(node, command));
  SELVEDGE_TRY(const auto runner, table.text("runner"));
  if (runner.has_value()) {
    auto kind = parse_runner(*runner);
    if (!kind.has_value()) {
      return fail_at(file_, *table.find("runner"), kind.error().kind(), "{}",
                     kind.error().message());
    }
    command.runner = *kind;
  }
  SELVEDGE_TRY_VOID(old_main_args(table, command));
  SELVEDGE_TRY(const toml::table* notes, table.table("annotations"));
  if (notes != nullptr) {
    SELVEDGE_TRY_VOID(annotations(*notes, table.path_of("annotations"), command));
  }
  table.finish();
  manifest_.commands.push_back(std::move(command));
  return {};
}

Result<> ManifestParser::check_command_module(const toml::table& node,
                                              const ManifestCommand& command) {
  const toml::node& where = *node.get("module");
  if (has_named(manifest_.modules, command.module)) {
    return {};
  }
  const std::size_t colon = command.module.find(':');
  if (colon == std::string::npos) {
    return fail_at(file_, where, ErrorKind::kInvalid,
                   "command \"{}\" names the module \"{}\", which no [[module]] defines",
                   command.name, command.module);
  }
  const std::string package = command.module.substr(0, colon);
  if (!has_named(manifest_.dependencies, package)) {
    return fail_at(file_, where, ErrorKind::kInvalid,
                   "command \"{}\" uses the package \"{}\", which [dependencies] does not declare",
                   command.name, package);
  }
  return fail_at(file_, where, ErrorKind::kUnsupported,
                 "command \"{}\" runs a module of the package \"{}\": packages from a registry are "
                 "not supported yet; put the .wasm file into this folder as a [[module]]",
                 command.name, package);
}

// `main_args`, the deprecated form: one string, split at blanks, before annotations existed.
Result<> ManifestParser::old_main_args(TomlTable& table, ManifestCommand& command) {
  const toml::node* old = table.find("main_args");
  if (old == nullptr) {
    return {};
  }
  SELVEDGE_TRY(const auto text, table.text("main_args"));
  std::string_view rest = *text;
  while (!rest.empty()) {
    const std::size_t blank = rest.find_first_of(" \t");
    if (blank != 0) {
      command.main_args.emplace_back(rest.substr(0, blank));
    }
    rest = blank == std::string_view::npos ? std::string_view() : rest.substr(blank + 1);
  }
  warn(*old,
       "command.main_args is deprecated: write main-args = […] in "
       "[command.annotations.wasi]");
  return {};
}

Result<> ManifestParser::annotations(const toml::table& node, const std::string& path,
                                     ManifestCommand& command) {
  TomlTable table(file_, node, path);
  if (const toml::node* external = node.get("file"); external != nullptr) {
    return fail_at(file_, *external, ErrorKind::kUnsupported,
                   "annotations from a file are not supported: write them as "
                   "[command.annotations.wasi] in this manifest");
  }
  for (const std::string_view key : {"wasi", "wcgi"}) {
    SELVEDGE_TRY(const toml::table* section, table.table(key));
    if (section == nullptr) {
      continue;
    }
    TomlTable inner(file_, *section, table.path_of(key));
    SELVEDGE_TRY_VOID(key == "wasi" ? wasi_annotation(inner, command)
                                    : wcgi_annotation(inner, command));
    inner.finish();
  }
  table.finish();
  return {};
}

Result<> ManifestParser::wasi_annotation(TomlTable& table, ManifestCommand& command) {
  if (table.find("main-args") != nullptr) {
    SELVEDGE_TRY(command.main_args, table.texts("main-args"));
  }
  SELVEDGE_TRY(const auto env, table.texts("env"));
  for (const std::string& entry : env) {
    auto parsed = parse_environment_entry(entry);
    if (!parsed.has_value()) {
      return fail_at(file_, *table.find("env"), ErrorKind::kInvalid, "{}: {}", table.path_of("env"),
                     parsed.error().message());
    }
    command.env.push_back(*std::move(parsed));
  }
  SELVEDGE_TRY(command.exec_name, table.text("exec-name"));
  SELVEDGE_TRY(const auto package, table.text("package"));
  if (package.has_value() && *package != manifest_.name) {
    return fail_at(file_, *table.find("package"), ErrorKind::kUnsupported,
                   "command \"{}\" takes its atom from the package \"{}\": packages from a "
                   "registry are not supported yet",
                   command.name, *package);
  }
  SELVEDGE_TRY(auto atom, table.text("atom"));
  if (atom.has_value()) {
    if (!has_named(manifest_.modules, *atom)) {
      return fail_at(file_, *table.find("atom"), ErrorKind::kInvalid,
                     "command \"{}\" names the atom \"{}\", which no [[module]] defines",
                     command.name, *atom);
    }
    command.module = *std::move(atom);
  }
  return {};
}

Result<> ManifestParser::wcgi_annotation(TomlTable& table, ManifestCommand& command) {
  SELVEDGE_TRY(const auto dialect, table.text("dialect"));
  if (dialect.has_value() && *dialect != "rfc-3875") {
    return fail_at(file_, *table.find("dialect"),
                   *dialect == "wcgi" ? ErrorKind::kUnsupported : ErrorKind::kInvalid,
                   "command \"{}\" has the wcgi dialect \"{}\"; only \"rfc-3875\" is supported",
                   command.name, *dialect);
  }
  return {};
}

Result<> ManifestParser::check_entrypoint() {
  if (!manifest_.entrypoint.has_value() || has_named(manifest_.commands, *manifest_.entrypoint)) {
    return {};
  }
  return fail_at(file_, *entrypoint_node_, ErrorKind::kInvalid,
                 "package.entrypoint \"{}\" is not the name of a [[command]]",
                 *manifest_.entrypoint);
}

}  // namespace

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

Result<Manifest> parse_manifest(std::string_view text, std::string_view file_name) {
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
  return ManifestParser(file_name, parsed.table()).parse();
}

}  // namespace selvedge::app
