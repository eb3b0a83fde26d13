#pragma once

// Input blocks that connections borrow while they have bytes to look at, so that idle connections
// hold none.

#include <cstddef>
#include <memory>
#include <vector>

namespace selvedge::gateway::internal {

using Block = std::unique_ptr<std::byte[]>;

// One thread.
class BlockPool {
 public:
  static constexpr std::size_t kBlockBytes = 16 * 1024;
  static constexpr std::size_t kKeptMax = 64;

  Block take() {
    if (kept_.empty()) {
      return std::make_unique_for_overwrite<std::byte[]>(kBlockBytes);
    }
    Block block = std::move(kept_.back());
    kept_.pop_back();
    return block;
  }
  void give_back(Block block) {
    if (block && kept_.size() < kKeptMax) {
      kept_.push_back(std::move(block));
    }
  }

 private:
  std::vector<Block> kept_;
};

}  // namespace selvedge::gateway::internal
