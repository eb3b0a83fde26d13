#pragma once

// A file in memory without being read: for immutable files of our own (blobs), since a file that is
// cut short while it is mapped ends the process that touches what is gone.

#include <cstddef>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/result.h"

namespace selvedge::base {

class MappedFile {
 public:
  // Read-only and private. NotFound, Denied, Invalid (not a regular file), Internal; with the path.
  static Result<MappedFile> open(const std::string& path);
  // An open file, which the mapping outlives: also when its name is removed. `name` is for
  // messages.
  static Result<MappedFile> map(int file, const std::string& name);

  MappedFile(MappedFile&& other) noexcept : mapping_(std::exchange(other.mapping_, {})) {}
  MappedFile& operator=(MappedFile&&) = delete;
  ~MappedFile();

  ByteSpan bytes() const noexcept [[clang::lifetimebound]] { return mapping_; }

 private:
  explicit MappedFile(MutableByteSpan mapping) noexcept : mapping_(mapping) {}

  MutableByteSpan mapping_;  // not writable, but munmap(2) takes it so
};

}  // namespace selvedge::base
