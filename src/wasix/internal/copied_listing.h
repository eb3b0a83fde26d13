#pragma once

// A directory's entries, copied when its listing begins: for directories that join those of several
// file systems, whose cookies leave no room for each other's.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wasix/fs_node.h"

namespace selvedge::wasix::internal {

class CopiedListing {
 public:
  static constexpr std::size_t kEntriesMax = std::size_t{1} << 20;

  void clear() noexcept { entries_.clear(); }
  void add(std::string_view name, std::uint64_t ino, Filetype filetype) {
    entries_.push_back({.name = std::string(name), .ino = ino, .filetype = filetype});
  }
  bool full() const noexcept { return entries_.size() >= kEntriesMax; }

  // As DirectoryReader::read; cookies count the entries.
  void give(std::uint64_t cookie, DirectoryEntrySink& sink) const {
    for (std::uint64_t i = cookie; i < entries_.size(); ++i) {
      const Entry& entry = entries_[i];
      if (!sink.add({.name = entry.name,
                     .ino = entry.ino,
                     .filetype = entry.filetype,
                     .next_cookie = i + 1})) {
        return;
      }
    }
  }

 private:
  struct Entry {
    std::string name;
    std::uint64_t ino;
    Filetype filetype;
  };
  std::vector<Entry> entries_;
};

}  // namespace selvedge::wasix::internal
