#pragma once

// A published package as a .webc file again.

#include <cstddef>
#include <vector>

#include "app/image_package.h"
#include "app/package_image.h"
#include "base/result.h"

namespace selvedge::app {

// `image` is not linked: what it depends on is named, as its manifest did. What the store does not
// keep (descriptions, licences, times) is not in it.
Result<std::vector<std::byte>> webc_of_image(const PackageImage& image, const FindBlob& find);

}  // namespace selvedge::app
