#pragma once

// A volume as the store keeps it: a webc container of version 3 with one volume. The same files
// make the same bytes, whenever and wherever they were written: times and owners are left out.

#include <cstddef>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/webc.h"

namespace selvedge::app {

// The one volume in it.
inline constexpr const char* kVolumeName = "volume";

// The folder with all that is in it. Symbolic links are kept when they are relative and stay
// inside. Invalid, with the path: a link that does not, a device, socket or FIFO, a name or link
// that is not UTF-8, names that differ only in case, more than kVolumeBytesMax; errors of the disk.
// Blocks, and holds the contents in memory.
Result<std::vector<std::byte>> pack_folder(const std::string& folder);

// The same for a folder of a webc package, whose contents stay where they are.
Result<std::vector<std::byte>> pack_volume(const wire::WebcNode& root);

}  // namespace selvedge::app
