#pragma once

// What a DirectoryStore reads without opening whole documents.

#include <cstddef>
#include <filesystem>
#include <optional>

#include "base/result.h"
#include "store/store.h"

namespace selvedge::store::internal {

// The revision of the document in the file `path`; nullopt when there is no such file.
Result<std::optional<Revision>> read_revision(const std::filesystem::path& path);

// Store::list over the files below `root`. Folders with more than `folder_entries_max` names are
// kOverloaded.
Result<ListPage> list_directory(const std::filesystem::path& root, const ListOptions& options,
                                std::size_t folder_entries_max);

}  // namespace selvedge::store::internal
