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

  MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  MappedFile& operator=(MappedFile&&) = delete;
  ~MappedFile();

  ByteSpan bytes() const noexcept [[clang::lifetimebound]] { return bytes_; }

 private:
  explicit MappedFile(ByteSpan bytes) noexcept : bytes_(bytes) {}

  ByteSpan bytes_;
};

}  // namespace selvedge::base
