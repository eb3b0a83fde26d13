#pragma once

// From a package and all that it depends on to one image that needs nothing more: with the modules,
// commands and volumes of them all, each fixed by its hash. Rules as Wasmer's: the nearest package
// wins where two have a command of one name, and the package's own files lie above those of what it
// depends on.

#include <span>
#include <string>
#include <vector>

#include "app/package_image.h"
#include "base/result.h"

namespace selvedge::app {

// A package that was chosen for a dependency, as it was published.
struct ChosenPackage {
  std::string name;
  std::string version;
  PackageImage image;  // not linked
};

// `chosen`: everything that `own` needs, directly or not, each once, the nearest first. `own`
// itself when it has no dependencies. Invalid: a module or entrypoint that none of them has, or
// more than an image can hold.
Result<PackageImage> link_image(const PackageImage& own, std::span<const ChosenPackage> chosen);

}  // namespace selvedge::app
