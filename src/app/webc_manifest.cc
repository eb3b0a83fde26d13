#include "app/webc_manifest.h"

#include <algorithm>
#include <array>

#include "app/internal/webc_value.h"
#include "base/format.h"

namespace selvedge::app {
namespace {

using internal::WebcTable;
using internal::WebcValue;

constexpr std::string_view kHashScheme = "sha256:";

template <class... Args>
std::unexpected<Error> invalid(fmt::format_string<Args...> format, Args&&... args) {
  return fail_format(ErrorKind::kInvalid, "the package's manifest: {}",
                     fmt::format(format, std::forward<Args>(args)...));
}

template <class Item>
bool has_named(const std::vector<Item>& items, std::string_view name) {
  return std::ranges::find(items, name, &Item::name) != items.end();
}

class Parser {
 public:
  Result<WebcManifest> parse(const WebcValue& document) {
    if (!document.is_object()) {
      return invalid("it must be a map");
    }
    WebcTable root(manifest_, document, {});
    SELVEDGE_TRY_VOID(dependencies(root));
    SELVEDGE_TRY_VOID(package(root));
    SELVEDGE_TRY_VOID(atoms(root));
    SELVEDGE_TRY_VOID(commands(root));
    if (root.find("bindings") != nullptr) {
      root.keep("bindings");  // descriptions for other tools
    }
    SELVEDGE_TRY(manifest_.entrypoint, root.text("entrypoint"));
    if (manifest_.entrypoint.has_value() && !has_named(manifest_.commands, *manifest_.entrypoint)) {
      return invalid("entrypoint \"{}\" is not the name of a command", *manifest_.entrypoint);
    }
    root.finish();
    return std::move(manifest_);
  }

 private:
  // The maps under `key`, by name.
  Result<std::vector<std::pair<std::string, WebcTable>>> tables(WebcTable& table,
                                                                std::string_view key,
                                                                std::size_t max) {
    std::vector<std::pair<std::string, WebcTable>> tables;
    SELVEDGE_TRY(const WebcValue* map, table.map(key));
    if (map == nullptr) {
      return tables;
    }
    if (map->size() > max) {
      return invalid("more than {} {}", max, key);
    }
    const WebcTable around(manifest_, *map, table.path_to(key));
    for (const auto& [name, value] : map->items()) {
      if (name.empty() || name.contains('\0')) {
        return invalid("a name in {} is empty or has a NUL", key);
      }
      if (!value.is_object()) {
        return invalid("{} must be a map", around.path_of(name));
      }
      tables.emplace_back(name, WebcTable(manifest_, value, around.path_to(name)));
    }
    return tables;
  }

  Result<> dependencies(WebcTable& root) {
    SELVEDGE_TRY(const WebcValue* map, root.map("use"));
    if (map == nullptr) {
      return {};
    }
    if (map->size() > kManifestDependenciesMax) {
      return invalid("more than {} dependencies", kManifestDependenciesMax);
    }
    WebcTable table(manifest_, *map, root.path_to("use"));
    for (const auto& [name, value] : map->items()) {
      if (name.empty()) {
        return invalid("a name in use is empty");
      }
      if (value.is_object()) {  // the manifest of a package that lies inside this one
        continue;
      }
      SELVEDGE_TRY(auto specifier, table.required_text(name));
      manifest_.dependencies.push_back({.name = name, .specifier = std::move(specifier)});
    }
    table.finish();
    return {};
  }

  Result<> package(WebcTable& root) {
    SELVEDGE_TRY(const WebcValue* map, root.map("package"));
    if (map == nullptr) {
      return {};
    }
    WebcTable table(manifest_, *map, root.path_to("package"));
    SELVEDGE_TRY(const WebcValue* wapm, table.map("wapm"));
    if (wapm != nullptr) {
      WebcTable inner(manifest_, *wapm, table.path_to("wapm"));
      SELVEDGE_TRY_VOID(description(inner));
    }
    SELVEDGE_TRY_VOID(mounts(table));
    table.finish();
    return {};
  }

  Result<> description(WebcTable& wapm) {
    SELVEDGE_TRY(auto name, wapm.text("name"));
    manifest_.name = std::move(name).value_or("");
    SELVEDGE_TRY(auto version, wapm.text("version"));
    manifest_.version = std::move(version).value_or("");
    SELVEDGE_TRY(auto description, wapm.text("description"));
    manifest_.description = std::move(description).value_or("");
    SELVEDGE_TRY(manifest_.license, wapm.text("license"));
    SELVEDGE_TRY(manifest_.license_file, file(wapm, "license-file"));
    SELVEDGE_TRY(manifest_.readme, file(wapm, "readme"));
    SELVEDGE_TRY(manifest_.repository, wapm.text("repository"));
    SELVEDGE_TRY(manifest_.homepage, wapm.text("homepage"));
    SELVEDGE_TRY(manifest_.is_private, wapm.boolean("private"));
    wapm.finish();
    return {};
  }

