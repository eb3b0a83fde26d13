#pragma once

// A store in a directory: the default of a single node, and of nodes that mount the same file
// system. A document is a file of its key's name (internal/document_frame.h), a blob a file with
// its bytes. What is hidden (`.lock`, `.new`) is ours, no key begins with a dot.
//
// Any number of processes may use one directory, as long as flock(2) works between them. Readers
// take no lock: a file is written under another name, synced, then renamed, so they see the old
// state or the new one. Writers compare and rename under one exclusive lock. A directory that has
// vanished (a mount that went away) is kDisconnected, never an empty store.

#include <cstddef>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "store/internal/file_system.h"
#include "store/internal/locked_random.h"
#include "store/pause.h"
#include "store/store.h"

namespace selvedge::store {

struct DirectoryStoreOptions {
  std::filesystem::path root;
  // For the numbers of writes; used by one thread at a time.
  base::Random& random;
  // For waiting while another process writes.
  Pause& pause;
  // How long a change waits for others before it is kOverloaded.
  base::Duration lock_time_max = std::chrono::seconds(30);
};

class DirectoryStore final : public Store, public BlobFiles {
 public:
  // Names in one folder; a list beyond it is kOverloaded.
  static constexpr std::size_t kFolderEntriesMax = 1'000'000;

  // Makes the directory (for this user alone) when it is missing, and removes what killed processes
  // left unfinished. A directory that cannot be written still serves readers. What `options` refers
  // to must outlive the store.
  static Result<std::unique_ptr<DirectoryStore>> open(DirectoryStoreOptions options);

  Result<Object> get(const Key& key, std::size_t bytes_max) override;
  Result<std::optional<Object>> get_if_changed(const Key& key, const Revision& known,
                                               std::size_t bytes_max) override;
  Result<Revision> put(const Key& key, base::ByteSpan bytes,
                       const Precondition& precondition) override;
  Result<> remove(const Key& key, const Precondition& precondition) override;
  Result<ListPage> list(const ListOptions& options) override;
  // Their writers' locks tell what is abandoned, whatever its age.
  Result<std::size_t> remove_unfinished(std::int64_t before) override;

  Result<std::optional<std::uint64_t>> find_blob(const BlobHash& hash) override;
  Result<> write_blob(BlobSource& source) override;
  Result<> read_blob(const BlobHash& hash, std::uint64_t bytes_max, BlobSink& sink) override;
  // Of the file in the store itself: for a directory of this machine.
  Result<base::UniqueFd> open_blob(const BlobHash& hash, std::uint64_t bytes_max) override;

 private:
  class WriteLock;

  DirectoryStore(const DirectoryStoreOptions& options, bool marked)
      : options_(options), marked_(marked), random_(options.random) {}

  std::filesystem::path path_of(const Key& key) const { return options_.root / key.text(); }
  // That what is missing is missing from the store, and not the store itself: kDisconnected.
  Result<> check_there() const;
  Result<WriteLock> lock_for_write();
  Result<internal::OpenFile> open_file_of(const BlobHash& hash, std::uint64_t bytes_max) const;
  Result<> check(const Key& key, const Precondition& precondition) const;

  DirectoryStoreOptions options_;
  bool marked_;  // it had our own folder when it was opened
  internal::LockedRandom random_;
  // Waiting for another thread of this process costs no polling.
  std::timed_mutex write_mutex_;
};

}  // namespace selvedge::store
