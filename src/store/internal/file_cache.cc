#include "store/internal/file_cache.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <system_error>
#include <utility>
#include <vector>

#include "base/format.h"

namespace selvedge::store::internal {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kNewFolder = ".new";

struct CachedFile {
  fs::path path;
  std::uint64_t size;
  timespec used;
};

// Every file in the folders of `folder`; unreadable ones are left out.
std::vector<CachedFile> scan(const fs::path& folder) {
  std::vector<CachedFile> files;
  std::error_code error;
  for (const fs::directory_entry& part : fs::directory_iterator(folder, error)) {
    if (part.path().filename().native().starts_with('.')) {
      continue;
    }
    std::error_code ignored;
    for (const fs::directory_entry& file : fs::directory_iterator(part.path(), ignored)) {
      struct stat status{};
      if (::lstat(file.path().c_str(), &status) == 0 && S_ISREG(status.st_mode)) {
        files.push_back({.path = file.path(),
                         .size = static_cast<std::uint64_t>(status.st_size),
                         .used = status.st_mtim});
      }
    }
  }
  return files;
}

std::uint64_t size_of(const fs::path& path) noexcept {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

}  // namespace

Result<std::unique_ptr<FileCache>> FileCache::open(fs::path folder, std::uint64_t bytes_max,
                                                   const base::Clock& clock) {
  SELVEDGE_TRY_VOID(make_folders(folder / kNewFolder));
  TemporaryFile::remove_abandoned(folder / kNewFolder);
  std::unique_ptr<FileCache> cache(new FileCache(std::move(folder), bytes_max, clock));
  for (const CachedFile& file : scan(cache->folder_)) {
    cache->bytes_ += file.size;
  }
  cache->trim();
  return cache;
}

fs::path FileCache::path_of(std::string_view name) const {
  return folder_ / name.substr(0, 2) / name;
}

std::optional<OpenFile> FileCache::find(std::string_view name) {
  auto opened = open_file(path_of(name));
  if (!opened || !*opened) {
    return std::nullopt;
  }
  touch((*opened)->file.get());
  return std::move(*opened);
}

Result<TemporaryFile> FileCache::create() {
  return TemporaryFile::create((folder_ / kNewFolder / "XXXXXX").native());
}

Result<> FileCache::keep(std::string_view name, TemporaryFile file, std::uint64_t size) {
  if (size > bytes_max_) {
    return fail_format(ErrorKind::kOverloaded, "{} bytes are more than the cache {} holds", size,
                       folder_.native());
  }
  const fs::path path = path_of(name);
  SELVEDGE_TRY_VOID(make_folders(path.parent_path()));
  touch(file.file());
  const std::lock_guard lock(mutex_);
  const std::uint64_t replaced = size_of(path);
  SELVEDGE_TRY_VOID(file.move_to(path));
  bytes_ = bytes_ - std::min(bytes_, replaced) + size;
  trim();
  return {};
}

void FileCache::remove(std::string_view name) {
  const fs::path path = path_of(name);
  const std::lock_guard lock(mutex_);
  const std::uint64_t size = size_of(path);
  if (::unlink(path.c_str()) == 0) {
    bytes_ -= std::min(bytes_, size);
  }
}

void FileCache::touch(int file) const noexcept {
  const auto now = clock_.wall_now().time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
  const timespec time{.tv_sec = seconds.count(), .tv_nsec = (now - seconds).count()};
  const std::array<timespec, 2> times{time, time};
  // Where it cannot be set, that of the last use that could be has to do.
  ::futimens(file, times.data());
}

void FileCache::trim() {
  if (bytes_ <= bytes_max_) {
    return;
  }
  std::vector<CachedFile> files = scan(folder_);
  std::ranges::sort(files, {}, [](const CachedFile& file) {
    return std::pair(file.used.tv_sec, file.used.tv_nsec);
  });
  // What is really there, as others may have removed files.
  bytes_ = 0;
  for (const CachedFile& file : files) {
    bytes_ += file.size;
  }
  // The newest file stays: it is the one that is wanted now.
  for (std::size_t i = 0; i + 1 < files.size() && bytes_ > bytes_max_ / 10 * kTrimTenths; ++i) {
    if (::unlink(files[i].path.c_str()) == 0) {
      bytes_ -= files[i].size;
    }
  }
}

std::uint64_t FileCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace selvedge::store::internal
