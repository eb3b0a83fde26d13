#pragma once

// A folder of this machine as the tree that a volume is made of.

#include <cstdint>
#include <deque>
#include <filesystem>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/webc.h"

namespace selvedge::app::internal {

// Owns the contents of what it has read. Times and owners are left out: the same files make the
// same tree, whenever and wherever they were written.
class FolderReader {
 public:
  // The folder with all that is in it, as a root without a name. Links are kept as they are. Errors
  // as of pack_folder (app/volume_blob.h). Blocks.
  Result<wire::WebcNode> read(const std::filesystem::path& folder);
  // One file, under that name.
  Result<wire::WebcNode> read_file(const std::filesystem::path& path, std::string name);

 private:
  Result<wire::WebcNode> read_folder(const std::filesystem::path& folder, std::string name,
                                     std::size_t depth);
  Result<wire::WebcNode> read_entry(const std::filesystem::directory_entry& entry,
                                    std::size_t depth);
  base::ByteSpan keep(std::string text);

  std::deque<std::string> contents_;
  std::uint64_t bytes_ = 0;
};

}  // namespace selvedge::app::internal
