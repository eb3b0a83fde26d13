#pragma once

#include <cstdint>

#include "base/format.h"
#include "crypto/blake3.h"
#include "store/blob.h"

namespace selvedge::store::internal {

// Hashes what it passes on.
class HashingSink final : public BlobSink {
 public:
  // `next` may be null: then the bytes are only hashed.
  explicit HashingSink(BlobSink* next) noexcept : next_(next) {}

  Result<> write(base::ByteSpan bytes) override {
    hasher_.update(bytes);
    size_ += bytes.size();
    auto written = next_ != nullptr ? next_->write(bytes) : Result<>();
    failed_ |= !written.has_value();
    return written;
  }

  BlobHash hash() const noexcept { return hasher_.finalize(); }
  std::uint64_t size() const noexcept { return size_; }
  // Whether `next` refused bytes.
  bool failed() const noexcept { return failed_; }

  Result<> verify(const BlobHash& expected) const {
    if (hash() != expected) {
      return fail_format(ErrorKind::kInternal,
                         "the store holds other bytes than those of the blob {}", expected.hex());
    }
    return {};
  }

 private:
  BlobSink* next_;
  crypto::Blake3Hasher hasher_;
  std::uint64_t size_ = 0;
  bool failed_ = false;
};

}  // namespace selvedge::store::internal
