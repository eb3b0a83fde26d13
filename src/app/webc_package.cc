#include "app/webc_package.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/format.h"
#include "crypto/sha256.h"
#include "wasix/fs_webc.h"

namespace selvedge::app {
namespace {

Result<std::shared_ptr<const WebcFileContents>> open_contents(std::string bytes) {
  // The package points into bytes that must not move any more.
  auto webc = std::make_shared<WebcFileContents>();
  webc->bytes = std::move(bytes);
  SELVEDGE_TRY(webc->package, wire::WebcPackage::open(base::as_bytes(webc->bytes)));
  SELVEDGE_TRY_VOID(webc->package.verify(crypto::sha256));
  SELVEDGE_TRY(webc->manifest, parse_webc_manifest(webc->package.manifest()));
  SELVEDGE_TRY_VOID(check_webc_contents(webc->manifest, webc->package));
  return std::shared_ptr<const WebcFileContents>(std::move(webc));
}

ModuleBytes bytes_of_atom(const std::shared_ptr<const WebcFileContents>& webc,
                          std::string_view name) {
  const wire::WebcNode* const atom = webc->package.find_atom(name);
  return atom == nullptr ? ModuleBytes() : ModuleBytes{.owner = webc, .bytes = atom->content};
}

std::string left_out(const WebcCommand& command) {
  return fmt::format("the command \"{}\" cannot be run: its runner is {}", command.name,
                     command.runner);
}

Result<> add_commands(const std::shared_ptr<const WebcFileContents>& webc, Package& package) {
  for (const WebcCommand& command : webc->manifest.commands) {
    if (!command.kind.has_value()) {
      package.warnings.push_back(left_out(command));
      continue;
    }
    package.commands.push_back({.name = command.name,
                                .module = command.atom,
                                .dependency = command.dependency,
                                .module_path = {},
                                .module_bytes = command.dependency.has_value()
                                                    ? ModuleBytes()
                                                    : bytes_of_atom(webc, command.atom),
                                .runner = command.kind,
                                .program_name = command.exec_name.value_or(command.name),
                                .main_args = command.main_args,
                                .env = command.env});
  }
  return {};
}

Result<> add_mounts(const std::shared_ptr<const WebcFileContents>& webc, Package& package) {
  std::uint64_t device = wasix::WebcFileSystemOptions().device;
  for (const WebcMount& mount : webc->manifest.mounts) {
    SELVEDGE_TRY(const wire::WebcNode* const folder, webc_mounted_folder(*webc, mount));
    package.mounts.push_back(
        {.guest = mount.guest,
         .host = {},
         .files = wasix::make_webc_file_system(std::shared_ptr<const wire::WebcNode>(webc, folder),
                                               {.device = device++})});
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<const WebcFileContents>> open_webc_bytes(std::string bytes,
                                                                const std::string& name) {
  auto webc = open_contents(std::move(bytes));
  if (!webc.has_value()) {
    return fail(std::move(webc).error().with_context(name));
  }
  return webc;
}

Result<std::shared_ptr<const WebcFileContents>> read_webc_file(const std::string& path) {
  SELVEDGE_TRY(std::string bytes, read_text_file(path, kWebcFileBytesMax));
  return open_webc_bytes(std::move(bytes), path);
}

Result<ManifestDependency> webc_dependency(const WebcDependency& dependency) {
  const std::string_view specifier(dependency.specifier);
  const std::size_t at = specifier.find('@');
  const std::string_view name = specifier.substr(0, at);
  if (!is_manifest_name(name, /*owner_needed=*/true)) {
    return fail_format(ErrorKind::kUnsupported,
                       "the dependency \"{}\" is \"{}\"; only \"owner/name@range\" is supported",
                       dependency.name, specifier);
  }
  return ManifestDependency{
      .name = std::string(name),
      .version = at == std::string_view::npos ? "*" : std::string(specifier.substr(at + 1))};
}

Result<const wire::WebcNode*> webc_mounted_folder(const WebcFileContents& webc,
                                                  const WebcMount& mount) {
  if (mount.from.has_value()) {
    return fail_format(ErrorKind::kUnsupported,
                       "\"{}\" is a volume of the dependency \"{}\", which only that package can "
                       "mount here",
                       mount.guest, *mount.from);
  }
  const wire::WebcVolume* const volume = webc.package.find_volume(mount.volume);
  if (volume == nullptr) {
    return fail_format(ErrorKind::kInvalid, "there is no volume \"{}\"", mount.volume);
  }
  const wire::WebcNode* node = &volume->root;
  std::string_view rest = mount.host_path.has_value() ? std::string_view(*mount.host_path) : "";
  while (node != nullptr && !rest.empty()) {
    const std::size_t slash = rest.find('/');
    const std::string_view name = rest.substr(0, slash);
    rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
    if (!name.empty() && name != ".") {
      node = node->find(name);
    }
  }
  if (node == nullptr || node->kind != wire::WebcKind::kDirectory) {
    return fail_format(ErrorKind::kInvalid, "the volume \"{}\" has no folder \"{}\"", mount.volume,
                       mount.host_path.value_or("/"));
  }
  return node;
}

Result<Package> package_of_webc(std::shared_ptr<const WebcFileContents> webc,
                                const std::string& name) {
  const WebcManifest& manifest = webc->manifest;
  Package package;
  package.name = manifest.name.empty() ? name : manifest.name;
  package.version = manifest.version;
  package.entrypoint = manifest.entrypoint;
  package.warnings = manifest.warnings;
  for (const WebcAtom& atom : manifest.atoms) {
    package.modules.push_back(
        {.name = atom.name, .path = {}, .bytes = bytes_of_atom(webc, atom.name)});
  }
  for (const WebcDependency& dependency : manifest.dependencies) {
    SELVEDGE_TRY(auto made, webc_dependency(dependency));
    package.dependencies.push_back(std::move(made));
  }
  SELVEDGE_TRY_VOID(add_commands(webc, package));
  SELVEDGE_TRY_VOID(add_mounts(webc, package));
  if (package.commands.empty() && package.dependencies.empty()) {
    return fail_format(ErrorKind::kInvalid, "{}: the package has no command that can be run", name);
  }
  return package;
}

}  // namespace selvedge::app
