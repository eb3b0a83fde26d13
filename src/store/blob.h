#pragma once

// Where the bytes of a blob come from and go to. A blob is immutable and named by the BLAKE3 hash
// of its bytes, so whoever reads one can verify it, and whoever writes one can be repeated.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "crypto/blake3.h"
#include "store/key.h"

namespace selvedge::store {

using BlobHash = crypto::Blake3Hash;

// The largest blob: a package of 1 GiB and what frames it.
inline constexpr std::uint64_t kBlobBytesMax = (std::uint64_t{1} << 30) + (std::uint64_t{1} << 20);
// The folder of all blobs: `blobs/<first two digits>/<64 digits>`. It holds nothing else.
inline constexpr std::string_view kBlobFolder = "blobs";

Key blob_key(const BlobHash& hash);

// A blob that is being written: its bytes once, in order. One thread at a time.
class BlobSource {
 public:
  // `bytes` must outlive the source, and have the hash `hash`.
  BlobSource(const BlobHash& hash, base::ByteSpan bytes) noexcept
      : hash_(hash), bytes_(bytes), size_(bytes.size()) {}
  // Reads `file` from its beginning; it is borrowed, and need not have that hash: see finish().
  BlobSource(const BlobHash& hash, int file, std::uint64_t size) noexcept
      : hash_(hash), file_(file), size_(size) {}

  const BlobHash& hash() const noexcept [[clang::lifetimebound]] { return hash_; }
  std::uint64_t size() const noexcept { return size_; }
  std::uint64_t remaining() const noexcept { return size_ - position_; }

  // Fills `out`, which is not larger than what remains.
  Result<> read(base::MutableByteSpan out);
  // To be called when everything was read, before the blob becomes visible to others: kConflict
  // when the file changed since its hash was taken.
  Result<> finish() const;

 private:
  BlobHash hash_;
  base::ByteSpan bytes_;
  int file_ = -1;
  std::uint64_t size_;
  std::uint64_t position_ = 0;
  crypto::Blake3Hasher hasher_;
};

// Takes the bytes of a blob that is being read, in order. What it got is not verified yet.
class BlobSink {
 public:
  virtual ~BlobSink() = default;
  // An error ends the reading and is what the reader returns.
  virtual Result<> write(base::ByteSpan bytes) = 0;
};

}  // namespace selvedge::store
