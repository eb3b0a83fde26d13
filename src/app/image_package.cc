#include "app/image_package.h"

#include <algorithm>
#include <utility>

namespace selvedge::app {

Result<std::vector<MountedVolume>> mounts_of_image(const PackageImage& image, const FindBlob& find,
                                                   const LayerOptions& options) {
  std::vector<LayeredVolume> volumes;
  for (const ImageVolume& volume : image.volumes) {
    SELVEDGE_TRY(auto bytes, find(volume.blob));
    SELVEDGE_TRY(auto root, open_volume_root(std::move(bytes), "the volume at " + volume.guest));
    volumes.push_back({.guest = volume.guest, .layer = volume.layer, .root = std::move(root)});
  }
  return mount_layers(volumes, options);
}

Result<Package> package_of_image(const PackageImage& image, const FindBlob& find) {
  Package package;
  package.name = image.name;
  package.version = image.version;
  package.entrypoint = image.entrypoint;
  for (const ImageModule& module : image.modules) {
    SELVEDGE_TRY(auto bytes, find(module.blob));
    package.modules.push_back({.name = module.name, .path = {}, .bytes = std::move(bytes)});
  }
  for (const ImageCommand& command : image.commands) {
    const auto module = std::ranges::find(package.modules, command.module, &PackageModule::name);
    if (module == package.modules.end()) {
      return fail(ErrorKind::kInvalid, "the package is not linked");
    }
    package.commands.push_back({.name = command.name,
                                .module = command.module,
                                .dependency = std::nullopt,
                                .module_path = {},
                                .module_bytes = module->bytes,
                                .runner = command.runner,
                                .program_name = command.program_name,
                                .main_args = command.main_args,
                                .env = command.environment});
  }
  SELVEDGE_TRY(auto mounts, mounts_of_image(image, find, {}));
  for (MountedVolume& mount : mounts) {
    package.mounts.push_back(
        {.guest = std::move(mount.guest), .host = {}, .files = std::move(mount.files)});
  }
  return package;
}

}  // namespace selvedge::app
