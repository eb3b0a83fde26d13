#pragma once

// What a store's documents need: which packages, and which blobs those are made of.

#include <cstddef>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/package_image.h"
#include "base/result.h"
#include "crypto/blake3.h"
#include "store/store.h"

namespace selvedge::app {

// Every document of these folders may need packages. A new kind of document that names blobs
// belongs below one of them, or its folder into this list.
//
//   apps/             versions; whatever else is there and names hashes
//   packages/         published packages
//   package-hashes/   the same, by what their files hash to
inline constexpr std::string_view kReferringFolders[] = {"apps", "packages", "package-hashes"};

// Reads a store's documents. One thread; blocks.
class StoreReferences {
 public:
  explicit StoreReferences(store::Store& store [[clang::lifetimebound]]) noexcept : store_(store) {}

  // Reads all documents of kReferringFolders. kInternal, with the key, for a document that cannot
  // be understood, or names a package that is not there: what it needs is not known then.
  // `between` is called now and then, and ends the reading with its error.
  template <class Between>
  Result<> read(Between between);

  bool contains(const crypto::Blake3Hash& hash) const { return hashes_.contains(hash); }
  std::size_t documents() const noexcept { return documents_; }

 private:
  // Keys below `folder`, page by page.
  Result<store::ListPage> page(std::string_view folder, const std::optional<store::Key>& after);
  Result<> read_document(const store::Key& key);
  // The package of this identity, which is there; kNotFound when it is not.
  Result<> add_package(const crypto::Blake3Hash& identity);
  // What may be a package, or a blob, or nothing of ours.
  Result<> add_mentioned(const crypto::Blake3Hash& hash);
  Result<> follow_mentioned();

  store::Store& store_;
  std::set<crypto::Blake3Hash> hashes_;
  std::set<crypto::Blake3Hash> packages_;
  // Hashes that no form explains, still to be looked at.
  std::vector<crypto::Blake3Hash> mentioned_;
  std::size_t documents_ = 0;
};

// Every run of 64 hexadecimal digits in it.
std::vector<crypto::Blake3Hash> hashes_in(std::string_view text);

template <class Between>
Result<> StoreReferences::read(Between between) {
  for (const std::string_view folder : kReferringFolders) {
    std::optional<store::Key> after;
    for (bool more = true; more;) {
      SELVEDGE_TRY(const store::ListPage listed, page(folder, after));
      for (const store::ListEntry& entry : listed.entries) {
        SELVEDGE_TRY_VOID(between());
        SELVEDGE_TRY_VOID(read_document(entry.key));
        after = entry.key;
      }
      more = listed.more && !listed.entries.empty();
    }
  }
  return {};
}

}  // namespace selvedge::app
