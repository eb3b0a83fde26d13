#include "app/package_source.h"

#include <algorithm>

#include "app/package.h"
#include "app/volume_blob.h"
#include "app/webc_package.h"
#include "base/bytes.h"
#include "base/format.h"
#include "crypto/blake3.h"
#include "engine/engine.h"

namespace selvedge::app {
namespace {

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

std::string module_reference(const std::string& module,
                             const std::optional<std::string>& dependency) {
  return dependency.has_value() ? fmt::format("{}:{}", *dependency, module) : module;
}

Result<PackageSource> source_of(const Package& package) {
  SourceBuilder builder(package.name, package.version);
  for (const PackageModule& module : package.modules) {
    SELVEDGE_TRY(auto bytes, read_binary(module.path));
    builder.add_module(module.name, std::move(bytes));
  }
  for (const PackageCommand& command : package.commands) {
    builder.image().commands.push_back(
        {.name = command.name,
         .module = module_reference(command.module, command.dependency),
         .runner = command.runner,
         .program_name = command.program_name,
         .main_args = command.main_args,
         .environment = command.env});
  }
  for (const ManifestDependency& dependency : package.dependencies) {
    builder.image().dependencies.push_back({.name = dependency.name, .range = dependency.version});
  }
  for (const PackageMount& mount : package.mounts) {
    SELVEDGE_TRY(auto bytes, pack_folder(mount.host));
    builder.add_volume(mount.guest, std::move(bytes));
  }
  builder.image().entrypoint = package.entrypoint;
  builder.set_warnings(package.warnings);
  return builder.finish();
}

// Volumes are packed anew, which leaves times out: the same files are the same blob.
Result<PackageSource> source_of(const WebcFileContents& webc) {
  const WebcManifest& manifest = webc.manifest;
  SourceBuilder builder(manifest.name, manifest.version);
  for (const wire::WebcNode& atom : webc.package.atoms()) {
    builder.add_module(atom.name, std::vector<std::byte>(atom.content.begin(), atom.content.end()));
  }
  std::vector<std::string> warnings = manifest.warnings;
  for (const WebcCommand& command : manifest.commands) {
    if (!command.kind.has_value()) {
      warnings.push_back(fmt::format("the command \"{}\" cannot be run: its runner is {}",
                                     command.name, command.runner));
      continue;
    }
    builder.image().commands.push_back(
        {.name = command.name,
         .module = module_reference(command.atom, command.dependency),
         .runner = command.kind,
         .program_name = command.exec_name.value_or(command.name),
         .main_args = command.main_args,
         .environment = command.env});
  }
  for (const WebcDependency& dependency : manifest.dependencies) {
    SELVEDGE_TRY(auto made, webc_dependency(dependency));
    builder.image().dependencies.push_back({.name = made.name, .range = made.version});
  }
  for (const WebcMount& mount : manifest.mounts) {
    SELVEDGE_TRY(const wire::WebcNode* const folder, webc_mounted_folder(webc, mount));
    SELVEDGE_TRY(auto bytes, pack_volume(*folder));
    builder.add_volume(mount.guest, std::move(bytes));
  }
  builder.image().entrypoint = manifest.entrypoint;
  builder.set_warnings(std::move(warnings));
  return builder.finish();
}

}  // namespace

Result<PackageSource> read_package_source(std::string_view target) {
  if (target.ends_with(".webc")) {
    SELVEDGE_TRY(const auto webc, read_webc_file(std::string(target)));
    auto source = source_of(*webc);
    if (!source.has_value() && !source.error().message().starts_with(target)) {
      return fail(std::move(source).error().with_context(target));
    }
    return source;
  }
  SELVEDGE_TRY(const Package package, open_package(target));
  return source_of(package);
}

}  // namespace selvedge::app
