#pragma once

// Files by name in a folder of bounded size: what was used longest ago goes first. Nothing is
// synced: whoever reads a file checks it.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "store/internal/file_system.h"

namespace selvedge::store::internal {

// Any thread; one process.
class FileCache {
 public:
  // Room made at once when the cache is full, so that not every file costs a look at all.
  static constexpr std::uint64_t kTrimTenths = 9;

  static Result<std::unique_ptr<FileCache>> open(std::filesystem::path folder,
                                                 std::uint64_t bytes_max, const base::Clock& clock);

  // `name`: at least two characters of a file name. Counts as a use. What is open stays readable
  // when it is removed.
  std::optional<OpenFile> find(std::string_view name);
  // A file to fill, for keep(). kOverloaded when the disk is full.
  Result<TemporaryFile> create();
  // Makes `file`, of `size` bytes, the one of this name. kOverloaded when it is larger than the
  // cache.
  Result<> keep(std::string_view name, TemporaryFile file, std::uint64_t size);
  void remove(std::string_view name);

  std::uint64_t bytes() const;

 private:
  FileCache(std::filesystem::path folder, std::uint64_t bytes_max,
            const base::Clock& clock) noexcept
      : folder_(std::move(folder)), bytes_max_(bytes_max), clock_(clock) {}

  std::filesystem::path path_of(std::string_view name) const;
  // Notes the time of this use in the file itself, where it outlives the process.
  void touch(int file) const noexcept;
  void trim();

  std::filesystem::path folder_;
  std::uint64_t bytes_max_;
  const base::Clock& clock_;
  mutable std::mutex mutex_;
  std::uint64_t bytes_ = 0;
};

}  // namespace selvedge::store::internal
