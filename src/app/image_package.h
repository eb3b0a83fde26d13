#pragma once

// A linked image as a package that can be run: its modules and volumes where their bytes are.

#include <functional>
#include <string>
#include <vector>

#include "app/package.h"
#include "app/package_image.h"
#include "app/volume_file_system.h"
#include "base/result.h"

namespace selvedge::app {

// The bytes of a blob; they stay as long as what is made of them.
using FindBlob = std::function<Result<ModuleBytes>(const BlobReference& blob)>;

// The folders that guests see.
Result<std::vector<MountedVolume>> mounts_of_image(const PackageImage& image, const FindBlob& find,
                                                   const LayerOptions& options);

Result<Package> package_of_image(const PackageImage& image, const FindBlob& find);

}  // namespace selvedge::app
