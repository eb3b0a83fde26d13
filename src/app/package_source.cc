#include "app/package_source.h"

#include <algorithm>
#include <map>

#include "app/package.h"
#include "app/volume_blob.h"
#include "app/webc_manifest.h"
#include "base/bytes.h"
#include "base/format.h"
#include "crypto/blake3.h"
#include "crypto/sha256.h"
#include "engine/engine.h"
#include "wire/webc_reader.h"

namespace selvedge::app {
namespace {

// Larger packages are refused before they are read.
constexpr std::size_t kWebcFileBytesMax = std::size_t{2} << 30;

class SourceBuilder {
 public:
  SourceBuilder(std::string name, std::string version) {
    source_.image.name = std::move(name);
    source_.image.version = std::move(version);
  }

  BlobReference add_blob(std::vector<std::byte> bytes) {
    const BlobReference reference{.hash = crypto::blake3(bytes), .bytes = bytes.size()};
    if (std::ranges::find(source_.blobs, reference, &SourceBlob::reference) ==
        source_.blobs.end()) {
      source_.blobs.push_back({.reference = reference, .bytes = std::move(bytes)});
    }
    return reference;
  }
  void add_module(std::string name, std::vector<std::byte> bytes) {
    source_.image.modules.push_back({.name = std::move(name), .blob = add_blob(std::move(bytes))});
  }
  void add_volume(std::string guest, std::vector<std::byte> bytes) {
    source_.image.volumes.push_back(
        {.guest = std::move(guest), .blob = add_blob(std::move(bytes))});
  }
  PackageImage& image() noexcept { return source_.image; }
  void set_warnings(std::vector<std::string> warnings) { source_.warnings = std::move(warnings); }

  // What the receiver will say of it, before anything is sent.
  Result<PackageSource> finish() {
    SELVEDGE_TRY_VOID(parse_package_image(to_json(source_.image)));
    return std::move(source_);
  }

 private:
  PackageSource source_;
};

Result<std::vector<std::byte>> read_binary(const std::string& path) {
  SELVEDGE_TRY(auto bytes, read_module(path));
  if (path.ends_with(".wat") && !engine::looks_like_wasm(bytes)) {
    auto binary = engine::wat_to_wasm(base::as_text(bytes));
    if (!binary.has_value()) {
      return fail(std::move(binary).error().with_context(path));
    }
    return binary;
  }
  if (!engine::looks_like_wasm(bytes)) {
    return fail_format(ErrorKind::kInvalid, "{}: not a WebAssembly module", path);
  }
  return bytes;
}

Result<PackageSource> source_of(const Package& package) {
  SourceBuilder builder(package.name, package.version);
  std::map<std::string, std::string> modules;  // name by path
  for (const PackageCommand& command : package.commands) {
    auto module = modules.find(command.module_path);
    if (module == modules.end()) {
      module = modules.emplace(command.module_path, command.name).first;
      SELVEDGE_TRY(auto bytes, read_binary(command.module_path));
      builder.add_module(command.name, std::move(bytes));
    }
    builder.image().commands.push_back({.name = command.name,
                                        .module = module->second,
                                        .runner = command.runner,
                                        .program_name = command.program_name,
                                        .main_args = command.main_args,
                                        .environment = command.env});
  }
  for (const PackageMount& mount : package.mounts) {
    SELVEDGE_TRY(auto bytes, pack_folder(mount.host));
    builder.add_volume(mount.guest, std::move(bytes));
  }
  builder.image().entrypoint = package.entrypoint;
  builder.set_warnings(package.warnings);
  return builder.finish();
}

// The folder that a mount names; the whole volume without one.
Result<const wire::WebcNode*> mounted_folder(const wire::WebcPackage& package,
                                             const WebcMount& mount) {
  const wire::WebcVolume* const volume = package.find_volume(mount.volume);
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

Result<PackageSource> source_of(const wire::WebcPackage& package, const WebcManifest& manifest) {
  if (!manifest.dependencies.empty()) {
    return fail_format(ErrorKind::kUnsupported,
                       "the dependency \"{}\" is a package of a registry, which is not supported "
                       "yet",
                       manifest.dependencies.front().specifier);
  }
  SourceBuilder builder(manifest.name, manifest.version);
  for (const wire::WebcNode& atom : package.atoms()) {
    builder.add_module(atom.name, std::vector<std::byte>(atom.content.begin(), atom.content.end()));
  }
  for (const WebcCommand& command : manifest.commands) {
    if (!command.kind.has_value()) {
      return fail_format(ErrorKind::kUnsupported,
                         "the command \"{}\" has the runner {}, which is "
                         "not supported",
                         command.name, command.runner);
    }
    builder.image().commands.push_back({.name = command.name,
                                        .module = command.atom,
                                        .runner = command.kind,
                                        .program_name = command.exec_name.value_or(command.name),
                                        .main_args = command.main_args,
                                        .environment = command.env});
  }
  for (const WebcMount& mount : manifest.mounts) {
    SELVEDGE_TRY(const wire::WebcNode* const folder, mounted_folder(package, mount));
    SELVEDGE_TRY(auto bytes, pack_volume(*folder));
    builder.add_volume(mount.guest, std::move(bytes));
  }
  builder.image().entrypoint = manifest.entrypoint;
  builder.set_warnings(manifest.warnings);
  return builder.finish();
}

Result<PackageSource> read_webc(const std::string& path) {
  SELVEDGE_TRY(const std::string file, read_text_file(path, kWebcFileBytesMax));
  SELVEDGE_TRY(const auto package, wire::WebcPackage::open(base::as_bytes(file)));
  SELVEDGE_TRY_VOID(package.verify(crypto::sha256));
  SELVEDGE_TRY(const auto manifest, parse_webc_manifest(package.manifest()));
  SELVEDGE_TRY_VOID(check_webc_contents(manifest, package));
  return source_of(package, manifest);
}

}  // namespace

Result<PackageSource> read_package_source(std::string_view target) {
  if (target.ends_with(".webc")) {
    auto source = read_webc(std::string(target));
    if (!source.has_value() && !source.error().message().starts_with(target)) {
      return fail(std::move(source).error().with_context(target));
    }
    return source;
  }
  SELVEDGE_TRY(const Package package, open_package(target));
  return source_of(package);
}

}  // namespace selvedge::app
