#include "store/testing/memory_store.h"

#include <utility>

#include "base/format.h"

namespace selvedge::store::testing {
namespace {

std::unexpected<Error> not_found(const Key& key) {
  return fail_format(ErrorKind::kNotFound, "the store has no `{}`", key.text());
}

}  // namespace

Result<Object> MemoryStore::get(const Key& key, std::size_t bytes_max) {
  SELVEDGE_TRY_VOID(check_document_key(key));
  const auto found = entries_.find(key.text());
  if (found == entries_.end()) {
    return not_found(key);
  }
  if (found->second.bytes.size() > bytes_max) {
    return fail_format(ErrorKind::kInvalid, "the document `{}` is larger than {} bytes", key.text(),
                       bytes_max);
  }
  return Object{.bytes = found->second.bytes, .revision = Revision(found->second.revision)};
}

Result<std::optional<Object>> MemoryStore::get_if_changed(const Key& key, const Revision& known,
                                                          std::size_t bytes_max) {
  SELVEDGE_TRY(auto object, get(key, bytes_max));
  return object.revision == known ? std::nullopt : std::optional(std::move(object));
}

Result<> MemoryStore::check(const Key& key, const Precondition& precondition) const {
  const auto found = entries_.find(key.text());
  const bool there = found != entries_.end();
  const Revision* const revision = precondition.revision();
  if ((precondition.is_absent() && there) ||
      (revision != nullptr && (!there || found->second.revision != revision->text()))) {
    return fail_format(ErrorKind::kConflict, "`{}` was changed meanwhile", key.text());
  }
  return {};
}

Result<Revision> MemoryStore::put(const Key& key, base::ByteSpan bytes,
                                  const Precondition& precondition) {
  SELVEDGE_TRY_VOID(check_put(key, bytes));
  SELVEDGE_TRY_VOID(check(key, precondition));
  const std::string revision = fmt::format("r{}", ++revisions_);
  entries_[key.text()] = {
      .bytes = {bytes.begin(), bytes.end()}, .revision = revision, .written = time_};
  return Revision(revision);
}

Result<> MemoryStore::remove(const Key& key, const Precondition& precondition) {
  SELVEDGE_TRY_VOID(check_remove(key, precondition));
  SELVEDGE_TRY_VOID(check(key, precondition));
  entries_.erase(key.text());
  return {};
}

Result<ListPage> MemoryStore::list(const ListOptions& options) {
  SELVEDGE_TRY_VOID(check_list(options));
  ListPage page;
  auto entry =
      options.start_after ? entries_.upper_bound(options.start_after->text()) : entries_.begin();
  for (; entry != entries_.end(); ++entry) {
    auto key = Key::parse(entry->first);
    if (!key || !key->is_below(options.folder.text())) {
      continue;
    }
    if (page.entries.size() == options.limit) {
      page.more = true;
      break;
    }
    page.entries.push_back({.key = *std::move(key),
                            .revision = Revision(entry->second.revision),
                            .bytes = entry->second.bytes.size(),
                            .written = entry->second.written});
  }
  return page;
}

Result<std::optional<std::uint64_t>> MemoryStore::find_blob(const BlobHash& hash) {
  const auto found = entries_.find(blob_key(hash).text());
  return found == entries_.end() ? std::nullopt
                                 : std::optional<std::uint64_t>(found->second.bytes.size());
}

Result<> MemoryStore::write_blob(BlobSource& source) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(source.size()));
  SELVEDGE_TRY_VOID(source.read(bytes));
  SELVEDGE_TRY_VOID(source.finish());
  entries_[blob_key(source.hash()).text()] = {
      .bytes = std::move(bytes), .revision = {}, .written = time_};
  return {};
}

Result<> MemoryStore::read_blob(const BlobHash& hash, std::uint64_t bytes_max, BlobSink& sink) {
  const Key key = blob_key(hash);
  const auto found = entries_.find(key.text());
  if (found == entries_.end()) {
    return not_found(key);
  }
  if (found->second.bytes.size() > bytes_max) {
    return fail_format(ErrorKind::kInvalid, "the blob {} is larger than {} bytes", hash.hex(),
                       bytes_max);
  }
  return sink.write(found->second.bytes);
}

}  // namespace selvedge::store::testing
