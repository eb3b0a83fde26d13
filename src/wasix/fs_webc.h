#pragma once

// A volume of a webc package as a file system: read-only, without copying anything. Files are read
// where they lie, in memory or in a mapping of the package's file.
//
// All of it may be used by any number of threads, and be the lower layer of any number of overlays.

#include <cstdint>
#include <memory>

#include "wasix/file_system.h"
#include "wire/webc.h"

namespace selvedge::wasix {

struct WebcFileSystemOptions {
  // FileStat::dev. To be unique among the file systems that one guest sees.
  std::uint64_t device = std::uint64_t{4} << 32;
  // Of entries that have no time of their own: in packages of version 2 none has, in version 3
  // those with the time 0.
  Timestamp default_time = 0;
  // Contents lie in a mapping of a file: reading one that is not in memory would stop the shard, so
  // it waits on a helper thread as for a file of the host (File, "Waiting").
  bool mapped = false;
};

// `root` is a folder as the reader (wire/webc_reader.h) gives it. Its ownership is that of all that
// it refers to: point into an object that holds the package and the mapping
// (std::shared_ptr's aliasing constructor). It is held as long as any file or folder is open.
std::shared_ptr<FileSystem> make_webc_file_system(std::shared_ptr<const wire::WebcNode> root,
                                                  const WebcFileSystemOptions& options);

}  // namespace selvedge::wasix
