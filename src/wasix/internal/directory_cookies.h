#pragma once

// Positions in directories that fit into the 31 bits that telldir(3) of a 32-bit program has.
//
// Those of stores are 64 bits wide: a kernel's hashes of names, or marked with a high bit. Small
// ones are given to guests as they are; of the others an opened directory keeps a list, and guests
// get their place in it. What lies behind a position is the store's business as before, so that
// entries which come and go change nothing.

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "wasix/errno_result.h"

namespace selvedge::wasix::internal {

class DirectoryCookies {
 public:
  // Entries of one opened directory whose positions are kept. Those behind get the store's own:
  // readdir(3) goes on, telldir(3) has them cut.
  static constexpr std::size_t kKeptMax = 32'768;
  // Smaller ones are the store's.
  static constexpr std::uint64_t kFirstKept = std::uint64_t{1} << 30;
  static constexpr std::uint64_t kFirstWide = std::uint64_t{1} << 31;

  // kOverflow: the list is full, and the store's own would be taken for one in it.
  ErrnoResult<std::uint64_t> to_guest(std::uint64_t cookie);
  // kInval: of no entry that was given.
  ErrnoResult<std::uint64_t> to_store(std::uint64_t cookie) const;

 private:
  std::vector<std::uint64_t> kept_;
  std::unordered_map<std::uint64_t, std::uint32_t> places_;
};

}  // namespace selvedge::wasix::internal
