#pragma once

// Files that are either whole or not there. Blocking; any thread.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "store/blob.h"

namespace selvedge::store::internal {

// What `number` (an errno) means for who uses the store. `what` begins the sentence: "the store
// /var/x".
Error system_error(int number, std::string_view what);

Result<> write_all(int file, base::ByteSpan bytes, std::string_view what);
// Reads until `out` is full or the file ends; the number of bytes read.
Result<std::size_t> read_full(int file, base::MutableByteSpan out, std::string_view what);
Result<> sync_file(int file, std::string_view what);
// Makes what was created, renamed or removed in `folder` survive a crash.
Result<> sync_folder(const std::filesystem::path& folder);
// Creates `folder` and what is missing above it, private to this user, durably. An existing folder
// keeps its rights.
Result<> make_folders(const std::filesystem::path& folder);

// A regular file, open for reading, and its size. nullopt when there is no file of this name.
struct OpenFile {
  base::UniqueFd file;
  std::uint64_t size;
};
Result<std::optional<OpenFile>> open_file(const std::filesystem::path& path);

// Streams the file from where it stands, up to its end, also when it has grown meanwhile.
Result<> copy_to_sink(const OpenFile& from, BlobSink& sink, std::string_view what);

// A file that becomes `target` or vanishes. It is locked while its process lives, so that another
// process can tell what a dead one left behind.
class TemporaryFile final : public BlobSink {
 public:
  // `pattern`: a path that ends with XXXXXX.
  static Result<TemporaryFile> create(std::string pattern);
  // Removes the temporary files in `folder` whose processes have ended; how many.
  static std::size_t remove_abandoned(const std::filesystem::path& folder);

  TemporaryFile(TemporaryFile&& other) noexcept;
  TemporaryFile& operator=(TemporaryFile&&) = delete;
  ~TemporaryFile() override;

  int file() const noexcept { return file_.get(); }
  Result<> write(base::ByteSpan bytes) override { return write_all(file(), bytes, path_); }
  Result<> sync() { return sync_file(file(), path_); }
  // The file once more, for reading from its beginning.
  Result<OpenFile> open_again() const;
  // Renames to `target`, replacing what is there; the folder is not synced.
  Result<> move_to(const std::filesystem::path& target);

 private:
  TemporaryFile(std::string path, base::UniqueFd file) noexcept
      : path_(std::move(path)), file_(std::move(file)) {}

  std::string path_;  // empty when moved away
  base::UniqueFd file_;
};

}  // namespace selvedge::store::internal
