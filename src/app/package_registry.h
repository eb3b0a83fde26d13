#pragma once

// Published packages: what the store has under a name and a version. A version is written once and
// never changes; which version a range means is decided when something is made from it, and fixed
// there by hashes.
//
// All functions block: on helper threads, any number at once. Errors of the store pass through with
// their kinds.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/app_store.h"
#include "app/package_image.h"
#include "app/package_link.h"
#include "app/package_records.h"
#include "app/package_signature.h"
#include "base/clock.h"
#include "base/result.h"

namespace selvedge::app {

class PackageRegistry {
 public:
  // All outlive this.
  PackageRegistry(AppStore& store [[clang::lifetimebound]],
                  const base::Clock& clock [[clang::lifetimebound]],
                  PublisherPolicy policy = {}) noexcept
      : store_(store), clock_(clock), policy_(std::move(policy)) {}

  // "owner/name" of all that is published, ascending.
  Result<std::vector<std::string>> names();
  // Its versions, by precedence; empty when there are none.
  Result<std::vector<std::string>> versions(const std::string& name);
  // kNotFound.
  Result<PublishedPackage> find(const std::string& name, const std::string& version);
  // The latest version in the range, or the package of that hash. kNotFound, with what there is.
  Result<PublishedPackage> resolve(const PackageReference& reference);

  // The image that needs nothing more: with the latest versions of its dependencies that fit all
  // ranges together. kNotFound: one is not published. Invalid: no version fits all who ask for it,
  // with the ranges and who they are of; or a package needs itself.
  Result<PackageImage> link(const PackageImage& own);

  // kDenied: one sentence, when the policy does not let it be used.
  Result<> verify(const PublishedPackage& package) const { return policy_.verify(package); }
  // The same for all that a linked image was made from, and that it is what those make.
  Result<> verify(const PackageImage& linked);

  struct Publication {
    PackageImage image;   // not linked; its blobs are in the store
    PackageImage linked;  // of link()
    std::optional<std::string> sha256;
    std::optional<PackageSignature> signature;
  };
  // Whether it may be published: with a name and a version, or with a hash. Invalid; kConflict when
  // that version exists with other content; kDenied by the policy. `linked` is not looked at.
  Result<> check(const Publication& publication);
  // Publishes it, or finds that it is published already. As check().
  Result<PublishedPackage> publish(const Publication& publication);

 private:
  Result<std::optional<PublishedPackage>> read(const store::Key& key);
  // Of what a linked image was made from.
  Result<> verify_origin(const ImageOrigin& origin);
  // Writes the document, unless there is one of the same package, which is returned.
  Result<PublishedPackage> write_once(const store::Key& key, const PublishedPackage& package);

  AppStore& store_;
  const base::Clock& clock_;
  PublisherPolicy policy_;
};

}  // namespace selvedge::app
