#include "app/package_webc.h"

#include <algorithm>
#include <memory>
#include <string>

#include "app/volume_file_system.h"
#include "app/webc_manifest.h"
#include "base/format.h"
#include "crypto/sha256.h"
#include "wire/webc_writer.h"

namespace selvedge::app {
namespace {

WebcCommand command_of(const ImageCommand& command, const PackageImage& image) {
  WebcCommand made;
  made.name = command.name;
  made.runner = fmt::format("https://webc.org/runner/{}",
                            to_string(command.runner.value_or(RunnerKind::kWasi)));
  made.atom = command.module;
  if (std::ranges::find(image.modules, command.module, &ImageModule::name) == image.modules.end()) {
    const std::size_t colon = command.module.find(':');
    made.dependency = command.module.substr(0, colon);
    made.atom = command.module.substr(colon + 1);
  }
  made.main_args = command.main_args;
  made.env = command.environment;
  if (command.program_name != command.name) {
    made.exec_name = command.program_name;
  }
  return made;
}

WebcManifest manifest_of(const PackageImage& image) {
  WebcManifest manifest;
  manifest.name = image.name;
  manifest.version = image.version;
  // A .webc cannot name a command of another package.
  if (image.entrypoint.has_value() &&
      std::ranges::find(image.commands, *image.entrypoint, &ImageCommand::name) !=
          image.commands.end()) {
    manifest.entrypoint = image.entrypoint;
  }
  for (const ImageCommand& command : image.commands) {
    manifest.commands.push_back(command_of(command, image));
  }
  for (const ImageDependency& dependency : image.dependencies) {
    manifest.dependencies.push_back(
        {.name = dependency.name,
         .specifier = fmt::format("{}@{}", dependency.name, dependency.range)});
  }
  return manifest;
}

}  // namespace

Result<std::vector<std::byte>> webc_of_image(const PackageImage& image, const FindBlob& find) {
  WebcManifest manifest = manifest_of(image);
  std::vector<ModuleBytes> modules;
  std::vector<wire::WebcNode> atoms;
  for (const ImageModule& module : image.modules) {
    SELVEDGE_TRY(auto bytes, find(module.blob));
    WebcAtom atom;
    atom.name = module.name;
    atom.signature = webc_signature(crypto::sha256(std::vector{bytes.bytes}));
    manifest.atoms.push_back(std::move(atom));
    atoms.push_back({.kind = wire::WebcKind::kFile, .name = module.name, .content = bytes.bytes});
    modules.push_back(std::move(bytes));
  }
  std::vector<std::shared_ptr<const wire::WebcNode>> roots;
  std::vector<wire::WebcVolume> volumes;
  for (const ImageVolume& volume : image.volumes) {
    SELVEDGE_TRY(auto bytes, find(volume.blob));
    SELVEDGE_TRY(auto root, open_volume_root(std::move(bytes), "the volume at " + volume.guest));
    manifest.mounts.push_back({.from = std::nullopt,
                               .volume = volume.guest,
                               .host_path = std::nullopt,
                               .guest = volume.guest});
    volumes.push_back({.name = volume.guest, .root = *root});
    roots.push_back(std::move(root));
  }
  const auto cbor = build_webc_manifest(manifest);
  SELVEDGE_TRY(const auto webc,
               wire::write_webc({.manifest = cbor, .atoms = atoms, .volumes = volumes},
                                {.sha256 = crypto::sha256}));
  return webc.to_bytes();
}

}  // namespace selvedge::app
