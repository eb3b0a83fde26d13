#pragma once

// Whole files of a process's file system, for programs and libraries.

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "io/task.h"
#include "wasix/errno_result.h"
#include "wasix/file_system.h"

namespace selvedge::wasix {

class Process;

namespace internal {

// An open regular file. `path` is as absolute_path() makes it. kAcces: it is something else; others
// as opening says.
ErrnoResult<std::shared_ptr<File>> open_whole_file(Process& process, const std::string& path);
// All of it. `process` outlives the task. kNoexec: it has more than engine::kModuleBytesMax.
io::Task<ErrnoResult<std::vector<std::byte>>> read_whole_file(Process& process,
                                                              std::shared_ptr<File> file);

}  // namespace internal
}  // namespace selvedge::wasix
