#include "engine/artifact_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <vector>

#include "base/format.h"
#include "base/log.h"
#include "engine/internal/native_text.h"

namespace selvedge::engine {
namespace {

constexpr std::string_view kSuffix = ".artifact";
constexpr std::string_view kKeyName = "artifact.key";
constexpr std::array<char, 16> kMagic = {'s', 'e', 'l', 'v', 'e', 'd', 'g', 'e',
                                         ' ', 'a', 'o', 't', ' ', 'v', '1', '\n'};

// Follows the artifact's bytes in its file.
struct Trailer {
  std::array<char, 16> magic;
  std::uint64_t artifact_size;
  std::array<std::byte, 32> tag;
};
static_assert(sizeof(Trailer) == 56);

std::string system_message(int error) { return std::generic_category().message(error); }

Result<> write_all(int descriptor, base::ByteSpan bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written < 0) {
      return fail(ErrorKind::kInternal, system_message(errno));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

constexpr int kCreateAttemptsMax = 16;
constexpr std::size_t kTemporaryDigits = 6;

// A file beside `path`, locked while this process lives: so another one can tell what a dead one
// left behind. `temporary` becomes its path.
base::UniqueFd create_temporary(const std::filesystem::path& path, std::string& temporary) {
  for (int attempt = 0; attempt < kCreateAttemptsMax; ++attempt) {
    temporary = path.string() + "." + std::string(kTemporaryDigits, 'X');
    base::UniqueFd file(::mkostemp(temporary.data(), O_CLOEXEC));
    struct stat status{};
    // Between the two calls it may have been taken for abandoned.
    if (!file || (::flock(file.get(), LOCK_EX | LOCK_NB) == 0 &&
                  ::fstat(file.get(), &status) == 0 && status.st_nlink == 1)) {
      return file;
    }
    ::unlink(temporary.c_str());
  }
  errno = EBUSY;
  return {};
}

// Removes the temporary files of processes that have ended.
void remove_abandoned(const std::filesystem::path& folder) {
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    const std::filesystem::path& path = at->path();
    const std::filesystem::path stem = path.stem();
    if (path.extension().native().size() != kTemporaryDigits + 1 ||
        (stem.extension() != kSuffix && stem != kKeyName)) {
      continue;
    }
    const base::UniqueFd file(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (file && ::flock(file.get(), LOCK_EX | LOCK_NB) == 0) {
      ::unlink(path.c_str());
    }
  }
}

// Creates `name` with these contents only whole: written beside it, then linked or renamed.
// `replace` false keeps an existing file.
Result<> write_file(const std::filesystem::path& path, std::initializer_list<base::ByteSpan> parts,
                    bool replace) {
  std::string temporary;
  const base::UniqueFd file = create_temporary(path, temporary);
  if (!file) {
    return fail_format(ErrorKind::kInternal, "{} cannot be written: {}", path.string(),
                       system_message(errno));
  }
  Result<> outcome;
  for (const base::ByteSpan part : parts) {
    if (outcome) {
      outcome = write_all(file.get(), part);
    }
  }
  if (outcome && replace && ::rename(temporary.c_str(), path.c_str()) != 0) {
    outcome = fail(ErrorKind::kInternal, system_message(errno));
  }
  if (outcome && !replace && ::link(temporary.c_str(), path.c_str()) != 0 && errno != EEXIST) {
    outcome = fail(ErrorKind::kInternal, system_message(errno));
  }
  if (!outcome || !replace) {
    ::unlink(temporary.c_str());
  }
  if (!outcome) {
    return fail(std::move(outcome).error().with_context(path.string()));
  }
  return {};
}

Result<> check_private(const std::filesystem::path& path, int descriptor) {
  struct stat status{};
  if (::fstat(descriptor, &status) != 0) {
    return fail_format(ErrorKind::kInternal, "{}: {}", path.string(), system_message(errno));
  }
  if (status.st_uid != ::geteuid() || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return fail_format(ErrorKind::kDenied,
                       "{} must belong to this user and be writable by nobody else", path.string());
  }
  return {};
}

Result<std::optional<ArtifactCache::Key>> read_key(const std::filesystem::path& path) {
  const base::UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file) {
    if (errno == ENOENT) {
      return std::nullopt;
    }
    return fail_format(ErrorKind::kInternal, "{}: {}", path.string(), system_message(errno));
  }
  SELVEDGE_TRY_VOID(check_private(path, file.get()));
  ArtifactCache::Key key;
  if (::read(file.get(), key.data(), key.size()) != static_cast<ssize_t>(key.size())) {
    return fail_format(ErrorKind::kInvalid, "{} is not a key of 32 bytes: remove it",
                       path.string());
  }
  return key;
}

Result<ArtifactCache::Key> make_key(const std::filesystem::path& path, base::Random* random) {
  SELVEDGE_TRY(auto existing, read_key(path));
  if (existing) {
    return *existing;
  }
  if (random == nullptr) {
    return fail(ErrorKind::kInvalid, "an artifact cache needs a key or a source of randomness");
  }
  ArtifactCache::Key key;
  random->fill(key);
  SELVEDGE_TRY_VOID(write_file(path, {key}, /*replace=*/false));
  // Another process may have been first: its key counts.
  SELVEDGE_TRY(auto kept, read_key(path));
  if (!kept) {
    return fail_format(ErrorKind::kInternal, "{} vanished", path.string());
  }
  return *kept;
}

// A file's bytes, mapped for reading.
class MappedFile {
 public:
  MappedFile(int descriptor, std::size_t size) noexcept
      : size_(size),
        data_(::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, descriptor, 0)) {}
  ~MappedFile() {
    if (data_ != MAP_FAILED) {
      ::munmap(data_, size_);
    }
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::optional<base::ByteSpan> bytes() const noexcept [[clang::lifetimebound]] {
    if (data_ == MAP_FAILED) {
      return std::nullopt;
    }
    return base::ByteSpan(static_cast<const std::byte*>(data_), size_);
  }

 private:
  std::size_t size_;
  void* data_;
};

bool equal_in_constant_time(const std::array<std::byte, 32>& a,
                            const std::array<std::byte, 32>& b) noexcept {
  std::byte difference{0};
  for (std::size_t index = 0; index < a.size(); ++index) {
    difference |= a[index] ^ b[index];
  }
  return difference == std::byte{0};
}

}  // namespace

Result<std::unique_ptr<ArtifactCache>> ArtifactCache::open(std::filesystem::path folder,
                                                           std::optional<Key> key,
                                                           base::Random* random,
                                                           std::uint64_t bytes_max) {
  std::error_code error;
  std::filesystem::create_directories(folder.parent_path(), error);
  if (::mkdir(folder.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    return fail_format(ErrorKind::kInvalid, "the cache folder {} cannot be made: {}",
                       folder.string(), system_message(errno));
  }
  const base::UniqueFd opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened) {
    return fail_format(ErrorKind::kInvalid, "the cache folder {} cannot be opened: {}",
                       folder.string(), system_message(errno));
  }
  SELVEDGE_TRY_VOID(check_private(folder, opened.get()));
  remove_abandoned(folder);
  if (!key) {
    SELVEDGE_TRY(key, make_key(folder / kKeyName, random));
  }
  return std::unique_ptr<ArtifactCache>(new ArtifactCache(std::move(folder), *key, bytes_max));
}

std::filesystem::path ArtifactCache::path_of(const ArtifactId& id) const {
  std::string name;
  for (const std::byte byte : id) {
    name += fmt::format("{:02x}", static_cast<unsigned>(byte));
  }
  return folder_ / (name + std::string(kSuffix));
}

std::array<std::byte, 32> ArtifactCache::tag_of(const ArtifactId& id,
                                                base::ByteSpan artifact) const {
  const std::uint64_t size = artifact.size();
  auto* hasher =
      native::selvedge_blake3_hasher_new_keyed(reinterpret_cast<const std::uint8_t*>(key_.data()));
  native::selvedge_blake3_hasher_update(hasher, to_native(base::ByteSpan(id)));
  native::selvedge_blake3_hasher_update(hasher, to_native(std::as_bytes(std::span(&size, 1))));
  native::selvedge_blake3_hasher_update(hasher, to_native(artifact));
  std::array<std::byte, 32> tag;
  native::selvedge_blake3_hasher_finalize(hasher, reinterpret_cast<std::uint8_t*>(tag.data()),
                                          tag.size());
  native::selvedge_blake3_hasher_free(hasher);
  return tag;
}

std::optional<base::UniqueFd> ArtifactCache::find(const ArtifactId& id) const {
  const std::filesystem::path path = path_of(id);
  base::UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat status{};
  if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) ||
      status.st_size <= static_cast<off_t>(sizeof(Trailer)) ||
      !check_private(path, file.get()).has_value()) {
    return std::nullopt;
  }
  const MappedFile mapped(file.get(), static_cast<std::size_t>(status.st_size));
  const auto bytes = mapped.bytes();
  if (!bytes) {
    return std::nullopt;
  }
  Trailer trailer;
  std::memcpy(&trailer, bytes->last(sizeof trailer).data(), sizeof trailer);
  const base::ByteSpan artifact = bytes->first(bytes->size() - sizeof trailer);
  if (trailer.magic != kMagic || trailer.artifact_size != artifact.size() ||
      !equal_in_constant_time(trailer.tag, tag_of(id, artifact))) {
    log::warning("compiled module is damaged or not ours, compiling again file={}", path.string());
    return std::nullopt;
  }
  // Its age says when it was last used.
  ::futimens(file.get(), nullptr);
  return file;
}

