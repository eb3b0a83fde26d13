#include "store/directory_store.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/format.h"
#include "base/unique_fd.h"
#include "store/internal/directory_walk.h"
#include "store/internal/document_frame.h"
#include "store/internal/file_system.h"
#include "store/internal/hashing_sink.h"

namespace selvedge::store {
namespace {

constexpr std::string_view kNewFolder = ".new";
constexpr std::string_view kLockName = ".lock";
constexpr std::size_t kCopyBytes = std::size_t{256} << 10;
constexpr base::Duration kLockPollMin = std::chrono::milliseconds(1);
constexpr base::Duration kLockPollMax = std::chrono::milliseconds(50);

Error not_found(const Key& key) {
  return Error(ErrorKind::kNotFound, fmt::format("the store has no `{}`", key.text()));
}

std::string new_pattern(const std::filesystem::path& root) {
  return (root / kNewFolder / "XXXXXX").native();
}

}  // namespace

// Held by at most one thread of all processes.
class DirectoryStore::WriteLock {
 public:
  WriteLock(std::unique_lock<std::timed_mutex> mutex, base::UniqueFd file) noexcept
      : mutex_(std::move(mutex)), file_(std::move(file)) {}

 private:
  std::unique_lock<std::timed_mutex> mutex_;
  base::UniqueFd file_;  // closing it unlocks
};

Result<std::unique_ptr<DirectoryStore>> DirectoryStore::open(DirectoryStoreOptions options) {
  // Relative paths would follow a later change of the working directory.
  std::error_code error;
  options.root = std::filesystem::absolute(options.root, error);
  if (error) {
    return fail(internal::system_error(error.value(), options.root.native()));
  }
  SELVEDGE_TRY_VOID(internal::make_folders(options.root));
  const std::filesystem::path folder = options.root / kNewFolder;
  if (auto made = internal::make_folders(folder);
      !made && made.error().kind() != ErrorKind::kDenied) {
    return fail(std::move(made).error());
  }
  internal::TemporaryFile::remove_abandoned(folder);
  const bool marked = ::access(folder.c_str(), F_OK) == 0;
  return std::unique_ptr<DirectoryStore>(new DirectoryStore(options, marked));
}

Result<DirectoryStore::WriteLock> DirectoryStore::lock_for_write() {
  std::unique_lock mutex(write_mutex_, options_.lock_time_max);
  const std::filesystem::path path = options_.root / kLockName;
  base::UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) {
    return fail(internal::system_error(errno, options_.root.native()));
  }
  base::Duration waited{};
  base::Duration step = kLockPollMin;
  while (mutex.owns_lock()) {
    if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) {
      return WriteLock(std::move(mutex), std::move(file));
    }
    if (errno != EWOULDBLOCK && errno != EINTR) {
      return fail(internal::system_error(errno, path.native()));
    }
    if (waited >= options_.lock_time_max || !options_.pause.wait(step)) {
      break;
    }
    waited += step;
    step = std::min(2 * step, kLockPollMax);
  }
  return fail_format(ErrorKind::kOverloaded, "{} is being changed by another process: try again",
                     options_.root.native());
}

Result<> DirectoryStore::check_there() const {
  if (!marked_ || ::access((options_.root / kNewFolder).c_str(), F_OK) == 0) {
    return {};
  }
  return fail_format(ErrorKind::kDisconnected, "the store {} is gone: is it still mounted?",
                     options_.root.native());
}

Result<Object> DirectoryStore::get(const Key& key, std::size_t bytes_max) {
  SELVEDGE_TRY_VOID(check_document_key(key));
  const std::filesystem::path path = path_of(key);
  SELVEDGE_TRY(const auto opened, internal::open_file(path));
  if (!opened) {
    SELVEDGE_TRY_VOID(check_there());
    return fail(not_found(key));
  }
  if (opened->size > internal::kFrameHeadBytes + std::uint64_t{bytes_max}) {
    return fail_format(ErrorKind::kInvalid, "the document `{}` is larger than {} bytes", key.text(),
                       bytes_max);
  }
  std::vector<std::byte> frame(static_cast<std::size_t>(opened->size));
  SELVEDGE_TRY(const std::size_t count,
               internal::read_full(opened->file.get(), frame, path.native()));
  auto document = internal::parse_document(base::ByteSpan(frame).first(count));
  if (!document) {
    return fail(std::move(document).error().with_context(path.native()));
  }
  return Object{.bytes = {document->bytes.begin(), document->bytes.end()},
                .revision = Revision(std::move(document->write_id))};
}

Result<std::optional<Object>> DirectoryStore::get_if_changed(const Key& key, const Revision& known,
                                                             std::size_t bytes_max) {
  SELVEDGE_TRY_VOID(check_document_key(key));
  SELVEDGE_TRY(const auto revision, internal::read_revision(path_of(key)));
  if (revision == known) {
    return std::nullopt;
  }
  return get(key, bytes_max);
}

Result<> DirectoryStore::check(const Key& key, const Precondition& precondition) const {
  if (precondition.is_any()) {
    return {};
  }
  SELVEDGE_TRY(const auto current, internal::read_revision(path_of(key)));
  SELVEDGE_TRY_VOID(check_there());
  if (precondition.is_absent() && current) {
    return fail_format(ErrorKind::kConflict, "`{}` exists already", key.text());
  }
  if (const Revision* revision = precondition.revision();
      revision != nullptr && (!current || *current != *revision)) {
    return fail_format(ErrorKind::kConflict, "`{}` was {} meanwhile", key.text(),
                       current ? "changed" : "removed");
  }
  return {};
}

