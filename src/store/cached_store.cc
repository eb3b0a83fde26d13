#include "store/cached_store.h"

#include <unistd.h>

#include <utility>

#include "base/format.h"
#include "base/log.h"
#include "store/internal/hashing_sink.h"

namespace selvedge::store {
namespace {

Result<> check_size(const Key& key, const Object& object, std::size_t bytes_max) {
  if (object.bytes.size() > bytes_max) {
    return fail_format(ErrorKind::kInvalid, "the document `{}` is larger than {} bytes", key.text(),
                       bytes_max);
  }
  return {};
}

// nullopt when it still is as `known`.
Result<std::optional<Object>> ask(Store& backend, const Key& key,
                                  const std::optional<Object>& known, std::size_t bytes_max) {
  if (known) {
    return backend.get_if_changed(key, known->revision, bytes_max);
  }
  SELVEDGE_TRY(auto object, backend.get(key, bytes_max));
  return std::optional(std::move(object));
}

void count(base::Counter* counter) noexcept {
  if (counter != nullptr) {
    counter->add();
  }
}

}  // namespace

CachedStore::CachedStore(Store& backend, const CachedStoreOptions& options,
                         std::unique_ptr<internal::FileCache> blobs,
                         std::unique_ptr<internal::FileCache> documents)
    : backend_(backend),
      options_(options),
      blobs_(std::move(blobs)),
      documents_(std::move(documents)) {
  if (base::Registry* const registry = options.registry) {
    reachable_gauge_ = &registry->gauge("selvedge_store_reachable",
                                        "Whether the store answered when it was asked last.");
    reachable_gauge_->set(1);
    stale_answers_ = &registry->counter(
        "selvedge_store_stale_answers_total",
        "Reads answered from this node's cache because the store did not answer.");
    blob_hits_ = &registry->counter("selvedge_store_blob_cache_hits_total",
                                    "Blobs that this node had already.");
    blob_misses_ = &registry->counter("selvedge_store_blob_cache_misses_total",
                                      "Blobs that were fetched from the store.");
  }
}

Result<std::unique_ptr<CachedStore>> CachedStore::open(Store& backend,
                                                       const CachedStoreOptions& options) {
  SELVEDGE_TRY(auto blobs, internal::FileCache::open(options.folder / "blobs",
                                                     options.blob_bytes_max, options.clock));
  SELVEDGE_TRY(auto documents,
               internal::FileCache::open(options.folder / "documents", options.document_bytes_max,
                                         options.clock));
  return std::unique_ptr<CachedStore>(
      new CachedStore(backend, options, std::move(blobs), std::move(documents)));
}

bool CachedStore::reachable() const {
  const std::lock_guard lock(state_mutex_);
  return reachable_;
}

bool CachedStore::should_ask() {
  const std::lock_guard lock(state_mutex_);
  if (reachable_) {
    return true;
  }
  const base::MonotonicTime now = options_.clock.now();
  if (now < next_probe_) {
    return false;
  }
  // The others need not wait for the same answer.
  next_probe_ = now + options_.probe_interval;
  return true;
}

void CachedStore::note_answer() {
  const std::lock_guard lock(state_mutex_);
  if (!std::exchange(reachable_, true)) {
    log::info("store answers again");
    if (reachable_gauge_ != nullptr) {
      reachable_gauge_->set(1);
    }
  }
}

void CachedStore::note_failure(const Error& error) {
  const std::lock_guard lock(state_mutex_);
  next_probe_ = options_.clock.now() + options_.probe_interval;
  last_error_ = error.message();
  if (std::exchange(reachable_, false)) {
    log::warning("store does not answer, what was seen is served error=\"{}\"", error.message());
    if (reachable_gauge_ != nullptr) {
      reachable_gauge_->set(0);
    }
  }
}

bool CachedStore::is_outage(const Error& error) {
  switch (error.kind()) {
    case ErrorKind::kInvalid:
    case ErrorKind::kNotFound:
    case ErrorKind::kConflict:
      note_answer();
      return false;
    case ErrorKind::kInternal:
    case ErrorKind::kUnsupported: {
      // Something is damaged; the rest of the store may well be whole.
      const std::lock_guard lock(state_mutex_);
      if (last_error_ != error.message()) {
        last_error_ = error.message();
        log::warning("store answer is of no use, what was seen is served error=\"{}\"",
                     last_error_);
      }
      return true;
    }
    default:
      note_failure(error);
      return true;
  }
}

Error CachedStore::unreachable(std::string_view name) const {
  const std::lock_guard lock(state_mutex_);
  return Error(ErrorKind::kDisconnected,
               fmt::format("the store does not answer, and this node has not seen {} before: {}",
                           name, last_error_));
}

Result<Object> CachedStore::get(const Key& key, std::size_t bytes_max) {
  SELVEDGE_TRY_VOID(check_document_key(key));
  std::optional<Object> known = documents_.recall(key);
  if (should_ask()) {
    const internal::SeenDocuments::Use use(documents_, key);
    auto read = ask(backend_, key, known, bytes_max);
    if (read) {
      note_answer();
      if (*read) {
        documents_.remember(use, (*read)->bytes, (*read)->revision);
        return **std::move(read);
      }
      SELVEDGE_TRY_VOID(check_size(key, *known, bytes_max));
      return *std::move(known);
    }
    if (!is_outage(read.error())) {
      if (read.error().kind() == ErrorKind::kNotFound) {
        documents_.forget(use);
      }
      return fail(std::move(read).error());
    }
  }
  if (!known) {
    return fail(unreachable(fmt::format("`{}`", key.text())));
  }
  SELVEDGE_TRY_VOID(check_size(key, *known, bytes_max));
  count(stale_answers_);
  known->stale = true;
  return *std::move(known);
}

Result<std::optional<Object>> CachedStore::get_if_changed(const Key& key, const Revision& known,
                                                          std::size_t bytes_max) {
  SELVEDGE_TRY(auto object, get(key, bytes_max));
  return !object.stale && object.revision == known ? std::nullopt
                                                   : std::optional(std::move(object));
}

Result<Revision> CachedStore::put(const Key& key, base::ByteSpan bytes,
                                  const Precondition& precondition) {
  const internal::SeenDocuments::Use use(documents_, key);
  auto revision = backend_.put(key, bytes, precondition);
  if (!revision) {
    is_outage(revision.error());
    return revision;
  }
  note_answer();
  documents_.remember(use, bytes, *revision);
  documents_.forget_pages_of(key);
  return revision;
}

Result<> CachedStore::remove(const Key& key, const Precondition& precondition) {
  const internal::SeenDocuments::Use use(documents_, key);
  auto removed = backend_.remove(key, precondition);
  if (!removed) {
    is_outage(removed.error());
    return removed;
  }
  note_answer();
  documents_.forget(use);
  documents_.forget_pages_of(key);
  if (key.is_below(kBlobFolder)) {
    blobs_->remove(key.text().substr(key.text().rfind('/') + 1));
  }
  return {};
}

Result<ListPage> CachedStore::list(const ListOptions& options) {
  if (should_ask()) {
    auto page = backend_.list(options);
    if (page) {
      note_answer();
      documents_.remember_page(options, *page);
      return page;
    }
    if (!is_outage(page.error())) {
      return page;
    }
  }
  auto page = documents_.recall_page(options);
  if (!page) {
    return fail(unreachable(fmt::format("this list of `{}`", options.folder.text())));
  }
  count(stale_answers_);
  return *std::move(page);
}

Result<std::size_t> CachedStore::remove_unfinished(std::int64_t before) {
  return backend_.remove_unfinished(before);
}

Result<std::optional<std::uint64_t>> CachedStore::find_blob(const BlobHash& hash) {
  if (!should_ask()) {
    return fail(unreachable(fmt::format("the blob {}", hash.hex())));
  }
  auto size = backend_.find_blob(hash);
  if (size) {
    note_answer();
  } else {
    is_outage(size.error());
  }
  return size;
}

Result<> CachedStore::write_blob(BlobSource& source) {
  auto written = backend_.write_blob(source);
  if (written) {
    note_answer();
  } else {
    is_outage(written.error());
  }
  return written;
}

Result<> CachedStore::read_blob(const BlobHash& hash, std::uint64_t bytes_max, BlobSink& sink) {
  auto opened = obtain(hash, bytes_max);
  if (opened) {
    return internal::copy_to_sink(*opened, sink, "the cache");
  }
  // Without room here the store itself has to do.
  if (opened.error().kind() == ErrorKind::kOverloaded && should_ask()) {
    return backend_.read_blob(hash, bytes_max, sink);
  }
  return fail(std::move(opened).error());
}

Result<base::UniqueFd> CachedStore::open_blob(const BlobHash& hash, std::uint64_t bytes_max) {
  SELVEDGE_TRY(internal::OpenFile opened, obtain(hash, bytes_max));
  return std::move(opened.file);
}

std::optional<internal::OpenFile> CachedStore::find_verified(const BlobHash& hash) {
  auto opened = blobs_->find(hash.hex());
  if (!opened) {
    return std::nullopt;
  }
  internal::HashingSink hashing(nullptr);
  if (internal::copy_to_sink(*opened, hashing, "the cache") && hashing.hash() == hash &&
      ::lseek(opened->file.get(), 0, SEEK_SET) == 0) {
    return opened;
  }
  log::warning("store cache has a damaged blob hash={}", hash.hex());
  blobs_->remove(hash.hex());
  return std::nullopt;
}

Result<internal::OpenFile> CachedStore::obtain(const BlobHash& hash, std::uint64_t bytes_max) {
  std::unique_lock lock(fetching_mutex_);
  fetched_.wait(lock, [this, &hash] { return !fetching_.contains(hash); });
  fetching_.insert(hash);
  lock.unlock();

  auto found = find_verified(hash);
  count(found ? blob_hits_ : blob_misses_);
  Result<internal::OpenFile> opened =
      found ? Result<internal::OpenFile>(*std::move(found)) : fetch(hash, bytes_max);

  lock.lock();
  fetching_.erase(hash);
  lock.unlock();
  fetched_.notify_all();
  if (opened && opened->size > bytes_max) {
    return fail_format(ErrorKind::kInvalid, "the blob {} has {} bytes: {} are allowed", hash.hex(),
                       opened->size, bytes_max);
  }
  return opened;
}

Result<internal::OpenFile> CachedStore::fetch(const BlobHash& hash, std::uint64_t bytes_max) {
  if (!should_ask()) {
    return fail(unreachable(fmt::format("the blob {}", hash.hex())));
  }
  SELVEDGE_TRY(internal::TemporaryFile file, blobs_->create());
  internal::HashingSink hashing(&file);
  if (auto read = backend_.read_blob(hash, bytes_max, hashing); !read) {
    // A full disk of ours is no outage of the store.
    if (!hashing.failed()) {
      is_outage(read.error());
    }
    return fail(std::move(read).error());
  }
  note_answer();
  SELVEDGE_TRY_VOID(hashing.verify(hash));
  const std::uint64_t size = hashing.size();
  // Through a descriptor of its own: what the next ones do with their position is not our business.
  SELVEDGE_TRY(internal::OpenFile opened, file.open_again());
  if (const auto kept = blobs_->keep(hash.hex(), std::move(file), size); !kept) {
    log::warning("store cache keeps no blob hash={} error=\"{}\"", hash.hex(),
                 kept.error().message());
  }
  return opened;
}

}  // namespace selvedge::store
