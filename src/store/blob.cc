#include "store/blob.h"

#include <unistd.h>

#include <algorithm>

#include "base/assert.h"
#include "base/format.h"
#include "store/internal/file_system.h"

namespace selvedge::store {

Key blob_key(const BlobHash& hash) {
  const std::string hex = hash.hex();
  auto key = Key::parse(fmt::format("{}/{}/{}", kBlobFolder, hex.substr(0, 2), hex));
  SELVEDGE_ASSERT(key.has_value());
  return *std::move(key);
}

Result<> BlobSource::read(base::MutableByteSpan out) {
  SELVEDGE_ASSERT(out.size() <= remaining());
  if (file_ < 0) {
    std::ranges::copy(bytes_.subspan(static_cast<std::size_t>(position_), out.size()), out.begin());
    position_ += out.size();
    return {};
  }
  SELVEDGE_TRY(const std::size_t count, internal::read_full(file_, out, "the file"));
  if (count < out.size()) {
    return fail(ErrorKind::kConflict, "the file became shorter while it was being stored");
  }
  hasher_.update(out);
  position_ += count;
  return {};
}

Result<> BlobSource::finish() const {
  SELVEDGE_ASSERT(remaining() == 0);
  if (file_ >= 0 && hasher_.finalize() != hash_) {
    return fail(ErrorKind::kConflict, "the file changed while it was being stored");
  }
  return {};
}

}  // namespace selvedge::store