Result<> ArtifactCache::store(const ArtifactId& id, base::ByteSpan artifact) const {
  const Trailer trailer{
      .magic = kMagic, .artifact_size = artifact.size(), .tag = tag_of(id, artifact)};
  SELVEDGE_TRY_VOID(write_file(path_of(id), {artifact, std::as_bytes(std::span(&trailer, 1))},
                               /*replace=*/true));
  trim();
  return {};
}

void ArtifactCache::remove(const ArtifactId& id) const noexcept { ::unlink(path_of(id).c_str()); }

void ArtifactCache::trim() const {
  struct Item {
    std::filesystem::file_time_type used;
    std::uint64_t bytes;
    std::filesystem::path path;
  };
  std::vector<Item> items;
  std::uint64_t bytes = 0;
  std::error_code error;
  // Not a range-for: its increment throws.
  for (std::filesystem::directory_iterator at(folder_, error), end; !error && at != end;
       at.increment(error)) {
    const std::filesystem::directory_entry& file = *at;
    std::error_code item_error;
    if (file.path().extension() != kSuffix || !file.is_regular_file(item_error)) {
      continue;
    }
    const std::uint64_t size = file.file_size(item_error);
    const auto used = file.last_write_time(item_error);
    if (!item_error) {
      bytes += size;
      items.push_back({.used = used, .bytes = size, .path = file.path()});
    }
  }
  std::ranges::sort(items, {}, &Item::used);
  for (std::size_t index = 0; bytes > bytes_max_ && index + 1 < items.size(); ++index) {
    std::filesystem::remove(items[index].path, error);
    bytes -= items[index].bytes;
  }
}

}  // namespace selvedge::engine
