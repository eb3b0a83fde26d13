#pragma once

// What most host functions begin with: descriptors, paths and flags of the guest, checked.

#include <cstdint>
#include <string>

#include "engine/guest_memory.h"
#include "wasix/errno_result.h"
#include "wasix/file_handle.h"
#include "wasix/handle_table.h"
#include "wasix/process.h"
#include "wasix/thread.h"

namespace selvedge::wasix::internal {

// The directory behind `fd`. kBadf: not open; kNotdir: something else; kNotcapable: a right is
// missing. The result stays valid while the descriptor is open.
inline ErrnoResult<Directory*> find_directory(Thread& thread, GuestFd fd, Rights wanted) {
  SELVEDGE_TRY_ERRNO(const Descriptor* const descriptor, thread.process().handles().find(fd));
  DirectoryHandle* const directory = descriptor->handle->as_directory();
  if (directory == nullptr) {
    return refuse(Errno::kNotdir);
  }
  if (!has_all(descriptor->rights_base, wanted)) {
    return refuse(Errno::kNotcapable);
  }
  return directory->directory().get();
}

// The regular file behind `fd`. kIsdir for a directory, `otherwise` for what is neither.
inline ErrnoResult<FileHandle*> find_file(Thread& thread, GuestFd fd, Rights wanted,
                                          Errno otherwise) {
  SELVEDGE_TRY_ERRNO(const Descriptor* const descriptor, thread.process().handles().find(fd));
  if (FileHandle* const file = descriptor->handle->as_file()) {
    if (!has_all(descriptor->rights_base, wanted)) {
      return refuse(Errno::kNotcapable);
    }
    return file;
  }
  return refuse(descriptor->handle->as_directory() != nullptr ? Errno::kIsdir : otherwise);
}

// A copy of the guest's path. kFault: not in its memory; kNametoolong. The file system validates
// the bytes.
inline ErrnoResult<std::string> read_path(Thread& thread, engine::GuestPtr<std::uint8_t> path,
                                          std::uint32_t path_len) {
  const engine::GuestMemory memory = thread.memory();
  if (!memory.bytes(path.address, path_len)) {
    return refuse(Errno::kFault);
  }
  if (path_len > kPathBytesMax) {
    return refuse(Errno::kNametoolong);
  }
  return *memory.read_string(path.address, path_len);
}

// The same for a path below a descriptor. wasix-libc names what is below its root by absolute
// paths, as Wasmer takes them: its programs may begin with slashes, which mean nothing. For preview
// 1 such a path is an error, which the file system answers.
inline ErrnoResult<std::string> read_path_below(Thread& thread, engine::GuestPtr<std::uint8_t> path,
                                                std::uint32_t path_len) {
  SELVEDGE_TRY_ERRNO(std::string name, read_path(thread, path, path_len));
  if (name.starts_with('/') && thread.process().imports_wasix()) {
    name.erase(0, name.find_first_not_of('/'));
    if (name.empty()) {
      name = ".";
    }
  }
  return name;
}

// A set of flags that came as a wider integer; kInval: unknown bits.
template <FlagSet Flags>
ErrnoResult<Flags> read_flags(std::uint32_t bits) noexcept {
  if ((bits & ~static_cast<std::uint64_t>(Flags::kAll)) != 0) {
    return refuse(Errno::kInval);
  }
  return static_cast<Flags>(bits);
}

inline Errno errno_of(const ErrnoResult<>& result) noexcept {
  return result ? Errno::kSuccess : result.error();
}

}  // namespace selvedge::wasix::internal
