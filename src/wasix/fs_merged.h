#pragma once

// The files that a guest is given, with those that the machine adds (fs_devices.h, fs_commands.h):
// directories that are in both show the names of both. What the guest changes is changed in its
// files; a name that only the added tree has beside them cannot be removed, replaced or renamed. In
// directories that only the added tree has it decides itself.

#include <memory>
#include <string_view>

#include "wasix/file_system.h"

namespace selvedge::wasix {

struct MergeRules {
  // For a name that is a file in the added tree and anything in the files.
  bool added_wins = false;
  // Whether added names are listed in directories that the files have. A folder of the host should
  // list what is in it, so that who copies it takes nothing else along.
  bool lists_added = true;
};

// `files`, which lie at the absolute path `place` of a guest, with what `added`, a whole root, has
// there; `files` itself when that is nothing. As shareable as both.
std::shared_ptr<FileSystem> merge_file_systems(std::shared_ptr<FileSystem> files,
                                               std::string_view place, FileSystem& added,
                                               MergeRules rules);

}  // namespace selvedge::wasix
