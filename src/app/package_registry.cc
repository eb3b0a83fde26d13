#include "app/package_registry.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "app/internal/package_choice.h"
#include "base/bytes.h"
#include "base/format.h"
#include "wire/semver.h"

namespace selvedge::app {
namespace {

using store::Key;

constexpr std::string_view kPackages = "packages";
constexpr std::string_view kHashes = "package-hashes";

Result<Key> version_key(const std::string& name, const std::string& version) {
  auto key = Key::parse(fmt::format("{}/{}/{}", kPackages, name, version));
  if (!is_package_name(name) || !wire::is_semver(version) || !key.has_value()) {
    return fail_format(ErrorKind::kInvalid,
                       "{} {} cannot be published: it needs a name as \"owner/name\" and a "
                       "version as \"1.2.3\", in small letters",
                       name.empty() ? "the package" : name, version);
  }
  return key;
}

Result<Key> hash_key(const std::string& sha256) {
  return Key::parse(fmt::format("{}/{}", kHashes, sha256));
}

std::string what_of(const PublishedPackage& package) {
  return package.name.empty() ? "sha256:" + package.sha256.value_or("")
                              : fmt::format("{} {}", package.name, package.version);
}

// Calls `visit` with every key below `folder`.
template <class Visit>
Result<> for_each_key(store::Store& from, const Key& folder, Visit visit) {
  store::ListOptions options{.folder = folder};
  for (;;) {
    SELVEDGE_TRY(const store::ListPage page, from.list(options));
    for (const store::ListEntry& entry : page.entries) {
      visit(entry.key);
    }
    if (!page.more || page.entries.empty()) {
      return {};
    }
    options.start_after = page.entries.back().key;
  }
}

}  // namespace

Result<std::vector<std::string>> PackageRegistry::names() {
  SELVEDGE_TRY(const Key folder, Key::parse(kPackages));
  std::set<std::string> names;
  SELVEDGE_TRY_VOID(for_each_key(store_.blobs(), folder, [&names](const Key& key) {
    const std::string_view text = std::string_view(key.text()).substr(kPackages.size() + 1);
    if (const std::string_view name = text.substr(0, text.rfind('/')); is_package_name(name)) {
      names.emplace(name);
    }
  }));
  return std::vector<std::string>(names.begin(), names.end());
}

Result<std::vector<std::string>> PackageRegistry::versions(const std::string& name) {
  std::vector<std::string> versions;
  if (!is_package_name(name)) {
    return versions;
  }
  SELVEDGE_TRY(const Key folder, Key::parse(fmt::format("{}/{}", kPackages, name)));
  SELVEDGE_TRY_VOID(for_each_key(store_.blobs(), folder, [&versions](const Key& key) {
    const std::string_view text(key.text());
    if (const std::string_view version = text.substr(text.rfind('/') + 1);
        wire::is_semver(version)) {
      versions.emplace_back(version);
    }
  }));
  std::ranges::sort(versions, [](const std::string& left, const std::string& right) {
    const int order = wire::compare_semver(left, right);
    // Build metadata, which has no precedence, decides as text.
    return order != 0 ? order < 0 : left < right;
  });
  return versions;
}

Result<std::optional<PublishedPackage>> PackageRegistry::read(const Key& key) {
  auto object = store_.blobs().get(key, kRecordBytesMax);
  if (!object.has_value()) {
    if (object.error().kind() == ErrorKind::kNotFound) {
      return std::optional<PublishedPackage>();
    }
    return fail(std::move(object).error());
  }
  auto package = parse_published_package(base::as_text(object->bytes));
  if (!package.has_value()) {
    return fail_format(ErrorKind::kInternal, "the store's document {} is malformed: {}", key.text(),
                       package.error().message());
  }
  return std::optional(*std::move(package));
}

Result<PublishedPackage> PackageRegistry::find(const std::string& name,
                                               const std::string& version) {
  SELVEDGE_TRY(const Key key, version_key(name, version));
  SELVEDGE_TRY(auto package, read(key));
  if (!package.has_value()) {
    return fail_format(ErrorKind::kNotFound, "{} {} is not published", name, version);
  }
  if (package->name != name || package->version != version) {
    return fail_format(ErrorKind::kInternal, "the store's document {} is that of {}", key.text(),
                       what_of(*package));
  }
  return *std::move(package);
}

Result<PublishedPackage> PackageRegistry::resolve(const PackageReference& reference) {
  if (reference.sha256.has_value()) {
    SELVEDGE_TRY(const Key key, hash_key(*reference.sha256));
    SELVEDGE_TRY(auto package, read(key));
    if (!package.has_value()) {
      return fail_format(ErrorKind::kNotFound,
                         "no package sha256:{} is in the store: publish it first (selvedge package "
                         "publish FILE.webc)",
                         *reference.sha256);
    }
    return *std::move(package);
  }
  SELVEDGE_TRY(const auto all, versions(reference.name));
  for (auto version = all.rbegin(); version != all.rend(); ++version) {
    if (wire::semver_matches(reference.range, *version)) {
      return find(reference.name, *version);
    }
  }
  if (all.empty()) {
    return fail_format(ErrorKind::kNotFound,
                       "no package {} is in the store: publish it first (selvedge package publish)",
                       reference.name);
  }
  return fail_format(ErrorKind::kNotFound, "no version of {} fits {}: the store has {}",
                     reference.name, reference.range, fmt::join(all, ", "));
}

Result<PackageImage> PackageRegistry::link(const PackageImage& own) {
  if (own.dependencies.empty()) {
    return own;
  }
  internal::PackageChoice choice(
      own, {.versions = [this](const std::string& name) { return versions(name); },
            .image = [this](const std::string& name,
                            const std::string& version) -> Result<PackageImage> {
              SELVEDGE_TRY(const auto package, find(name, version));
              return store_.image(package.image);
            }});
  SELVEDGE_TRY(const auto chosen, choice.choose());
  return link_image(own, chosen);
}

Result<> PackageRegistry::verify_origin(const ImageOrigin& origin) {
  if (!policy_.concerns(origin.name)) {
    return {};
  }
  const auto published = find(origin.name, origin.version);
  if (published.has_value() && published->image == origin.image) {
    return policy_.verify(*published);
  }
  if (!published.has_value() && published.error().kind() != ErrorKind::kNotFound &&
      published.error().kind() != ErrorKind::kInvalid) {
    return fail(published.error().clone());
  }
  return fail_format(ErrorKind::kDenied,
                     "{} {} is not a package that was published, and what \"{}\" has here must be "
                     "signed: publish it with --sign KEY and deploy it by its name",
                     origin.name.empty() ? "the package" : origin.name, origin.version,
                     owner_of(origin.name));
}

Result<> PackageRegistry::verify(const PackageImage& linked) {
  if (policy_.is_empty()) {
    return {};
  }
  if (linked.origins.empty()) {
    return verify_origin(
        {.name = linked.name, .version = linked.version, .image = identity(linked)});
  }
  std::vector<ChosenPackage> packages;
  for (const ImageOrigin& origin : linked.origins) {
    SELVEDGE_TRY_VOID(verify_origin(origin));
    SELVEDGE_TRY(auto image, store_.image(origin.image));
    packages.push_back({.name = origin.name, .version = origin.version, .image = std::move(image)});
  }
  SELVEDGE_TRY(const auto again,
               link_image(packages.front().image, std::span(packages).subspan(1)));
  if (again != linked) {
    return fail(ErrorKind::kDenied,
                "the package is not what the packages make that it says it was made from");
  }
  return {};
}

Result<> PackageRegistry::check(const Publication& publication) {
  const PackageImage& image = publication.image;
  SELVEDGE_TRY_VOID(policy_.verify({.name = image.name,
                                    .version = image.version,
                                    .image = identity(image),
                                    .linked = {},
                                    .dependencies = {},
                                    .sha256 = std::nullopt,
                                    .signature = publication.signature}));
  if (image.name.empty() && image.version.empty() && publication.sha256.has_value()) {
    return {};
  }
  SELVEDGE_TRY(const Key key, version_key(image.name, image.version));
  SELVEDGE_TRY(const auto existing, read(key));
  if (existing.has_value() && existing->image != identity(image)) {
    return fail_format(ErrorKind::kConflict,
                       "{} {} is published already, with other content: publish a new version",
                       image.name, image.version);
  }
  return {};
}

Result<PublishedPackage> PackageRegistry::write_once(const Key& key,
                                                     const PublishedPackage& package) {
  SELVEDGE_TRY(auto existing, read(key));
  if (!existing.has_value()) {
    const auto written =
        store_.blobs().put(key, base::as_bytes(to_json(package)), store::Precondition::absent());
    if (written.has_value()) {
      return package;
    }
    if (written.error().kind() != ErrorKind::kConflict) {
      return fail(written.error().clone());
    }
    SELVEDGE_TRY(existing, read(key));
  }
  if (!existing.has_value() || existing->image != package.image) {
    return fail_format(ErrorKind::kConflict,
                       "{} is published already, with other content: publish a new version",
                       what_of(package));
  }
  return *std::move(existing);
}

Result<PublishedPackage> PackageRegistry::publish(const Publication& publication) {
  SELVEDGE_TRY_VOID(check(publication));
  PublishedPackage package{.name = publication.image.name,
                           .version = publication.image.version,
                           .image = {},
                           .linked = {},
                           .dependencies = {},
                           .sha256 = publication.sha256,
                           .signature = publication.signature,
                           .created = std::chrono::duration_cast<std::chrono::seconds>(
                                          clock_.wall_now().time_since_epoch())
                                          .count()};
  SELVEDGE_TRY(package.image, store_.put_image(publication.image));
  SELVEDGE_TRY(package.linked, store_.put_image(publication.linked));
  const auto& origins = publication.linked.origins;
  package.dependencies.assign(origins.begin() + (origins.empty() ? 0 : 1), origins.end());
  if (package.name.empty()) {
    SELVEDGE_TRY(const Key key, hash_key(*publication.sha256));
    return write_once(key, package);
  }
  SELVEDGE_TRY(const Key key, version_key(package.name, package.version));
  SELVEDGE_TRY(auto written, write_once(key, package));
  if (publication.sha256.has_value()) {
    SELVEDGE_TRY(const Key by_hash, hash_key(*publication.sha256));
    SELVEDGE_TRY_VOID(write_once(by_hash, package));
  }
  return written;
}

}  // namespace selvedge::app
