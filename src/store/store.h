#pragma once

// The only thing that nodes share: small documents that are changed by compare-and-swap, and
// immutable blobs that are named by their content. The same on every backend.
//
//   SELVEDGE_TRY(auto active, store.get(*Key::parse("apps/hello/active")));
//   ... change active.bytes ...
//   SELVEDGE_TRY(auto revision, store.put(key, bytes, Precondition::matches(active.revision)));
//
// All functions block on disks and networks: call them on helper threads, from as many as you like.
// Errors: kNotFound; kConflict (a precondition does not hold: read again); kDenied (permissions, a
// read-only disk, credentials); kOverloaded (disk full, store busy, lock held too long);
// kDisconnected and kTimeout (the store cannot be reached, and for a write it may be unknown
// whether it happened); kInternal (what was read is damaged).

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "store/blob.h"
#include "store/key.h"

namespace selvedge::store {

// The largest document; it is kept whole in memory.
inline constexpr std::size_t kDocumentBytesMax = std::size_t{1} << 20;

// Names one state of one document: no two writes ever get the same one, whatever they wrote. Opaque
// text of a backend.
class Revision {
 public:
  explicit Revision(std::string text) noexcept : text_(std::move(text)) {}
  const std::string& text() const noexcept [[clang::lifetimebound]] { return text_; }
  friend bool operator==(const Revision&, const Revision&) noexcept = default;

 private:
  std::string text_;
};

struct Object {
  std::vector<std::byte> bytes;
  Revision revision;
  // The store could not be asked: this is the last state that this node has seen.
  bool stale = false;
};

// What must be true of a document at the moment it is changed.
class Precondition {
 public:
  static Precondition any() noexcept { return Precondition(Kind::kAny, Revision({})); }
  static Precondition absent() noexcept { return Precondition(Kind::kAbsent, Revision({})); }
  static Precondition matches(Revision revision) noexcept {
    return Precondition(Kind::kMatches, std::move(revision));
  }

  bool is_any() const noexcept { return kind_ == Kind::kAny; }
  bool is_absent() const noexcept { return kind_ == Kind::kAbsent; }
  // The revision that must be the current one; null when there is no such condition.
  const Revision* revision() const noexcept [[clang::lifetimebound]] {
    return kind_ == Kind::kMatches ? &revision_ : nullptr;
  }

 private:
  enum class Kind : unsigned char { kAny, kAbsent, kMatches };
  Precondition(Kind kind, Revision revision) noexcept
      : kind_(kind), revision_(std::move(revision)) {}

  Kind kind_;
  Revision revision_;
};

// Where a store is tried out; what is in it for longer was left by a process that died.
inline constexpr std::string_view kChecksFolder = "checks";

struct ListOptions {
  static constexpr std::size_t kLimitMax = 1000;

  // Everything below this key, at any depth.
  Key folder;
  // Only what comes after this key.
  std::optional<Key> start_after = std::nullopt;
  // Entries in the page: 1 to kLimitMax.
  std::size_t limit = kLimitMax;
};

struct ListEntry {
  Key key;
  // Empty for blobs, which have only one.
  Revision revision;
  // What it takes in the store.
  std::uint64_t bytes = 0;
  // When it was written last, in seconds since 1970, by the clock of the store and not of a node:
  // two times of one store can be compared. nullopt where the store does not say, and in a page
  // that a node has seen before.
  std::optional<std::int64_t> written = std::nullopt;
};

struct ListPage {
  // Ascending. What is not a key (a foreign file or object) is left out.
  std::vector<ListEntry> entries;
  // Whether there is more after the last entry.
  bool more = false;
};

class Store {
 public:
  virtual ~Store() = default;

  // Documents: any key that is not below `blobs`, else kInvalid. No key may be the folder of
  // another (`a` and `a/b`): some backends refuse the second one with kInvalid, some do not notice.

  // The current state, which is always one that somebody wrote, whole. kInvalid beyond `bytes_max`.
  virtual Result<Object> get(const Key& key, std::size_t bytes_max) = 0;
  // nullopt when the current revision still is `known`; a stale state is handed out even then,
  // since nobody knows whether it is current.
  virtual Result<std::optional<Object>> get_if_changed(const Key& key, const Revision& known,
                                                       std::size_t bytes_max) = 0;
  // Replaces the document when `precondition` holds, as one indivisible step among all nodes. When
  // it returns the write survives a crash. After a lost answer the write is repeated, or looked
  // for; where that leaves a doubt, the error is kDisconnected, never kConflict.
  virtual Result<Revision> put(const Key& key, base::ByteSpan bytes,
                               const Precondition& precondition) = 0;
  // With any(): also succeeds when there was none, and removes blobs too. Not with absent().
  virtual Result<> remove(const Key& key, const Precondition& precondition) = 0;
  virtual Result<ListPage> list(const ListOptions& options) = 0;
  // Removes what writers left unfinished when they died: never what is being written. Where only
  // time can tell the two apart, what was begun before `before` (as ListEntry::written). How many.
  virtual Result<std::size_t> remove_unfinished(std::int64_t /*before*/) { return 0; }

  // Blobs.

  // Keeps `bytes`, up to kBlobBytesMax; nothing is written when the blob is there.
  Result<BlobHash> put_blob(base::ByteSpan bytes);
  // The same for a regular file, which is read twice in pieces and must not change meanwhile.
  Result<BlobHash> put_blob_file(const std::filesystem::path& path);
  Result<bool> has_blob(const BlobHash& hash);
  // The verified bytes. kInvalid when the blob is larger than `bytes_max`; kInternal when what the
  // store holds under this name has another hash.
  Result<std::vector<std::byte>> get_blob(const BlobHash& hash, std::uint64_t bytes_max);
  // Makes `path` the verified blob, in one step and durably; a temporary file beside it is removed
  // on failure. Errors as get_blob().
  Result<> fetch_blob_to(const BlobHash& hash, const std::filesystem::path& path,
                         std::uint64_t bytes_max);

  // What the functions above stand on; for backends and what wraps them.

  // The size of the blob; nullopt when there is none.
  virtual Result<std::optional<std::uint64_t>> find_blob(const BlobHash& hash) = 0;
  // Reads all of `source`, finishes it, and only then lets the blob appear.
  virtual Result<> write_blob(BlobSource& source) = 0;
  // Hands the bytes on without verifying them; nothing when it is larger than `bytes_max`.
  virtual Result<> read_blob(const BlobHash& hash, std::uint64_t bytes_max, BlobSink& sink) = 0;
};

// Blobs as files of this machine.
class BlobFiles {
 public:
  virtual ~BlobFiles() = default;
  // The verified blob as a file at its beginning, to be mapped or read; it stays whole and readable
  // when its name is removed. Errors as get_blob(), and kOverloaded when the disk is full.
  virtual Result<base::UniqueFd> open_blob(const BlobHash& hash, std::uint64_t bytes_max) = 0;
};

// What every backend says about its arguments first.
Result<> check_document_key(const Key& key);
Result<> check_put(const Key& key, base::ByteSpan bytes);
Result<> check_remove(const Key& key, const Precondition& precondition);
Result<> check_list(const ListOptions& options);

}  // namespace selvedge::store
