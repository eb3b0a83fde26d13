#include "wasix/handle_table.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace selvedge::wasix {

HandleTable::HandleTable(std::uint32_t handles_max) noexcept
    : handles_max_(std::min(handles_max, kHandlesMax)) {}

ErrnoResult<GuestFd> HandleTable::insert(Descriptor descriptor) {
  SELVEDGE_DCHECK(descriptor.handle != nullptr);
  std::uint32_t fd = lowest_free_;
  while (fd < slots_.size() && slots_[fd].handle != nullptr) {
    ++fd;
  }
  lowest_free_ = fd;
  if (fd >= handles_max_) {
    return refuse(Errno::kMfile);
  }
  if (fd == slots_.size()) {
    slots_.emplace_back();
  }
  slots_[fd] = std::move(descriptor);
  lowest_free_ = fd + 1;
  ++open_count_;
  return fd;
}

ErrnoResult<Descriptor*> HandleTable::find(GuestFd fd) noexcept {
  if (fd >= slots_.size() || slots_[fd].handle == nullptr) {
    return refuse(Errno::kBadf);
  }
  return &slots_[fd];
}

ErrnoResult<Descriptor*> HandleTable::find(GuestFd fd, Rights wanted) noexcept {
  SELVEDGE_TRY_ERRNO(Descriptor* const descriptor, find(fd));
  if (!has_all(descriptor->rights_base, wanted)) {
    return refuse(Errno::kNotcapable);
  }
  return descriptor;
}

Errno HandleTable::close(GuestFd fd) {
  SELVEDGE_TRY_ERRNO(Descriptor* const descriptor, find(fd));
  // Taken out of the table first: a handle's destructor may wake others, who must not find it.
  const Descriptor closing = std::exchange(*descriptor, {});
  lowest_free_ = std::min(lowest_free_, fd);
  --open_count_;
  return Errno::kSuccess;
}

Errno HandleTable::renumber(GuestFd from, GuestFd to) {
  SELVEDGE_TRY_ERRNO(Descriptor* const source, find(from));
  SELVEDGE_TRY_ERRNO(Descriptor* const target, find(to));
  if (from == to) {
    return Errno::kSuccess;
  }
  const Descriptor closing = std::exchange(*target, std::exchange(*source, {}));
  lowest_free_ = std::min(lowest_free_, from);
  --open_count_;
  return Errno::kSuccess;
}

void HandleTable::clear() noexcept {
  const std::vector<Descriptor> closing = std::exchange(slots_, {});
  open_count_ = 0;
  lowest_free_ = 0;
}

}  // namespace selvedge::wasix
