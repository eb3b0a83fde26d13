#pragma once

// The files of a volume (app/volume_blob.h) as guests see them.

#include <memory>
#include <string>

#include "base/result.h"
#include "wasix/file_system.h"

namespace selvedge::app {

// Maps the file, which is never changed, and reads in place. `default_time`: what guests see as the
// time of all that is in it. Immutable, for all threads. Invalid, with the path, when it is not a
// volume. Blocks.
Result<std::shared_ptr<wasix::FileSystem>> open_volume(const std::string& path,
                                                       wasix::Timestamp default_time = 0);

}  // namespace selvedge::app
