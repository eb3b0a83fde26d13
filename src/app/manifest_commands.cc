#include <string>
#include <string_view>
#include <utility>

#include "app/internal/annotation_file.h"
#include "app/internal/manifest_parser.h"

namespace selvedge::app::internal {

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
  if (!is_manifest_item_name(command.name)) {
    return fail_at(file_, *table.find("name"), ErrorKind::kInvalid,
                   "command.name must consist of letters, digits, '-', '_' and '.'");
  }
  if (has_named(manifest_.commands, command.name)) {
    return fail_at(file_, *table.find("name"), ErrorKind::kInvalid,
                   "two commands are named \"{}\": rename one", command.name);
  }
  SELVEDGE_TRY(command.module, table.required_text("module"));
  SELVEDGE_TRY_VOID(find_module(node, command));
  SELVEDGE_TRY_VOID(runner(table, command));
  SELVEDGE_TRY_VOID(old_main_args(table, command));
  SELVEDGE_TRY(const toml::table* notes, table.table("annotations"));
  if (notes != nullptr) {
    SELVEDGE_TRY_VOID(annotations(*notes, table.path_of("annotations"), command));
  }
  table.finish();
  manifest_.commands.push_back(std::move(command));
  return {};
}

Result<> ManifestParser::find_module(const toml::table& node, ManifestCommand& command) {
  const toml::node& where = *node.get("module");
  const std::size_t colon = command.module.find(':');
  if (has_named(manifest_.modules, command.module)) {
    return {};
  }
  if (colon == std::string::npos) {
    return fail_at(file_, where, ErrorKind::kInvalid,
                   "command \"{}\" names the module \"{}\", which no [[module]] defines",
                   command.name, command.module);
  }
  const std::string package = command.module.substr(0, colon);
  command.module.erase(0, colon + 1);
  if (!has_named(manifest_.dependencies, package)) {
    return fail_at(file_, where, ErrorKind::kInvalid,
                   "command \"{}\" uses the package \"{}\", which [dependencies] does not declare",
                   command.name, package);
  }
  if (!is_manifest_item_name(command.module)) {
    return fail_at(file_, where, ErrorKind::kInvalid,
                   "command \"{}\" names no module of \"{}\": write \"{}:MODULE\"", command.name,
                   package, package);
  }
  command.dependency = package;
  return {};
}

