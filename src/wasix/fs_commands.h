#pragma once

// The commands of a package as files, for programs that look for commands themselves: shells,
// `which`. The tree never changes and is shared by all processes of the package; with
// merge_file_systems (fs_merged.h) it appears beside the files that a guest is given.

#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "wasix/file_system.h"

namespace selvedge::wasix {

// The module of a command: a file of the host, or bytes.
struct CommandFile {
  std::string name;
  std::string host_path = {};
  std::shared_ptr<const void> owner = nullptr;  // of `bytes`; null: it is the file
  base::ByteSpan bytes = {};
};

// A root with /bin and /usr/bin, in which each command is a file (File::command). Those whose names
// cannot be file names, or whose folder cannot be opened, are left out. Opens the folders: blocks
// on the disk. One shard's thread, as of HostDirectory's files.
std::shared_ptr<FileSystem> make_command_file_system(const base::Clock& clock,
                                                     const std::vector<CommandFile>& commands);

}  // namespace selvedge::wasix
