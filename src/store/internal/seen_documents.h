#pragma once

// The documents and pages of lists that a node has seen, on its disk. Not synced: what a crash
// damages is as if it had not been seen.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "store/internal/file_cache.h"
#include "store/store.h"

namespace selvedge::store::internal {

// Any thread.
class SeenDocuments {
 public:
  // An operation on one document, made before the store is asked: so a late answer does not replace
  // what a later operation has left.
  class Use {
   public:
    Use(SeenDocuments& documents, const Key& key);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    friend class SeenDocuments;
    SeenDocuments& documents_;
    const Key& key_;
    std::uint64_t number_ = 0;
  };

  explicit SeenDocuments(std::unique_ptr<FileCache> files) noexcept : files_(std::move(files)) {}

  std::optional<Object> recall(const Key& key);
  // What cannot be kept is forgotten, so that nothing older is recalled.
  void remember(const Use& use, base::ByteSpan bytes, const Revision& revision);
  void forget(const Use& use);

  std::optional<ListPage> recall_page(const ListOptions& options);
  void remember_page(const ListOptions& options, const ListPage& page);
  // The first pages, of the usual size, of the folders that `key` is in: after it was made or
  // removed, none is better than one that does not show it.
  void forget_pages_of(const Key& key);

 private:
  struct Underway {
    int count = 0;
    std::uint64_t last = 0;
  };

  // Whether no later operation has left its result. With the lock held.
  bool claim(const Use& use);
  // A file has the line that it is about, then the content.
  Result<> keep(std::string_view subject, std::string_view line, base::ByteSpan bytes);
  std::optional<std::vector<std::byte>> find(std::string_view subject);

  std::unique_ptr<FileCache> files_;
  std::mutex mutex_;
  std::map<std::string, Underway, std::less<>> underway_;
  std::uint64_t last_number_ = 0;
};

}  // namespace selvedge::store::internal
