#pragma once

// A store in memory, with a clock that a test sets: for models of what several nodes do.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "store/store.h"

namespace selvedge::store::testing {

// One thread at a time.
class MemoryStore : public Store {
 public:
  // Of what is written from now on: seconds since 1970.
  void set_time(std::int64_t seconds) noexcept { time_ = seconds; }
  std::int64_t time() const noexcept { return time_; }

  Result<Object> get(const Key& key, std::size_t bytes_max) override;
  Result<std::optional<Object>> get_if_changed(const Key& key, const Revision& known,
                                               std::size_t bytes_max) override;
  Result<Revision> put(const Key& key, base::ByteSpan bytes,
                       const Precondition& precondition) override;
  Result<> remove(const Key& key, const Precondition& precondition) override;
  Result<ListPage> list(const ListOptions& options) override;

  Result<std::optional<std::uint64_t>> find_blob(const BlobHash& hash) override;
  Result<> write_blob(BlobSource& source) override;
  Result<> read_blob(const BlobHash& hash, std::uint64_t bytes_max, BlobSink& sink) override;

 private:
  struct Entry {
    std::vector<std::byte> bytes;
    std::string revision;  // empty: a blob
    std::int64_t written = 0;
  };
  Result<> check(const Key& key, const Precondition& precondition) const;

  std::map<std::string, Entry> entries_;
  std::uint64_t revisions_ = 0;
  std::int64_t time_ = 1'700'000'000;
};

}  // namespace selvedge::store::testing
