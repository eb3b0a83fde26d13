// Operations on paths. All of them are resolved beneath the directory that the guest names (see
// file_system.h).

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <variant>

#include "wasix/device_handle.h"
#include "wasix/guest_path.h"
#include "wasix/internal/handle_calls.h"
#include "wasix/internal/host_calls.h"
#include "wasix/internal/lookup.h"
#include "wasix/internal/open_descriptor.h"
#include "wasix/internal/stat.h"

namespace selvedge::wasix::internal {

namespace {

Follow follow_of(Lookupflags flags) noexcept {
  return has_any(flags, Lookupflags::kSymlinkFollow) ? Follow::kYes : Follow::kNo;
}

ErrnoResult<FileStat> stat_path(Thread& thread, GuestFd fd, std::uint32_t flags,
                                Ptr<std::uint8_t> path, std::uint32_t path_len) {
  SELVEDGE_TRY_ERRNO(Directory* const directory,
                     find_directory(thread, fd, Rights::kPathFilestatGet));
  SELVEDGE_TRY_ERRNO(const Lookupflags lookup, read_flags<Lookupflags>(flags));
  SELVEDGE_TRY_ERRNO(const std::string name, read_path_below(thread, path, path_len));
  return directory->stat(name, follow_of(lookup));
}

// What a descriptor must be able to do with its file so that these rights mean something. Whoever
// asks for a directory and for the right to write its bytes is refused by the file system.
OpenOptions open_options(Rights base, Follow follow, Oflags oflags, Fdflags fdflags) noexcept {
  const Rights written = has_any(oflags, Oflags::kDirectory)
                             ? Rights::kFdWrite
                             : Rights::kFdWrite | Rights::kFdAllocate | Rights::kFdFilestatSetSize;
  return {.follow = follow,
          .oflags = oflags,
          .fdflags = fdflags,
          .read = has_any(base, Rights::kFdRead | Rights::kFdReaddir),
          .write = has_any(base, written)};
}

// Rights over the directory that opening with these flags takes.
Rights rights_to_open(Oflags oflags) noexcept {
  Rights wanted = Rights::kPathOpen;
  if (has_any(oflags, Oflags::kCreat)) {
    wanted |= Rights::kPathCreateFile;
  }
  if (has_any(oflags, Oflags::kTrunc)) {
    wanted |= Rights::kPathFilestatSetSize;
  }
  return wanted;
}

// Standard streams are shared with their descriptor, as dup(2) does, with no more rights than that
// has; other devices get a handle of their own.
ErrnoResult<Descriptor> device_descriptor(Device device, const DeviceSource& devices, Rights base,
                                          Rights inheriting) {
  if (const auto fd = standard_stream_of(device)) {
    const auto descriptors = devices.handles.descriptors();
    if (*fd >= descriptors.size() || descriptors[*fd].handle == nullptr) {
      return refuse(Errno::kNoent);
    }
    const Descriptor& stream = descriptors[*fd];
    return Descriptor{.handle = stream.handle,
                      .rights_base = base & stream.rights_base,
                      .rights_inheriting = inheriting & stream.rights_inheriting};
  }
  std::shared_ptr<Handle> handle = device == Device::kTerminal
                                       ? terminal_of(devices.handles)
                                       : make_device_handle(device, devices.random);
  if (handle == nullptr) {
    return refuse(Errno::kNxio);
  }
  const Rights rights = base & handle->rights_base();
  return Descriptor{.handle = std::move(handle), .rights_base = rights};
}

ErrnoResult<Descriptor> descriptor_of(Opened opened, const OpenRequest& request,
                                      const DeviceSource& devices) {
  Descriptor descriptor;
  if (auto* const file = std::get_if<std::shared_ptr<File>>(&opened)) {
    if (const Device device = (*file)->device(); device != Device::kNone) {
      return device_descriptor(device, devices, request.base, request.inheriting);
    }
    descriptor.handle = std::make_shared<FileHandle>(std::move(*file));
  } else {
    std::string path = request.guest_base.empty()
                           ? std::string()
                           : absolute_path(request.guest_base, request.guest_name);
    descriptor.handle = std::make_shared<DirectoryHandle>(
        std::move(std::get<std::shared_ptr<Directory>>(opened)), std::move(path));
  }
  descriptor.rights_base = request.base & descriptor.handle->rights_base();
  descriptor.rights_inheriting = request.inheriting & descriptor.handle->rights_inheriting();
  return descriptor;
}

}  // namespace

ErrnoResult<Descriptor> open_descriptor(Directory& directory, std::string_view path,
                                        const OpenRequest& request, const DeviceSource& devices) {
  OpenOptions options =
      open_options(request.base, follow_of(request.lookup), request.oflags, request.fdflags);
  options.confined = request.confined;
  SELVEDGE_TRY_ERRNO(Opened opened, directory.open(path, options));
  return descriptor_of(std::move(opened), request, devices);
}

Errno path_create_directory(Thread& thread, GuestFd fd, Ptr<std::uint8_t> path,
                            std::uint32_t path_len) {
  SELVEDGE_TRY_ERRNO(Directory* const directory,
                     find_directory(thread, fd, Rights::kPathCreateDirectory));
  SELVEDGE_TRY_ERRNO(const std::string name, read_path_below(thread, path, path_len));
  return errno_of(directory->make_directory(name));
}

Errno path_filestat_get(Thread& thread, GuestFd fd, std::uint32_t flags, Ptr<std::uint8_t> path,
                        std::uint32_t path_len, Ptr<abi::Filestat> stat) {
  SELVEDGE_TRY_ERRNO(const FileStat value, stat_path(thread, fd, flags, path, path_len));
  return write_stat(thread, stat, value);
}

Errno snapshot0_path_filestat_get(Thread& thread, GuestFd fd, std::uint32_t flags,
                                  Ptr<std::uint8_t> path, std::uint32_t path_len,
                                  Ptr<abi::Snapshot0Filestat> stat) {
  SELVEDGE_TRY_ERRNO(const FileStat value, stat_path(thread, fd, flags, path, path_len));
  return write_stat(thread, stat, value);
}

Errno path_filestat_set_times(Thread& thread, GuestFd fd, std::uint32_t flags,
                              Ptr<std::uint8_t> path, std::uint32_t path_len, Timestamp atim,
                              Timestamp mtim, std::uint32_t fst_flags) {
  SELVEDGE_TRY_ERRNO(Directory* const directory,
                     find_directory(thread, fd, Rights::kPathFilestatSetTimes));
  SELVEDGE_TRY_ERRNO(const Lookupflags lookup, read_flags<Lookupflags>(flags));
  SELVEDGE_TRY_ERRNO(const Fstflags which, read_flags<Fstflags>(fst_flags));
  SELVEDGE_TRY_ERRNO(const TimesChange change, TimesChange::from(atim, mtim, which));
  SELVEDGE_TRY_ERRNO(const std::string name, read_path_below(thread, path, path_len));
  return errno_of(directory->set_times(name, follow_of(lookup), change));
}

// Making a link to what a symbolic link points at is not supported, as in other hosts: kInval.
Errno path_link(Thread& thread, GuestFd old_fd, std::uint32_t old_flags, Ptr<std::uint8_t> old_path,
                std::uint32_t old_path_len, GuestFd new_fd, Ptr<std::uint8_t> new_path,
                std::uint32_t new_path_len) {
  SELVEDGE_TRY_ERRNO(Directory* const from,
                     find_directory(thread, old_fd, Rights::kPathLinkSource));
  SELVEDGE_TRY_ERRNO(Directory* const to, find_directory(thread, new_fd, Rights::kPathLinkTarget));
  SELVEDGE_TRY_ERRNO(const Lookupflags lookup, read_flags<Lookupflags>(old_flags));
  if (lookup != Lookupflags::kNone) {
    return Errno::kInval;
  }
  SELVEDGE_TRY_ERRNO(const std::string name, read_path_below(thread, old_path, old_path_len));
  SELVEDGE_TRY_ERRNO(const std::string new_name, read_path_below(thread, new_path, new_path_len));
  return errno_of(from->link(name, *to, new_name));
}

namespace {

Errno open_path(Thread& thread, GuestFd fd, std::uint32_t dirflags, Ptr<std::uint8_t> path,
                std::uint32_t path_len, std::uint32_t oflags, Rights base, Rights inheriting,
                std::uint32_t fdflags, Fdflagsext extension, Ptr<GuestFd> opened_fd) {
  SELVEDGE_TRY_ERRNO(const Oflags open_flags, read_flags<Oflags>(oflags));
  SELVEDGE_TRY_ERRNO(Directory* const directory,
                     find_directory(thread, fd, rights_to_open(open_flags)));
  SELVEDGE_TRY_ERRNO(const Lookupflags lookup, read_flags<Lookupflags>(dirflags));
  SELVEDGE_TRY_ERRNO(const Fdflags flags, read_flags<Fdflags>(fdflags));
  // Bits that preview 1 does not define are ignored: newer interfaces define more.
  base &= Rights::kAll;
  inheriting &= Rights::kAll;
  HandleTable& handles = thread.process().handles();
  if (!has_all((*handles.find(fd))->rights_inheriting, base | inheriting)) {
    return Errno::kNotcapable;
  }
  SELVEDGE_TRY_ERRNO(const std::string name, read_path_below(thread, path, path_len));
  // Before anything is created or truncated.
  const engine::GuestMemory memory = thread.memory();
  if (!memory.bytes(opened_fd.address, sizeof(GuestFd))) {
    return Errno::kFault;
  }
  if (handles.full()) {
    return Errno::kMfile;
  }
  const std::string& base_path = (*handles.find(fd))->handle->as_directory()->guest_path();
  SELVEDGE_TRY_ERRNO(
      Descriptor descriptor,
      open_descriptor(*directory, name,
                      {.base = base,
                       .inheriting = inheriting,
                       .lookup = lookup,
                       .oflags = open_flags,
                       .fdflags = flags,
                       .guest_base = base_path,
                       .guest_name = name,
                       .confined = !thread.process().imports_wasix()},
                      {.handles = handles, .random = thread.process().shard().random}));
  descriptor.close_on_exec = has_any(extension, Fdflagsext::kCloexec);
  SELVEDGE_TRY_ERRNO(const GuestFd new_fd, handles.insert(std::move(descriptor)));
  return memory.write(opened_fd, new_fd) ? Errno::kSuccess : Errno::kFault;
}

}  // namespace

Errno path_open(Thread& thread, GuestFd fd, std::uint32_t dirflags, Ptr<std::uint8_t> path,
                std::uint32_t path_len, std::uint32_t oflags, Rights base, Rights inheriting,
                std::uint32_t fdflags, Ptr<GuestFd> opened_fd) {
  return open_path(thread, fd, dirflags, path, path_len, oflags, base, inheriting, fdflags,
                   Fdflagsext::kNone, opened_fd);
}

Errno path_open2(Thread& thread, GuestFd fd, std::uint32_t dirflags, Ptr<std::uint8_t> path,
                 std::uint32_t path_len, std::uint32_t oflags, Rights base, Rights inheriting,
                 std::uint32_t fdflags, std::uint32_t fdflagsext, Ptr<GuestFd> opened_fd) {
  SELVEDGE_TRY_ERRNO(const Fdflagsext extension, read_flags<Fdflagsext>(fdflagsext));
  return open_path(thread, fd, dirflags, path, path_len, oflags, base, inheriting, fdflags,
                   extension, opened_fd);
}

// A target longer than the buffer is cut, as readlink(2) does.
Errno path_readlink(Thread& thread, GuestFd fd, Ptr<std::uint8_t> path, std::uint32_t path_len,
                    Ptr<std::uint8_t> buf, std::uint32_t buf_len, Ptr<std::uint32_t> bufused) {
  SELVEDGE_TRY_ERRNO(Directory* const directory, find_directory(thread, fd, Rights::kPathReadlink));
  SELVEDGE_TRY_ERRNO(const std::string name, read_path_below(thread, path, path_len));
  const engine::GuestMemory memory = thread.memory();
  const auto target = memory.bytes(buf.address, buf_len);
  if (!target) {
    return Errno::kFault;
  }
  SELVEDGE_TRY_ERRNO(const std::string link, directory->read_link(name));
  const std::size_t count = std::min(link.size(), target->size());
  if (count > 0) {
    std::memcpy(target->data(), link.data(), count);
  }
  return memory.write(bufused, static_cast<std::uint32_t>(count)) ? Errno::kSuccess : Errno::kFault;
}

Errno path_remove_directory(Thread& thread, GuestFd fd, Ptr<std::uint8_t> path,
                            std::uint32_t path_len) {
  SELVEDGE_TRY_ERRNO(Directory* const directory,
                     find_directory(thread, fd, Rights::kPathRemoveDirectory));
  SELVEDGE_TRY_ERRNO(const std::string name, read_path_below(thread, path, path_len));
  return errno_of(directory->remove_directory(name));
}

Errno path_rename(Thread& thread, GuestFd fd, Ptr<std::uint8_t> old_path,
                  std::uint32_t old_path_len, GuestFd new_fd, Ptr<std::uint8_t> new_path,
                  std::uint32_t new_path_len) {
  SELVEDGE_TRY_ERRNO(Directory* const from, find_directory(thread, fd, Rights::kPathRenameSource));
  SELVEDGE_TRY_ERRNO(Directory* const to,
                     find_directory(thread, new_fd, Rights::kPathRenameTarget));
  SELVEDGE_TRY_ERRNO(const std::string name, read_path_below(thread, old_path, old_path_len));
  SELVEDGE_TRY_ERRNO(const std::string new_name, read_path_below(thread, new_path, new_path_len));
  return errno_of(from->rename(name, *to, new_name));
}

// Programs of preview 1 take a directory for a wall: they get no links to absolute paths.
Errno path_symlink(Thread& thread, Ptr<std::uint8_t> old_path, std::uint32_t old_path_len,
                   GuestFd fd, Ptr<std::uint8_t> new_path, std::uint32_t new_path_len) {
  SELVEDGE_TRY_ERRNO(Directory* const directory, find_directory(thread, fd, Rights::kPathSymlink));
  SELVEDGE_TRY_ERRNO(const std::string target, read_path(thread, old_path, old_path_len));
  SELVEDGE_TRY_ERRNO(const std::string name, read_path_below(thread, new_path, new_path_len));
  if (target.starts_with('/') && !thread.process().imports_wasix()) {
    return Errno::kPerm;
  }
  return errno_of(directory->symlink(target, name));
}

Errno path_unlink_file(Thread& thread, GuestFd fd, Ptr<std::uint8_t> path, std::uint32_t path_len) {
  SELVEDGE_TRY_ERRNO(Directory* const directory,
                     find_directory(thread, fd, Rights::kPathUnlinkFile));
  SELVEDGE_TRY_ERRNO(const std::string name, read_path_below(thread, path, path_len));
  return errno_of(directory->unlink(name));
}

}  // namespace selvedge::wasix::internal