  Result<std::optional<WebcFile>> file(WebcTable& table, std::string_view key) {
    SELVEDGE_TRY(const WebcValue* map, table.map(key));
    if (map == nullptr) {
      return std::nullopt;
    }
    WebcTable inner(manifest_, *map, table.path_to(key));
    WebcFile file;
    SELVEDGE_TRY(file.volume, inner.required_text("volume"));
    SELVEDGE_TRY(file.path, inner.required_text("path"));
    inner.finish();
    return file;
  }

  Result<> mounts(WebcTable& package) {
    SELVEDGE_TRY(const WebcValue* list, package.list("fs"));
    if (list == nullptr) {
      return {};
    }
    if (list->size() > kManifestMountsMax) {
      return invalid("more than {} mounts", kManifestMountsMax);
    }
    for (std::size_t i = 0; i < list->size(); ++i) {
      std::vector<std::string> path = package.path_to("fs");
      path.push_back(fmt::format("{}", i));
      if (!(*list)[i].is_object()) {
        return invalid("package.fs.{} must be a map", i);
      }
      WebcTable table(manifest_, (*list)[i], std::move(path));
      SELVEDGE_TRY_VOID(mount(table));
    }
    return {};
  }

  Result<> mount(WebcTable& table) {
    WebcMount mount;
    SELVEDGE_TRY(mount.from, table.text("from"));
    if (mount.from.has_value() && !has_named(manifest_.dependencies, *mount.from)) {
      return invalid("{} names \"{}\", which is not among the dependencies", table.path_of("from"),
                     *mount.from);
    }
    SELVEDGE_TRY(mount.volume, table.required_text("volume_name"));
    SELVEDGE_TRY(mount.host_path, table.text("host_path"));
    SELVEDGE_TRY(auto original, table.text("original_path"));  // the same, in older packages
    if (!mount.host_path.has_value()) {
      mount.host_path = std::move(original);
    }
    SELVEDGE_TRY(const std::string guest, table.required_text("mount_path"));
    auto normalised = normalise_guest_path(guest.starts_with('/') ? guest : "/" + guest);
    if (!normalised) {
      return invalid("{}: {}", table.path_of("mount_path"), normalised.error().message());
    }
    mount.guest = *std::move(normalised);
    if (std::ranges::find(manifest_.mounts, mount.guest, &WebcMount::guest) !=
        manifest_.mounts.end()) {
      manifest_.warnings.push_back(
          fmt::format("the package's manifest: \"{}\" is mounted twice", mount.guest));
    }
    table.finish();
    manifest_.mounts.push_back(std::move(mount));
    return {};
  }

  Result<> atoms(WebcTable& root) {
    SELVEDGE_TRY(auto tables, this->tables(root, "atoms", kManifestModulesMax));
    for (auto& [name, table] : tables) {
      WebcAtom atom;
      atom.name = name;
      SELVEDGE_TRY(atom.kind, table.required_text("kind"));
      SELVEDGE_TRY(atom.signature, table.required_text("signature"));
      SELVEDGE_TRY(auto annotations, this->tables(table, "annotations", kWebcManifestKeysMax));
      for (auto& [key, inner] : annotations) {
        if (key == "wasm") {
          SELVEDGE_TRY(atom.features, inner.texts("features"));
        }
        inner.finish();
      }
      table.finish();
      manifest_.atoms.push_back(std::move(atom));
    }
    return {};
  }

  Result<> commands(WebcTable& root) {
    SELVEDGE_TRY(auto tables, this->tables(root, "commands", kManifestCommandsMax));
    for (auto& [name, table] : tables) {
      WebcCommand command;
      command.name = name;
      SELVEDGE_TRY(command.runner, table.required_text("runner"));
      command.kind = internal::kind_of_webc_runner(command.runner);
      SELVEDGE_TRY(const WebcValue* map, table.map("annotations"));
      if (map != nullptr) {
        WebcTable annotations(manifest_, *map, table.path_to("annotations"));
        SELVEDGE_TRY_VOID(this->annotations(annotations, command));
      }
      SELVEDGE_TRY_VOID(find_atom(command));
      table.finish();
      manifest_.commands.push_back(std::move(command));
    }
    return {};
  }

