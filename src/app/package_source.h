#pragma once

// A package on this machine, turned into what is published: its image and the bytes that it names.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "app/package_image.h"
#include "base/result.h"

namespace selvedge::app {

struct SourceBlob {
  BlobReference reference;
  std::vector<std::byte> bytes;
};

struct PackageSource {
  PackageImage image;
  std::vector<SourceBlob> blobs;  // of image, each once
  std::vector<std::string> warnings;
};

// `target`: a folder with wasmer.toml, a .wasm or .wat file, or a .webc package. Errors name the
// file. Blocks, and holds everything in memory.
Result<PackageSource> read_package_source(std::string_view target);

}  // namespace selvedge::app
