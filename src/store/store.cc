#include "store/store.h"

#include <unistd.h>

#include "base/format.h"
#include "store/internal/file_system.h"
#include "store/internal/hashing_sink.h"

namespace selvedge::store {
namespace {

class MemorySink final : public BlobSink {
 public:
  Result<> write(base::ByteSpan bytes) override {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return {};
  }
  std::vector<std::byte> take() noexcept { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

Result<> check_blob_size(std::uint64_t size) {
  if (size > kBlobBytesMax) {
    return fail_format(ErrorKind::kInvalid, "a blob has at most {} bytes, this one {}",
                       kBlobBytesMax, size);
  }
  return {};
}

// Another size under the right name is what an interrupted foreign copy leaves: written again.
Result<> write_unless_present(Store& store, BlobSource& source) {
  SELVEDGE_TRY(const auto size, store.find_blob(source.hash()));
  if (size == source.size()) {
    return {};
  }
  return store.write_blob(source);
}

}  // namespace

Result<BlobHash> Store::put_blob(base::ByteSpan bytes) {
  SELVEDGE_TRY_VOID(check_blob_size(bytes.size()));
  BlobSource source(crypto::blake3(bytes), bytes);
  SELVEDGE_TRY_VOID(write_unless_present(*this, source));
  return source.hash();
}

Result<BlobHash> Store::put_blob_file(const std::filesystem::path& path) {
  SELVEDGE_TRY(const auto opened, internal::open_file(path));
  if (!opened) {
    return fail_format(ErrorKind::kNotFound, "{} is not a file", path.native());
  }
  SELVEDGE_TRY_VOID(check_blob_size(opened->size));
  internal::HashingSink hashing(nullptr);
  SELVEDGE_TRY_VOID(internal::copy_to_sink(*opened, hashing, path.native()));
  if (::lseek(opened->file.get(), 0, SEEK_SET) != 0) {
    return fail_format(ErrorKind::kInvalid, "{} cannot be read twice", path.native());
  }
  BlobSource source(hashing.hash(), opened->file.get(), opened->size);
  if (auto written = write_unless_present(*this, source); !written) {
    return fail(std::move(written).error().with_context(path.native()));
  }
  return source.hash();
}

Result<bool> Store::has_blob(const BlobHash& hash) {
  SELVEDGE_TRY(const auto size, find_blob(hash));
  return size.has_value();
}

Result<std::vector<std::byte>> Store::get_blob(const BlobHash& hash, std::uint64_t bytes_max) {
  MemorySink memory;
  internal::HashingSink hashing(&memory);
  SELVEDGE_TRY_VOID(read_blob(hash, bytes_max, hashing));
  SELVEDGE_TRY_VOID(hashing.verify(hash));
  return memory.take();
}

Result<> Store::fetch_blob_to(const BlobHash& hash, const std::filesystem::path& path,
                              std::uint64_t bytes_max) {
  const std::filesystem::path folder =
      path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  const std::string pattern =
      (folder / fmt::format(".{}.XXXXXX", path.filename().native())).native();
  SELVEDGE_TRY(internal::TemporaryFile file, internal::TemporaryFile::create(pattern));
  internal::HashingSink hashing(&file);
  SELVEDGE_TRY_VOID(read_blob(hash, bytes_max, hashing));
  SELVEDGE_TRY_VOID(hashing.verify(hash));
  SELVEDGE_TRY_VOID(file.sync());
  SELVEDGE_TRY_VOID(file.move_to(path));
  return internal::sync_folder(folder);
}

Result<> check_document_key(const Key& key) {
  if (key.text() == kBlobFolder || key.is_below(kBlobFolder)) {
    return fail_format(ErrorKind::kInvalid, "`{}` is the place of blobs, not of a document",
                       key.text());
  }
  return {};
}

Result<> check_put(const Key& key, base::ByteSpan bytes) {
  if (bytes.size() > kDocumentBytesMax) {
    return fail_format(ErrorKind::kInvalid, "the document `{}` has {} bytes: {} are allowed",
                       key.text(), bytes.size(), kDocumentBytesMax);
  }
  return check_document_key(key);
}

Result<> check_remove(const Key& key, const Precondition& precondition) {
  if (precondition.is_absent()) {
    return fail_format(ErrorKind::kInvalid, "`{}` cannot be removed if it is absent", key.text());
  }
  return precondition.is_any() ? Result<>() : check_document_key(key);
}

Result<> check_list(const ListOptions& options) {
  if (options.limit < 1 || options.limit > ListOptions::kLimitMax) {
    return fail_format(ErrorKind::kInvalid, "a page of a list has 1 to {} entries",
                       ListOptions::kLimitMax);
  }
  return {};
}

}  // namespace selvedge::store
