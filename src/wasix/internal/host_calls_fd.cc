// What works on any kind of descriptor.

#include <cstring>
#include <string>
#include <utility>

#include "wasix/internal/blocking.h"
#include "wasix/internal/disk.h"
#include "wasix/internal/file_read.h"
#include "wasix/internal/guest_buffers.h"
#include "wasix/internal/host_calls.h"
#include "wasix/internal/lookup.h"
#include "wasix/internal/socket_lookup.h"
#include "wasix/internal/stat.h"
#include "wasix/internal/write_attempt.h"

namespace selvedge::wasix::internal {

namespace {

Errno attempt_read(Thread& thread, Handle& handle, Ptr<abi::Iovec> iovs, std::uint32_t iovs_len,
                   Ptr<std::uint32_t> nread) {
  const engine::GuestMemory memory = thread.memory();
  ReadBuffers buffers;
  if (const Errno error = buffers.gather(memory, iovs, iovs_len); error != Errno::kSuccess) {
    return error;
  }
  // Before anything is taken out of a pipe: a fault must not lose bytes.
  if (!memory.bytes(nread.address, sizeof(std::uint32_t))) {
    return Errno::kFault;
  }
  SELVEDGE_TRY_ERRNO(const std::size_t count, handle.try_read(buffers.spans()));
  return memory.write(nread, static_cast<std::uint32_t>(count)) ? Errno::kSuccess : Errno::kFault;
}

}  // namespace

ErrnoResult<std::size_t> put(Thread& thread, Handle& handle, std::span<const ByteSpan> buffers,
                             std::uint64_t done) {
  const ErrnoResult<std::size_t> count = handle.try_write(buffers);
  if (!count) {
    if (count.error() == Errno::kPipe && (done == 0 || handle.as_socket() == nullptr)) {
      thread.process().raise_broken_pipe(thread);
    }
  } else if (handle.counts_as_output() && !thread.process().account_output(thread, *count)) {
    return refuse(Errno::kIo);  // which the guest does not see: it has ended
  }
  return count;
}

// The C library of WASIX looks preopened directories up once, at start, and needs them for each
// path. Preview 1's programs may give theirs up.
Errno fd_close(Thread& thread, GuestFd fd) {
  Process& process = thread.process();
  const bool keeps = process.handles().is_preopened(fd) && process.imports_wasix();
  return keeps ? Errno::kSuccess : process.handles().close(fd);
}

Errno fd_fdstat_get(Thread& thread, GuestFd fd, Ptr<abi::Fdstat> stat) {
  SELVEDGE_TRY_ERRNO(const Descriptor* const descriptor, thread.process().handles().find(fd));
  abi::Fdstat value{};
  value.filetype = descriptor->handle->filetype();
  value.flags = descriptor->handle->flags();
  value.rights_base = descriptor->rights_base;
  value.rights_inheriting = descriptor->rights_inheriting;
  return thread.memory().write(stat, value) ? Errno::kSuccess : Errno::kFault;
}

Errno fd_fdstat_set_flags(Thread& thread, GuestFd fd, std::uint32_t flags) {
  SELVEDGE_TRY_ERRNO(const Descriptor* const descriptor,
                     thread.process().handles().find(fd, Rights::kFdFdstatSetFlags));
  SELVEDGE_TRY_ERRNO(const Fdflags value, read_flags<Fdflags>(flags));
  return descriptor->handle->set_flags(value);
}

// Rights can only be given up. Bits beyond preview 1's are ignored: newer interfaces define more.
Errno fd_fdstat_set_rights(Thread& thread, GuestFd fd, Rights base, Rights inheriting) {
  SELVEDGE_TRY_ERRNO(Descriptor* const descriptor, thread.process().handles().find(fd));
  base &= Rights::kAll;
  inheriting &= Rights::kAll;
  if (!has_all(descriptor->rights_base, base) ||
      !has_all(descriptor->rights_inheriting, inheriting)) {
    return Errno::kNotcapable;
  }
  descriptor->rights_base = base;
  descriptor->rights_inheriting = inheriting;
  return Errno::kSuccess;
}

Errno fd_prestat_get(Thread& thread, GuestFd fd, Ptr<abi::Prestat> prestat) {
  SELVEDGE_TRY_ERRNO(const Descriptor* const descriptor, thread.process().handles().find(fd));
  if (!descriptor->preopen_name) {
    return Errno::kBadf;  // wasi-libc's signal to end its search for preopened directories
  }
  abi::Prestat value{};
  value.tag = Preopentype::kDir;
  value.name_len = static_cast<std::uint32_t>(descriptor->preopen_name->size());
  return thread.memory().write(prestat, value) ? Errno::kSuccess : Errno::kFault;
}

Errno fd_prestat_dir_name(Thread& thread, GuestFd fd, Ptr<std::uint8_t> path,
                          std::uint32_t path_len) {
  SELVEDGE_TRY_ERRNO(const Descriptor* const descriptor, thread.process().handles().find(fd));
  if (!descriptor->preopen_name) {
    return Errno::kBadf;
  }
  const std::string& name = *descriptor->preopen_name;
  const auto target = thread.memory().bytes(path.address, path_len);
  if (!target) {
    return Errno::kFault;
  }
  if (path_len < name.size()) {
    return Errno::kNametoolong;
  }
  if (!name.empty()) {
    std::memcpy(target->data(), name.data(), name.size());
  }
  return Errno::kSuccess;
}

BlockingErrno fd_read(Thread& thread, GuestFd fd, Ptr<abi::Iovec> iovs, std::uint32_t iovs_len,
                      Ptr<std::uint32_t> nread) {
  const ErrnoResult<Descriptor*> found = thread.process().handles().find(fd);
  if (!found) {
    return found.error();
  }
  const Descriptor& descriptor = **found;
  // A directory answers kIsdir whatever its rights are, as POSIX does.
  if (!has_all(descriptor.rights_base, Rights::kFdRead) &&
      descriptor.handle->as_directory() == nullptr) {
    return Errno::kNotcapable;
  }
  const std::shared_ptr<Handle>& handle = descriptor.handle;
  if (handle->as_file() != nullptr) {
    return read_file(thread, handle,
                     {.iovs = iovs, .iovs_len = iovs_len, .nread = nread, .offset = std::nullopt});
  }
  return attempt_or_wait(
      thread, handle, handle->readable(),
      [iovs, iovs_len, nread](Thread& caller, Handle& target) {
        return attempt_read(caller, target, iovs, iovs_len, nread);
      },
      receive_timeout(*handle));
}

BlockingErrno fd_write(Thread& thread, GuestFd fd, Ptr<abi::Iovec> iovs, std::uint32_t iovs_len,
                       Ptr<std::uint32_t> nwritten) {
  const ErrnoResult<Descriptor*> found = thread.process().handles().find(fd);
  if (!found) {
    return found.error();
  }
  const Descriptor& descriptor = **found;
  if (!has_all(descriptor.rights_base, Rights::kFdWrite) &&
      descriptor.handle->as_directory() == nullptr) {
    return Errno::kNotcapable;
  }
  const std::shared_ptr<Handle>& handle = descriptor.handle;
  BlockingErrno result = attempt_or_wait(
      thread, handle, handle->writable(),
      WriteAttempt({.iovs = iovs, .iovs_len = iovs_len, .nwritten = nwritten}, &put),
      send_timeout(*handle));
  if (result.is_ready() && result.value() == Errno::kSuccess &&
      handle->gives_way(thread.fiber().cpu_time())) {
    return sched_yield(thread);
  }
  return result;
}

// Preview 1 moves the descriptor. The C library of WASIX calls this function for dup2(3), so for
// programs that are built with it the source stays open, as under its WASIX name.
Errno fd_renumber(Thread& thread, GuestFd from, GuestFd to) {
  Process& process = thread.process();
  return process.imports_wasix() ? process.handles().duplicate_onto(from, to)
                                 : process.handles().renumber(from, to);
}

namespace {

ErrnoResult<FileStat> stat_of(Thread& thread, GuestFd fd) {
  SELVEDGE_TRY_ERRNO(const Descriptor* const descriptor,
                     thread.process().handles().find(fd, Rights::kFdFilestatGet));
  return descriptor->handle->filestat();
}

}  // namespace

Errno fd_filestat_get(Thread& thread, GuestFd fd, Ptr<abi::Filestat> stat) {
  SELVEDGE_TRY_ERRNO(const FileStat value, stat_of(thread, fd));
  return write_stat(thread, stat, value);
}

Errno snapshot0_fd_filestat_get(Thread& thread, GuestFd fd, Ptr<abi::Snapshot0Filestat> stat) {
  SELVEDGE_TRY_ERRNO(const FileStat value, stat_of(thread, fd));
  return write_stat(thread, stat, value);
}

Errno fd_filestat_set_times(Thread& thread, GuestFd fd, Timestamp atim, Timestamp mtim,
                            std::uint32_t flags) {
  SELVEDGE_TRY_ERRNO(const Descriptor* const descriptor,
                     thread.process().handles().find(fd, Rights::kFdFilestatSetTimes));
  SELVEDGE_TRY_ERRNO(const Fstflags which, read_flags<Fstflags>(flags));
  SELVEDGE_TRY_ERRNO(const TimesChange change, TimesChange::from(atim, mtim, which));
  if (FileHandle* const file = descriptor->handle->as_file()) {
    return errno_of(file->file()->set_times(change));
  }
  if (DirectoryHandle* const directory = descriptor->handle->as_directory()) {
    return errno_of(directory->directory()->set_times(change));
  }
  return Errno::kInval;
}

namespace {

// kInval for what holds no data to bring to a disk, as fsync(2) says for pipes and terminals.
template <class SyncFile>
BlockingErrno sync_handle(Thread& thread, GuestFd fd, Rights wanted, SyncFile sync_file) {
  const ErrnoResult<Descriptor*> found = thread.process().handles().find(fd, wanted);
  if (!found) {
    return found.error();
  }
  Handle& handle = *(*found)->handle;
  if (FileHandle* const file = handle.as_file()) {
    return run_on_disk(thread, file->file()->waits_for_disk(),
                       [target = file->file(), sync_file] { return sync_file(*target); });
  }
  if (DirectoryHandle* const directory = handle.as_directory()) {
    return run_on_disk(thread, directory->directory()->waits_for_disk(),
                       [target = directory->directory()] { return target->sync(); });
  }
  return Errno::kInval;
}

}  // namespace

BlockingErrno fd_datasync(Thread& thread, GuestFd fd) {
  return sync_handle(thread, fd, Rights::kFdDatasync, [](File& file) { return file.datasync(); });
}

BlockingErrno fd_sync(Thread& thread, GuestFd fd) {
  return sync_handle(thread, fd, Rights::kFdSync, [](File& file) { return file.sync(); });
}

}  // namespace selvedge::wasix::internal
