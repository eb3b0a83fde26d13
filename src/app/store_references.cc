#include "app/store_references.h"

#include <algorithm>
#include <optional>

#include "app/app_records.h"
#include "app/package_records.h"
#include "base/bytes.h"
#include "base/format.h"

namespace selvedge::app {
namespace {

using crypto::Blake3Hash;
using store::Key;

constexpr std::size_t kDigits = Blake3Hash::kHexSize;

bool is_digit(char c) noexcept { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

bool is_version(const Key& key) {
  return key.is_below("apps") && key.text().find("/versions/") != std::string::npos;
}

// What requests go to names versions by their numbers, nothing else.
bool is_choice(const Key& key) {
  return key.is_below("apps") && key.text().ends_with("/active") && !is_version(key);
}

// The packages that must be there because of this document. Invalid: it cannot be understood.
Result<std::vector<Blake3Hash>> packages_of(const Key& key, std::string_view text) {
  if (is_version(key)) {
    SELVEDGE_TRY(const VersionRecord record, parse_version_record(text));
    return std::vector{record.package};
  }
  if (key.is_below("packages") || key.is_below("package-hashes")) {
    SELVEDGE_TRY(const PublishedPackage package, parse_published_package(text));
    return std::vector{package.image, package.linked};
  }
  return std::vector<Blake3Hash>();
}

// Rather than of the way to the store.
bool is_of_the_document(const Error& error) {
  return error.kind() == ErrorKind::kNotFound || error.kind() == ErrorKind::kInvalid ||
         error.kind() == ErrorKind::kInternal;
}

Result<> not_understood(const Key& key, const Error& error) {
  return fail_format(ErrorKind::kInternal,
                     "the store's document {} cannot be understood, so nothing is removed: {}",
                     key.text(), error.message());
}

}  // namespace

std::vector<Blake3Hash> hashes_in(std::string_view text) {
  std::vector<Blake3Hash> hashes;
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = begin;
    while (end < text.size() && is_digit(text[end])) {
      ++end;
    }
    if (end - begin == kDigits) {
      if (auto hash = Blake3Hash::from_hex(text.substr(begin, kDigits))) {
        hashes.push_back(*hash);
      }
    }
    begin = end + 1;
  }
  return hashes;
}

Result<store::ListPage> StoreReferences::page(std::string_view folder,
                                              const std::optional<Key>& after) {
  SELVEDGE_TRY(Key key, Key::parse(folder));
  return store_.list({.folder = std::move(key), .start_after = after});
}

Result<> StoreReferences::read_document(const Key& key) {
  if (is_choice(key)) {
    return {};
  }
  auto object = store_.get(key, kRecordBytesMax);
  if (!object.has_value()) {
    // Removed since it was listed: then it needs nothing.
    return object.error().kind() == ErrorKind::kNotFound ? Result<>()
                                                         : fail(std::move(object).error());
  }
  ++documents_;
  const std::string_view text = base::as_text(object->bytes);
  const auto packages = packages_of(key, text);
  if (!packages.has_value()) {
    return not_understood(key, packages.error());
  }
  for (const Blake3Hash& identity : *packages) {
    if (auto added = add_package(identity); !added.has_value()) {
      return is_of_the_document(added.error()) ? not_understood(key, added.error())
                                               : std::move(added);
    }
  }
  // What a newer form of documents refers to beyond that; not what people wrote into app.yaml.
  if (!is_version(key)) {
    for (const Blake3Hash& hash : hashes_in(text)) {
      SELVEDGE_TRY_VOID(add_mentioned(hash));
    }
  }
  return follow_mentioned();
}

Result<> StoreReferences::add_package(const Blake3Hash& identity) {
  if (!packages_.insert(identity).second) {
    return {};
  }
  auto bytes = store_.get_blob(identity, kPackageImageBytesMax);
  if (!bytes.has_value()) {
    packages_.erase(identity);
    return fail(std::move(bytes).error().with_context("package " + identity.hex()));
  }
  const std::string_view json = base::as_text(*bytes);
  const auto image = parse_package_image(json);
  if (!image.has_value()) {
    packages_.erase(identity);
    return fail_format(ErrorKind::kInvalid, "package {}: {}", identity.hex(),
                       image.error().message());
  }
  hashes_.insert(identity);
  for (const BlobReference& blob : blobs_of(*image)) {
    hashes_.insert(blob.hash);
  }
  // What a newer form of packages refers to beyond that.
  for (const Blake3Hash& hash : hashes_in(json)) {
    SELVEDGE_TRY_VOID(add_mentioned(hash));
  }
  return {};
}

Result<> StoreReferences::add_mentioned(const Blake3Hash& hash) {
  if (hashes_.insert(hash).second) {
    mentioned_.push_back(hash);
  }
  return {};
}

Result<> StoreReferences::follow_mentioned() {
  while (!mentioned_.empty()) {
    const Blake3Hash hash = mentioned_.back();
    mentioned_.pop_back();
    SELVEDGE_TRY(const auto bytes, store_.find_blob(hash));
    if (!bytes.has_value() || *bytes > kPackageImageBytesMax) {
      continue;
    }
    auto added = add_package(hash);
    if (!added.has_value() && !is_of_the_document(added.error())) {
      return added;
    }
  }
  return {};
}

}  // namespace selvedge::app