Result<> ManifestParser::runner(TomlTable& table, ManifestCommand& command) {
  SELVEDGE_TRY(const auto text, table.text("runner"));
  if (!text.has_value()) {
    return {};
  }
  auto kind = parse_runner(*text);
  if (kind.has_value()) {
    command.runner = *kind;
    return {};
  }
  const toml::node& where = *table.find("runner");
  if (kind.error().kind() != ErrorKind::kUnsupported) {
    return fail_at(file_, where, kind.error().kind(), "{}", kind.error().message());
  }
  warn(where,
       fmt::format("the command \"{}\" cannot be run: {}", command.name, kind.error().message()));
  command.foreign_runner = text;
  return {};
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
  if (node.contains("file") && file_.positions == nullptr) {
    return annotations_of_file(table, command);
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
  without_effect(table, "emscripten", "there is no runner emscripten");
  table.finish();
  return {};
}

// `annotations = { file = "…", kind = "yaml" }`: the file says what the table would have said, and
// may not name another one.
Result<> ManifestParser::annotations_of_file(TomlTable& table, ManifestCommand& command) {
  SELVEDGE_TRY(const auto path, file(table, "file"));
  SELVEDGE_TRY(const auto kind, table.text("kind"));
  if (kind != "yaml" && kind != "json") {
    return fail_at(file_, kind.has_value() ? *table.find("kind") : table.node(),
                   ErrorKind::kInvalid, "{} must be \"yaml\" or \"json\"{}", table.path_of("kind"),
                   kind.has_value() ? fmt::format(", not \"{}\"", *kind) : "");
  }
  table.finish();
  auto text = read_file_ ? read_file_(*path)
                         : fail(ErrorKind::kNotFound, "there are no files beside the manifest");
  if (!text.has_value()) {
    return fail_at(file_, *table.find("file"), text.error().kind(), "{}: {}", table.path_of("file"),
                   text.error().message());
  }
  const std::string name =
      std::string(file_.name.substr(0, file_.name.rfind('/') + 1)).append(*path);
  SELVEDGE_TRY(const AnnotationDocument document,
               parse_annotations(
                   *text, kind == "yaml" ? AnnotationKind::kYaml : AnnotationKind::kJson, name));
  const std::string_view manifest_name = std::exchange(file_.name, name);
  file_.positions = &document.positions;
  auto read = annotations(document.table, "command.annotations", command);
  file_.name = manifest_name;
  file_.positions = nullptr;
  return read;
}

Result<> ManifestParser::wasi_annotation(TomlTable& table, ManifestCommand& command) {
  if (table.find("main-args") != nullptr) {
    SELVEDGE_TRY(command.main_args, table.texts("main-args"));
  }
  SELVEDGE_TRY(const auto env, table.texts("env"));
  for (const std::string& entry : env) {
    auto parsed = parse_environment_entry(entry);
    if (!parsed.has_value()) {
      warn(*table.find("env"),
           fmt::format("{}: {}; it is not used", table.path_of("env"), parsed.error().message()));
      continue;
    }
    command.env.push_back(*std::move(parsed));
  }
  SELVEDGE_TRY(command.exec_name, table.text("exec-name"));
  return wasi_module(table, command);
}

// `atom` and `package`: what `module` of the command says too.
Result<> ManifestParser::wasi_module(TomlTable& table, ManifestCommand& command) {
  SELVEDGE_TRY(const auto package, table.text("package"));
  if (package.has_value() && *package != manifest_.name) {
    if (!has_named(manifest_.dependencies, *package)) {
      return fail_at(
          file_, *table.find("package"), ErrorKind::kInvalid,
          "command \"{}\" uses the package \"{}\", which [dependencies] does not declare",
          command.name, *package);
    }
    command.dependency = package;
  }
  SELVEDGE_TRY(auto atom, table.text("atom"));
  if (!atom.has_value()) {
    return {};
  }
  if (!command.dependency.has_value() && !has_named(manifest_.modules, *atom)) {
    return fail_at(file_, *table.find("atom"), ErrorKind::kInvalid,
                   "command \"{}\" names the atom \"{}\", which no [[module]] defines",
                   command.name, *atom);
  }
  command.module = *std::move(atom);
  return {};
}

Result<> ManifestParser::wcgi_annotation(TomlTable& table, ManifestCommand& command) {
  SELVEDGE_TRY(const auto dialect, table.text("dialect"));
  if (!dialect.has_value() || *dialect == "rfc-3875") {
    return {};
  }
  const toml::node& where = *table.find("dialect");
  if (*dialect != "wcgi") {
    return fail_at(file_, where, ErrorKind::kInvalid,
                   "command \"{}\" has the wcgi dialect \"{}\"; write \"rfc-3875\"", command.name,
                   *dialect);
  }
  warn(where, fmt::format("{} \"wcgi\" has no effect here: requests come as RFC 3875 says",
                          table.path_of("dialect")));
  return {};
}

Result<> ManifestParser::check_entrypoint() {
  if (!manifest_.entrypoint.has_value() || !manifest_.dependencies.empty() ||
      has_named(manifest_.commands, *manifest_.entrypoint)) {
    return {};
  }
  return fail_at(file_, *entrypoint_node_, ErrorKind::kInvalid,
                 "package.entrypoint \"{}\" is not the name of a [[command]]",
                 *manifest_.entrypoint);
}

}  // namespace selvedge::app::internal