Result<Revision> DirectoryStore::put(const Key& key, base::ByteSpan bytes,
                                     const Precondition& precondition) {
  SELVEDGE_TRY_VOID(check_put(key, bytes));
  SELVEDGE_TRY_VOID(check_there());
  std::string write_id = internal::make_write_id(random_);
  SELVEDGE_TRY(internal::TemporaryFile file,
               internal::TemporaryFile::create(new_pattern(options_.root)));
  SELVEDGE_TRY_VOID(file.write(internal::frame_document(write_id, bytes)));
  SELVEDGE_TRY_VOID(file.sync());

  const std::filesystem::path path = path_of(key);
  SELVEDGE_TRY(const WriteLock lock, lock_for_write());
  SELVEDGE_TRY_VOID(check(key, precondition));
  SELVEDGE_TRY_VOID(internal::make_folders(path.parent_path()));
  SELVEDGE_TRY_VOID(file.move_to(path));
  SELVEDGE_TRY_VOID(internal::sync_folder(path.parent_path()));
  return Revision(std::move(write_id));
}

Result<> DirectoryStore::remove(const Key& key, const Precondition& precondition) {
  SELVEDGE_TRY_VOID(check_remove(key, precondition));
  SELVEDGE_TRY_VOID(check_there());
  SELVEDGE_TRY(const WriteLock lock, lock_for_write());
  SELVEDGE_TRY_VOID(check(key, precondition));
  std::filesystem::path path = path_of(key);
  if (::unlink(path.c_str()) != 0) {
    // A folder of this name is no document.
    if (errno == ENOENT || errno == ENOTDIR || errno == EISDIR) {
      return {};
    }
    return fail(internal::system_error(errno, path.native()));
  }
  // Folders go with their last document, so that lists do not walk through empty ones.
  do {
    path = path.parent_path();
  } while (path != options_.root && ::rmdir(path.c_str()) == 0);
  return internal::sync_folder(path);
}

Result<ListPage> DirectoryStore::list(const ListOptions& options) {
  SELVEDGE_TRY_VOID(check_list(options));
  SELVEDGE_TRY_VOID(check_there());
  return internal::list_directory(options_.root, options, kFolderEntriesMax);
}

Result<std::size_t> DirectoryStore::remove_unfinished(std::int64_t /*before*/) {
  return internal::TemporaryFile::remove_abandoned(options_.root / kNewFolder);
}

Result<std::optional<std::uint64_t>> DirectoryStore::find_blob(const BlobHash& hash) {
  SELVEDGE_TRY(const auto opened, internal::open_file(path_of(blob_key(hash))));
  if (!opened) {
    SELVEDGE_TRY_VOID(check_there());
    return std::nullopt;
  }
  return opened->size;
}

Result<> DirectoryStore::write_blob(BlobSource& source) {
  SELVEDGE_TRY_VOID(check_there());
  SELVEDGE_TRY(internal::TemporaryFile file,
               internal::TemporaryFile::create(new_pattern(options_.root)));
  const auto piece = std::make_unique<std::array<std::byte, kCopyBytes>>();
  while (source.remaining() > 0) {
    const auto size =
        static_cast<std::size_t>(std::min<std::uint64_t>(source.remaining(), kCopyBytes));
    const base::MutableByteSpan bytes = base::MutableByteSpan(*piece).first(size);
    SELVEDGE_TRY_VOID(source.read(bytes));
    SELVEDGE_TRY_VOID(file.write(bytes));
  }
  SELVEDGE_TRY_VOID(source.finish());
  SELVEDGE_TRY_VOID(file.sync());
  // The lock keeps remove() from taking away the folder.
  const std::filesystem::path path = path_of(blob_key(source.hash()));
  SELVEDGE_TRY(const WriteLock lock, lock_for_write());
  SELVEDGE_TRY_VOID(internal::make_folders(path.parent_path()));
  SELVEDGE_TRY_VOID(file.move_to(path));
  return internal::sync_folder(path.parent_path());
}

Result<internal::OpenFile> DirectoryStore::open_file_of(const BlobHash& hash,
                                                        std::uint64_t bytes_max) const {
  const Key key = blob_key(hash);
  SELVEDGE_TRY(auto opened, internal::open_file(path_of(key)));
  if (!opened) {
    SELVEDGE_TRY_VOID(check_there());
    return fail(not_found(key));
  }
  if (opened->size > bytes_max) {
    return fail_format(ErrorKind::kInvalid, "the blob {} has {} bytes: {} are allowed", hash.hex(),
                       opened->size, bytes_max);
  }
  return *std::move(opened);
}

Result<> DirectoryStore::read_blob(const BlobHash& hash, std::uint64_t bytes_max, BlobSink& sink) {
  SELVEDGE_TRY(const internal::OpenFile opened, open_file_of(hash, bytes_max));
  return internal::copy_to_sink(opened, sink, path_of(blob_key(hash)).native());
}

Result<base::UniqueFd> DirectoryStore::open_blob(const BlobHash& hash, std::uint64_t bytes_max) {
  SELVEDGE_TRY(internal::OpenFile opened, open_file_of(hash, bytes_max));
  const std::string path = path_of(blob_key(hash)).native();
  internal::HashingSink hashing(nullptr);
  SELVEDGE_TRY_VOID(internal::copy_to_sink(opened, hashing, path));
  SELVEDGE_TRY_VOID(hashing.verify(hash));
  if (::lseek(opened.file.get(), 0, SEEK_SET) != 0) {
    return fail(internal::system_error(errno, path));
  }
  return std::move(opened.file);
}

}  // namespace selvedge::store
