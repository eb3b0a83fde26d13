#include "wasix/handle_table.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace selvedge::wasix {

HandleTable::HandleTable(std::uint32_t handles_max) noexcept
    : handles_max_(std::min(handles_max, kHandlesMax)) {}

ErrnoResult<GuestFd> HandleTable::insert(Descriptor descriptor, GuestFd lowest) {
  SELVEDGE_DCHECK(descriptor.handle != nullptr);
  if (lowest > 0 && lowest >= handles_max_) {
    return refuse(Errno::kInval);
  }
  GuestFd fd = std::max(lowest, lowest_free_);
  while (fd < slots_.size() && slots_[fd].handle != nullptr) {
    ++fd;
  }
  // Only a search that began there says what the lowest free number is.
  const bool from_lowest_free = lowest <= lowest_free_;
  if (from_lowest_free) {
    lowest_free_ = fd;
  }
  if (fd >= handles_max_) {
    return refuse(Errno::kMfile);
  }
  if (fd >= slots_.size()) {
    slots_.resize(std::size_t{fd} + 1);
  }
  slots_[fd] = std::move(descriptor);
  if (from_lowest_free) {
    lowest_free_ = fd + 1;
  }
  ++open_count_;
  return fd;
}

ErrnoResult<GuestFd> HandleTable::duplicate(GuestFd fd, GuestFd lowest, bool close_on_exec) {
  SELVEDGE_TRY_ERRNO(const Descriptor* const source, find(fd));
  return insert({.handle = source->handle,
                 .rights_base = source->rights_base,
                 .rights_inheriting = source->rights_inheriting,
                 .close_on_exec = close_on_exec},
                lowest);
}

Errno HandleTable::place(GuestFd fd, Descriptor descriptor) {
  SELVEDGE_DCHECK(descriptor.handle != nullptr);
  if (fd >= handles_max_) {
    return Errno::kBadf;
  }
  if (fd >= slots_.size()) {
    slots_.resize(std::size_t{fd} + 1);
  }
  const Descriptor closing = std::exchange(slots_[fd], std::move(descriptor));
  if (closing.handle == nullptr) {
    ++open_count_;
  }
  return Errno::kSuccess;
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

Errno HandleTable::close_unless_preopened(GuestFd fd) {
  return is_preopened(fd) ? Errno::kSuccess : close(fd);
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

Errno HandleTable::duplicate_onto(GuestFd from, GuestFd to) {
  SELVEDGE_TRY_ERRNO(const Descriptor* const source, find(from));
  if (to >= handles_max_) {
    return Errno::kBadf;
  }
  if (from == to) {
    return Errno::kSuccess;
  }
  if (is_preopened(to)) {
    return Errno::kNotsup;
  }
  Descriptor copy = *source;
  copy.preopen_name.reset();
  copy.close_on_exec = false;
  return place(to, std::move(copy));
}

void HandleTable::close_marked_for_exec() {
  for (GuestFd fd = 0; fd < slots_.size(); ++fd) {
    if (slots_[fd].close_on_exec && !is_preopened(fd)) {
      static_cast<void>(close(fd));
    }
  }
}

void HandleTable::clear() noexcept {
  const std::vector<Descriptor> closing = std::exchange(slots_, {});
  open_count_ = 0;
  lowest_free_ = 0;
}

}  // namespace selvedge::wasix
