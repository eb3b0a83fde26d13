#include "app/volume_file_system.h"

#include <utility>

#include "app/volume_blob.h"
#include "wasix/fs_webc.h"
#include "wire/webc_reader.h"

namespace selvedge::app {
namespace {

// The container and what it lies in.
struct MappedVolume {
  base::MappedFile file;
  wire::WebcPackage container;
};

}  // namespace

Result<std::shared_ptr<wasix::FileSystem>> open_volume(base::MappedFile file,
                                                       const std::string& name,
                                                       wasix::Timestamp default_time) {
  auto container = wire::WebcPackage::open(file.bytes());
  if (!container.has_value()) {
    return fail(std::move(container).error().with_context(name));
  }
  const auto volume = std::make_shared<const MappedVolume>(
      MappedVolume{.file = std::move(file), .container = *std::move(container)});
  const wire::WebcVolume* const found = volume->container.find_volume(kVolumeName);
  if (found == nullptr) {
    return fail(ErrorKind::kInvalid, name + ": not a volume of a published package");
  }
  return wasix::make_webc_file_system(std::shared_ptr<const wire::WebcNode>(volume, &found->root),
                                      {.default_time = default_time, .mapped = true});
}

}  // namespace selvedge::app
