#include "wasix/internal/preopen_lookup.h"

#include <algorithm>

#include "wasix/file_handle.h"
#include "wasix/guest_path.h"

namespace selvedge::wasix::internal {

ErrnoResult<PreopenPlace> locate(const HandleTable& handles, std::string_view path) {
  PreopenPlace place;
  std::size_t name_size = 0;
  for (const Descriptor& descriptor : handles.descriptors()) {
    if (descriptor.handle == nullptr || !descriptor.preopen_name) {
      continue;
    }
    DirectoryHandle* const directory = descriptor.handle->as_directory();
    const std::string name = absolute_path("/", *descriptor.preopen_name);
    const auto rest = path_beneath(name, path);
    if (directory == nullptr || !rest || (place.directory != nullptr && name.size() <= name_size)) {
      continue;
    }
    place = {.directory = directory->directory(),
             .rights_base = descriptor.rights_base,
             .rest = std::string(*rest)};
    name_size = name.size();
  }
  if (place.directory == nullptr) {
    return refuse(Errno::kNoent);
  }
  return place;
}

namespace {

ErrnoResult<> check_below(const PreopenPlace& place) {
  if (place.rest.empty()) {
    return {};
  }
  if (!has_all(place.rights_base, Rights::kPathFilestatGet)) {
    return refuse(Errno::kNotcapable);
  }
  SELVEDGE_TRY_ERRNO(const FileStat stat, place.directory->stat(place.rest, Follow::kYes));
  if (stat.filetype != Filetype::kDirectory) {
    return refuse(Errno::kNotdir);
  }
  return {};
}

}  // namespace

ErrnoResult<> check_directory(const HandleTable& handles, std::string_view path) {
  const ErrnoResult<PreopenPlace> place = locate(handles, path);
  const ErrnoResult<> checked = place ? check_below(*place) : ErrnoResult<>(refuse(place.error()));
  const bool made_up = !checked && checked.error() == Errno::kNoent &&
                       (path == "/" || leads_to_preopen(handles, path));
  return made_up ? ErrnoResult<>() : checked;
}

bool leads_to_preopen(const HandleTable& handles, std::string_view path) {
  return std::ranges::any_of(handles.descriptors(), [path](const Descriptor& descriptor) {
    return descriptor.handle != nullptr && descriptor.preopen_name &&
           path_beneath(path, absolute_path("/", *descriptor.preopen_name));
  });
}

}  // namespace selvedge::wasix::internal
