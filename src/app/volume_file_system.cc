#include "app/volume_file_system.h"

namespace selvedge::app {

Result<std::shared_ptr<wasix::FileSystem>> open_volume(const std::string& path) {
  return fail(ErrorKind::kUnsupported, path + ": volumes are not mounted yet");
}

}  // namespace selvedge::app
