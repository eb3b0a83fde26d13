#pragma once

// The files of a volume (app/volume_blob.h) as guests see them.

#include <memory>
#include <string>

#include "base/result.h"
#include "wasix/file_system.h"

namespace selvedge::app {

// Maps the file, which is never changed, and reads in place. Immutable, for all threads. Invalid,
// with the path, when it is not a volume. Blocks.
Result<std::shared_ptr<wasix::FileSystem>> open_volume(const std::string& path);

}  // namespace selvedge::app
