#include "wasix/internal/memory_reader.h"

#include "base/assert.h"

namespace selvedge::wasix::internal {
namespace {

// A cookie with this bit belongs to the lower directory, and its other bits are the lower cookie.
constexpr std::uint64_t kLowerCookieBit = std::uint64_t{1} << 63;

DirectoryEntry dot_entry(std::string_view name, const MemoryDirectory& directory,
                         std::uint64_t next_cookie) noexcept {
  return {.name = name,
          .ino = directory.ino(),
          .filetype = Filetype::kDirectory,
          .next_cookie = next_cookie};
}

}  // namespace

ErrnoResult<> MemoryReader::read(std::uint64_t cookie, DirectoryEntrySink& sink) {
  if ((cookie & kLowerCookieBit) == 0) {
    if (!give_own(cookie, sink)) {
      return {};
    }
    cookie = kLowerCookieBit;
  }
  return give_lower(cookie & ~kLowerCookieBit, sink);
}

bool MemoryReader::give_own(std::uint64_t cookie, DirectoryEntrySink& sink) {
  directory_->accessed();
  if (cookie < 1 && !sink.add(dot_entry(".", *directory_, 1))) {
    return false;
  }
  if (cookie < 2) {
    const auto parent = directory_->parent();
    if (!sink.add(dot_entry("..", parent == nullptr ? *directory_ : *parent, 2))) {
      return false;
    }
  }
  const auto& entries = directory_->entries();
  for (auto entry = entries.upper_bound(cookie); entry != entries.end(); ++entry) {
    if (entry->second.covers_lower) {
      continue;
    }
    if (!sink.add({.name = entry->second.name,
                   .ino = entry->second.inode->ino(),
                   .filetype = entry->second.inode->filetype(),
                   .next_cookie = entry->first})) {
      return false;
    }
  }
  return true;
}

ErrnoResult<> MemoryReader::give_lower(std::uint64_t cookie, DirectoryEntrySink& sink) {
  if (directory_->lower() == nullptr) {
    return {};
  }
  if (lower_reader_ == nullptr) {
    auto reader = directory_->lower()->reader();
    if (!reader) {
      return refuse(reader.error());
    }
    lower_reader_ = std::move(*reader);
  }
  struct Filter final : DirectoryEntrySink {
    Filter(const MemoryDirectory& overlay, DirectoryEntrySink& target)
        : directory(overlay), sink(target) {}
    bool add(const DirectoryEntry& entry) override {
      auto shown = directory.show_lower(entry);
      if (!shown) {
        return true;
      }
      SELVEDGE_ASSERT((entry.next_cookie & kLowerCookieBit) == 0);
      shown->next_cookie |= kLowerCookieBit;
      return sink.add(*shown);
    }
    const MemoryDirectory& directory;
    DirectoryEntrySink& sink;
  };
  Filter filter(*directory_, sink);
  return lower_reader_->read(cookie, filter);
}

}  // namespace selvedge::wasix::internal
