#pragma once

// The files of volumes (app/volume_blob.h) as guests see them: read in place, never changed.

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "app/module_bytes.h"
#include "base/mapped_file.h"
#include "base/result.h"
#include "wasix/file_system.h"
#include "wire/webc.h"

namespace selvedge::app {

// The root of a volume; it holds on to what it lies in. Invalid, with the name, when it is not one.
Result<std::shared_ptr<const wire::WebcNode>> open_volume_root(ModuleBytes bytes,
                                                               const std::string& name);

// The same as a file system. `default_time`: what guests see as the time of all that is in it.
// Immutable, for all threads.
Result<std::shared_ptr<wasix::FileSystem>> open_volume(base::MappedFile file,
                                                       const std::string& name,
                                                       wasix::Timestamp default_time = 0);

// A folder of one of several packages that lie above each other.
struct LayeredVolume {
  std::string guest;      // absolute, normalised; of one layer each once
  std::size_t layer = 0;  // the lowest wins
  std::shared_ptr<const wire::WebcNode> root;
};
struct MountedVolume {
  std::string guest;
  std::shared_ptr<wasix::FileSystem> files;
};
struct LayerOptions {
  wasix::Timestamp default_time = 0;
  bool mapped = false;  // contents lie in mapped files
};

// One file system for each place at which one of the layers has a volume, in the order of
// `volumes`. At each place the layers are united: a folder has the entries of all of them, and
// where two have an entry of one name that are not both folders, the lower layer's counts. Within a
// layer a volume hides what another one has at its place, as a mount does.
std::vector<MountedVolume> mount_layers(const std::vector<LayeredVolume>& volumes,
                                        const LayerOptions& options);

}  // namespace selvedge::app