  Result<> annotations(WebcTable& table, WebcCommand& command) {
    SELVEDGE_TRY(const WebcValue* atom, table.map("atom"));
    if (atom != nullptr) {
      WebcTable inner(manifest_, *atom, table.path_to("atom"));
      SELVEDGE_TRY(command.atom, inner.required_text("name"));
      SELVEDGE_TRY(command.dependency, inner.text("dependency"));
      inner.finish();
    }
    SELVEDGE_TRY(const WebcValue* wasi, table.map("wasi"));
    if (wasi != nullptr) {
      WebcTable inner(manifest_, *wasi, table.path_to("wasi"));
      SELVEDGE_TRY_VOID(wasi_annotation(inner, command));
    }
    SELVEDGE_TRY(const WebcValue* wcgi, table.map("wcgi"));
    if (wcgi != nullptr) {
      WebcTable inner(manifest_, *wcgi, table.path_to("wcgi"));
      SELVEDGE_TRY(command.wcgi_dialect, inner.text("dialect"));
      inner.finish();
    }
    table.finish();
    return {};
  }

  Result<> wasi_annotation(WebcTable& table, WebcCommand& command) {
    SELVEDGE_TRY(const auto atom, table.text("atom"));
    if (atom.has_value() && command.atom.empty()) {
      const std::size_t colon = atom->find(':');
      command.atom = atom->substr(colon == std::string::npos ? 0 : colon + 1);
      if (colon != std::string::npos) {
        command.dependency = atom->substr(0, colon);
      }
    }
    SELVEDGE_TRY(command.package, table.text("package"));
    SELVEDGE_TRY(command.main_args, table.texts("main-args"));
    SELVEDGE_TRY(const auto env, table.texts("env"));
    for (const std::string& entry : env) {
      auto parsed = parse_environment_entry(entry);
      if (!parsed) {
        return invalid("{}: {}", table.path_of("env"), parsed.error().message());
      }
      command.env.push_back(*std::move(parsed));
    }
    SELVEDGE_TRY(command.exec_name, table.text("exec-name"));
    SELVEDGE_TRY(command.cwd, table.text("cwd"));
    table.finish();
    return {};
  }

  // Old packages do not say which atom a command is: then it is the one of the same name, else the
  // first.
  Result<> find_atom(WebcCommand& command) {
    if (command.dependency.has_value()) {
      if (command.atom.empty()) {
        return invalid("the command \"{}\" names no atom of \"{}\"", command.name,
                       *command.dependency);
      }
      if (!has_named(manifest_.dependencies, *command.dependency)) {
        return invalid("the command \"{}\" uses \"{}\", which is not among the dependencies",
                       command.name, *command.dependency);
      }
      return {};
    }
    if (!command.kind.has_value()) {
      return {};
    }
    if (command.atom.empty() && !manifest_.atoms.empty()) {
      command.atom =
          has_named(manifest_.atoms, command.name) ? command.name : manifest_.atoms.front().name;
    }
    if (!has_named(manifest_.atoms, command.atom)) {
      return invalid("the command \"{}\" runs the atom \"{}\", which the package does not have",
                     command.name, command.atom);
    }
    return {};
  }

  WebcManifest manifest_;
};

}  // namespace

Result<WebcManifest> parse_webc_manifest(base::ByteSpan cbor) {
  SELVEDGE_TRY(const WebcValue document, internal::decode_webc_value(cbor));
  return Parser().parse(document);
}

std::string webc_signature(base::ByteSpan sha256) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out(kHashScheme);
  for (std::size_t i = 0; i < sha256.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, sha256.size() - i);
    std::uint32_t bits = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      bits = bits << 8U | (j < count ? std::to_integer<std::uint32_t>(sha256[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      out += j <= count ? kDigits[bits >> (18 - 6 * j) & 0x3fU] : '=';
    }
  }
  return out;
}

Result<> check_webc_contents(const WebcManifest& manifest, const wire::WebcPackage& package) {
  for (const WebcAtom& atom : manifest.atoms) {
    const wire::WebcNode* node = package.find_atom(atom.name);
    if (node == nullptr) {
      return invalid("the atom \"{}\" is not in the package", atom.name);
    }
    if (!atom.signature.starts_with(kHashScheme)) {
      return fail_format(ErrorKind::kUnsupported,
                         "the package's manifest: the signature of the atom \"{}\" is not SHA-256",
                         atom.name);
    }
    if (atom.signature != webc_signature(node->checksum)) {
      return invalid("the signature of the atom \"{}\" is not that of its contents", atom.name);
    }
  }
  for (const WebcMount& mount : manifest.mounts) {
    if (!mount.from.has_value() && package.find_volume(mount.volume) == nullptr) {
      return invalid("the volume \"{}\" is not in the package", mount.volume);
    }
  }
  return {};
}

}  // namespace selvedge::app
