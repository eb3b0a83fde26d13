#pragma once

// A node's own copy of what it has seen of a store, so that it is quick when the store is slow and
// goes on when the store is gone. Blobs, which never change, come from here first; documents come
// from the store as long as it answers, and from here, marked as stale, while it does not. Changes
// always go to the store: nothing is promised that others cannot see.
//
// What is read from the disk is verified each time; what is damaged is taken from the store again.

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/unique_fd.h"
#include "store/internal/file_cache.h"
#include "store/internal/seen_documents.h"
#include "store/store.h"

namespace selvedge::store {

struct CachedStoreOptions {
  // Made when it is missing; one process uses it.
  std::filesystem::path folder;
  // Beyond them, what was used longest ago is removed.
  std::uint64_t blob_bytes_max = std::uint64_t{10} << 30;
  std::uint64_t document_bytes_max = std::uint64_t{256} << 20;
  // A store that does not answer is asked again this much later; until then reads are answered from
  // here at once.
  base::Duration probe_interval = std::chrono::seconds(5);
  base::Clock& clock;
  // For metrics; may be null.
  base::Registry* registry = nullptr;
};

class CachedStore final : public Store, public BlobFiles {
 public:
  // `backend` and what `options` refers to must outlive the store.
  static Result<std::unique_ptr<CachedStore>> open(Store& backend,
                                                   const CachedStoreOptions& options);

  // Documents and lists that were not seen before are errors while the store is not reachable.
  Result<Object> get(const Key& key, std::size_t bytes_max) override;
  Result<std::optional<Object>> get_if_changed(const Key& key, const Revision& known,
                                               std::size_t bytes_max) override;
  Result<Revision> put(const Key& key, base::ByteSpan bytes,
                       const Precondition& precondition) override;
  Result<> remove(const Key& key, const Precondition& precondition) override;
  // The page that this node saw last for the same options, while the store is not reachable.
  Result<ListPage> list(const ListOptions& options) override;
  Result<std::size_t> remove_unfinished(std::int64_t before) override;

  // Whether the store has it: a copy here says nothing about that, since a collection may have
  // removed it there.
  Result<std::optional<std::uint64_t>> find_blob(const BlobHash& hash) override;
  Result<> write_blob(BlobSource& source) override;
  Result<> read_blob(const BlobHash& hash, std::uint64_t bytes_max, BlobSink& sink) override;

  // Of this node's copy.
  Result<base::UniqueFd> open_blob(const BlobHash& hash, std::uint64_t bytes_max) override;

  // Whether the store answered when it was asked last.
  bool reachable() const;

 private:
  CachedStore(Store& backend, const CachedStoreOptions& options,
              std::unique_ptr<internal::FileCache> blobs,
              std::unique_ptr<internal::FileCache> documents);

  bool should_ask();
  void note_answer();
  void note_failure(const Error& error);
  // Whether `error` says nothing about what was asked, so that an old answer is better.
  bool is_outage(const Error& error);
  Error unreachable(std::string_view name) const;

  // The blob on this disk, at its beginning; what is damaged is removed.
  std::optional<internal::OpenFile> find_verified(const BlobHash& hash);
  // The blob on this disk, fetched when it is not there.
  Result<internal::OpenFile> obtain(const BlobHash& hash, std::uint64_t bytes_max);
  Result<internal::OpenFile> fetch(const BlobHash& hash, std::uint64_t bytes_max);

  Store& backend_;
  CachedStoreOptions options_;
  std::unique_ptr<internal::FileCache> blobs_;
  internal::SeenDocuments documents_;

  mutable std::mutex state_mutex_;
  bool reachable_ = true;
  base::MonotonicTime next_probe_{};
  std::string last_error_;

  // Blobs that a thread is fetching; others wait for it.
  std::mutex fetching_mutex_;
  std::condition_variable fetched_;
  std::set<BlobHash> fetching_;

  base::Gauge* reachable_gauge_ = nullptr;
  base::Counter* stale_answers_ = nullptr;
  base::Counter* blob_hits_ = nullptr;
  base::Counter* blob_misses_ = nullptr;
};

}  // namespace selvedge::store
