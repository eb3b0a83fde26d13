#pragma once

// The files of a volume (app/volume_blob.h) as guests see them.

#include <memory>
#include <string>

#include "base/mapped_file.h"
#include "base/result.h"
#include "wasix/file_system.h"

namespace selvedge::app {

// Reads in place in the file, which is never changed. `default_time`: what guests see as the time
// of all that is in it. Immutable, for all threads. Invalid, with the name, when it is not a
// volume.
Result<std::shared_ptr<wasix::FileSystem>> open_volume(base::MappedFile file,
                                                       const std::string& name,
                                                       wasix::Timestamp default_time = 0);

}  // namespace selvedge::app
