#pragma once

// Which versions of its dependencies a package gets: for each name the latest one that all who ask
// for it agree on. Knows no store.

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "app/package_image.h"
#include "app/package_link.h"
#include "base/result.h"

namespace selvedge::app::internal {

class PackageChoice {
 public:
  struct Source {
    // Ascending; empty when nothing of that name is published.
    std::function<Result<std::vector<std::string>>(const std::string& name)> versions;
    // As it was published.
    std::function<Result<PackageImage>(const std::string& name, const std::string& version)> image;
  };

  // `own` outlives this.
  PackageChoice(const PackageImage& own [[clang::lifetimebound]], Source source)
      : own_(own), source_(std::move(source)) {}

  // All that it needs, each once, the nearest first, in the order of the manifests. kNotFound,
  // Invalid: a sentence.
  Result<std::vector<ChosenPackage>> choose();

 private:
  struct Wish {
    std::string range;
    std::string by;  // who asks
  };
  using Selection = std::map<std::string, std::string>;  // version by name

  // Follows the selection; what is not selected yet is asked for and not followed.
  Result<> collect(const Selection& selection);
  Result<std::string> best_version(const std::string& name, const std::vector<Wish>& wishes);
  Result<const PackageImage*> image_of(const std::string& name, const std::string& version);
  Result<> check_cycles(const Selection& selection);

  const PackageImage& own_;
  Source source_;
  std::vector<std::string> order_;  // of names, the nearest first
  std::map<std::string, std::vector<Wish>> wishes_;
  std::map<std::string, std::vector<std::string>> versions_;
  std::map<std::pair<std::string, std::string>, PackageImage> images_;
};

}  // namespace selvedge::app::internal
