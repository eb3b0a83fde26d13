#pragma once

// Entries of one app on their way to its file, as records: their sequences are given when they are
// written.

#include <cstddef>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "logs/log_entry.h"

namespace selvedge::logs {

class RecordBatch {
 public:
  void add(const Entry& entry) {
    append_unsealed(bytes_, entry);
    ++count_;
  }
  // Room for so many bytes at once.
  void reserve(std::size_t bytes) { bytes_.reserve(bytes); }
  bool empty() const noexcept { return count_ == 0; }
  std::size_t count() const noexcept { return count_; }
  // One record behind the other.
  base::MutableByteSpan bytes() noexcept [[clang::lifetimebound]] { return bytes_; }
  std::size_t byte_count() const noexcept { return bytes_.size(); }

 private:
  std::vector<std::byte> bytes_;
  std::size_t count_ = 0;
};

struct AppRecords {
  std::string app;
  RecordBatch records;
};

}  // namespace selvedge::logs
