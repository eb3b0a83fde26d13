#include "engine/memory_image.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/format.h"

namespace selvedge::engine {

namespace {

// /proc/pid/pagemap: one word for each page.
constexpr std::uint64_t kPagePresent = std::uint64_t{1} << 63;
constexpr std::uint64_t kPageSwapped = std::uint64_t{1} << 62;
constexpr std::uint64_t kPageOfFile = std::uint64_t{1} << 61;
constexpr std::size_t kPagemapEntries = 4096;

struct Pages {
  std::size_t offset = 0;
  std::size_t size = 0;
};

auto refused(std::string_view what) {
  return fail_format(ErrorKind::kInternal, "{} failed: {}", what,
                     std::generic_category().message(errno));
}

enum class Sharing : int { kShared = MAP_SHARED, kPrivate = MAP_PRIVATE };

Result<> map(const MemoryRegion& region, const base::UniqueFd& file, Sharing sharing) {
  const int flags = static_cast<int>(sharing) | MAP_FIXED | MAP_NORESERVE;
  if (::mmap(region.data, region.reserved, PROT_NONE, flags, file.get(), 0) == MAP_FAILED) {
    return refused("mapping a guest's memory");
  }
  if (::mprotect(region.data, region.size, PROT_READ | PROT_WRITE) != 0) {
    return refused("opening a guest's memory");
  }
  return {};
}

// The pages of the region that are its own copies.
Result<std::vector<Pages>> own_pages(const MemoryRegion& region) {
  const base::UniqueFd pagemap(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  if (!pagemap) {
    return refused("opening /proc/self/pagemap");
  }
  const auto page_size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t first = std::bit_cast<std::uintptr_t>(region.data) / page_size;
  const std::size_t count = region.size / page_size;
  std::vector<std::uint64_t> entries(kPagemapEntries);
  std::vector<Pages> found;
  for (std::size_t done = 0; done < count;) {
    const std::size_t wanted = std::min(count - done, entries.size()) * sizeof(std::uint64_t);
    const auto at = static_cast<off_t>((first + done) * sizeof(std::uint64_t));
    const ssize_t bytes = ::pread(pagemap.get(), entries.data(), wanted, at);
    if (bytes <= 0) {
      return refused("reading /proc/self/pagemap");
    }
    const std::size_t read = static_cast<std::size_t>(bytes) / sizeof(std::uint64_t);
    for (std::size_t index = 0; index < read; ++index) {
      const std::uint64_t entry = entries[index];
      const bool own = (entry & kPageSwapped) != 0 ||
                       ((entry & kPagePresent) != 0 && (entry & kPageOfFile) == 0);
      const std::size_t offset = (done + index) * page_size;
      if (own && !found.empty() && found.back().offset + found.back().size == offset) {
        found.back().size += page_size;
      } else if (own) {
        found.push_back({.offset = offset, .size = page_size});
      }
    }
    done += read;
  }
  return found;
}

Result<> write_to(const base::UniqueFd& file, const std::byte* data, Pages pages) {
  while (pages.size != 0) {
    const ssize_t written =
        ::pwrite(file.get(), data + pages.offset, pages.size, static_cast<off_t>(pages.offset));
    if (written <= 0) {
      return refused("writing the image of a guest's memory");
    }
    pages.offset += static_cast<std::size_t>(written);
    pages.size -= static_cast<std::size_t>(written);
  }
  return {};
}

}  // namespace

MemoryImage::MemoryImage(std::shared_ptr<const base::UniqueFd> file) noexcept
    : file_(std::move(file)) {}

Result<std::unique_ptr<MemoryImage>> MemoryImage::create(const MemoryRegion& region) {
  base::UniqueFd file(::memfd_create("selvedge-guest-memory", MFD_CLOEXEC));
  if (!file || ::ftruncate(file.get(), static_cast<off_t>(region.reserved)) != 0) {
    return refused("making a file for a guest's memory");
  }
  SELVEDGE_TRY_VOID(map(region, file, Sharing::kShared));
  std::unique_ptr<MemoryImage> image(
      new MemoryImage(std::make_shared<const base::UniqueFd>(std::move(file))));
  image->writes_through_ = true;
  return image;
}

Result<std::unique_ptr<MemoryImage>> MemoryImage::fork(const MemoryRegion& region,
                                                       const MemoryRegion& child) {
  std::vector<Pages> own;
  if (!writes_through_) {
    SELVEDGE_TRY(own, own_pages(region));
  } else {
    SELVEDGE_TRY_VOID(map(region, *file_, Sharing::kPrivate));
    writes_through_ = false;
  }
  if (file_.use_count() == 1) {
    // Nobody else sees the image: it becomes the present content.
    for (const Pages& pages : own) {
      SELVEDGE_TRY_VOID(write_to(*file_, region.data, pages));
      if (::madvise(region.data + pages.offset, pages.size, MADV_DONTNEED) != 0) {
        return refused("dropping copied pages");
      }
    }
    own.clear();
  }
  SELVEDGE_TRY_VOID(map(child, *file_, Sharing::kPrivate));
  for (const Pages& pages : own) {
    std::memcpy(child.data + pages.offset, region.data + pages.offset, pages.size);
  }
  return std::unique_ptr<MemoryImage>(new MemoryImage(file_));
}

}  // namespace selvedge::engine
