// What WASIX adds for descriptors: duplicates, pipes, events, flags of their own.

#include <memory>
#include <utility>

#include "wasix/event_handle.h"
#include "wasix/host_functions.h"
#include "wasix/internal/handle_calls.h"
#include "wasix/internal/lookup.h"
#include "wasix/internal/registration.h"
#include "wasix/pipe.h"

namespace selvedge::wasix::internal {

namespace {

bool can_write_fd(Thread& thread, Ptr<GuestFd> fd) {
  return thread.memory().bytes(fd.address, sizeof(GuestFd)).has_value();
}

Errno write_fd(Thread& thread, Ptr<GuestFd> target, const ErrnoResult<GuestFd>& fd) {
  if (!fd) {
    return fd.error();
  }
  return thread.memory().write(target, *fd) ? Errno::kSuccess : Errno::kFault;
}

Descriptor descriptor_of(std::shared_ptr<Handle> handle) {
  const Rights rights = handle->rights_base();
  return {.handle = std::move(handle), .rights_base = rights};
}

}  // namespace

Errno fd_dup(Thread& thread, GuestFd fd, Ptr<GuestFd> new_fd) {
  if (!can_write_fd(thread, new_fd)) {
    return Errno::kFault;
  }
  return write_fd(thread, new_fd, thread.process().handles().duplicate(fd, 0, false));
}

// fcntl(2) with F_DUPFD or F_DUPFD_CLOEXEC, whatever the name says.
Errno fd_dup2(Thread& thread, GuestFd fd, GuestFd min_result_fd, std::uint32_t cloexec,
              Ptr<GuestFd> new_fd) {
  if (cloexec > 1) {
    return Errno::kInval;
  }
  if (!can_write_fd(thread, new_fd)) {
    return Errno::kFault;
  }
  return write_fd(thread, new_fd,
                  thread.process().handles().duplicate(fd, min_result_fd, cloexec != 0));
}

Errno fd_event(Thread& thread, std::uint64_t initial_val, std::uint32_t flags,
               Ptr<GuestFd> new_fd) {
  SELVEDGE_TRY_ERRNO(const Eventfdflags options, read_flags<Eventfdflags>(flags));
  if (initial_val > EventHandle::kCountMax) {
    return Errno::kInval;
  }
  if (!can_write_fd(thread, new_fd)) {
    return Errno::kFault;
  }
  auto event = std::make_shared<EventHandle>(
      thread.process().shard().reactor,
      EventHandle::Options{.count = initial_val,
                           .semaphore = has_any(options, Eventfdflags::kSemaphore)});
  if (has_any(options, Eventfdflags::kNonblock)) {
    static_cast<void>(event->set_flags(Fdflags::kNonblock));
  }
  return write_fd(thread, new_fd,
                  thread.process().handles().insert(descriptor_of(std::move(event))));
}

Errno fd_pipe(Thread& thread, Ptr<GuestFd> read_fd, Ptr<GuestFd> write_fd) {
  if (!can_write_fd(thread, read_fd) || !can_write_fd(thread, write_fd)) {
    return Errno::kFault;
  }
  HandleTable& handles = thread.process().handles();
  PipeEnds pipe = make_pipe(thread.process().shard().reactor);
  SELVEDGE_TRY_ERRNO(const GuestFd reader, handles.insert(descriptor_of(std::move(pipe.reader))));
  const ErrnoResult<GuestFd> writer = handles.insert(descriptor_of(std::move(pipe.writer)));
  if (!writer) {
    static_cast<void>(handles.close(reader));
    return writer.error();
  }
  const engine::GuestMemory memory = thread.memory();
  return memory.write(read_fd, reader) && memory.write(write_fd, *writer) ? Errno::kSuccess
                                                                          : Errno::kFault;
}

Errno fd_fdflags_get(Thread& thread, GuestFd fd, Ptr<Fdflagsext> flags) {
  SELVEDGE_TRY_ERRNO(const Descriptor* const descriptor, thread.process().handles().find(fd));
  const Fdflagsext value = descriptor->close_on_exec ? Fdflagsext::kCloexec : Fdflagsext::kNone;
  return thread.memory().write(flags, value) ? Errno::kSuccess : Errno::kFault;
}

Errno fd_fdflags_set(Thread& thread, GuestFd fd, std::uint32_t flags) {
  SELVEDGE_TRY_ERRNO(Descriptor* const descriptor, thread.process().handles().find(fd));
  SELVEDGE_TRY_ERRNO(const Fdflagsext value, read_flags<Fdflagsext>(flags));
  descriptor->close_on_exec = has_any(value, Fdflagsext::kCloexec);
  return Errno::kSuccess;
}

Errno wasix_fd_renumber(Thread& thread, GuestFd from, GuestFd to) {
  return thread.process().handles().duplicate_onto(from, to);
}

void register_wasix_handles(engine::HostFunctions& functions) {
  functions.define<&clock_time_set>(kWasixModule, "clock_time_set");
  functions.define<&fd_dup>(kWasixModule, "fd_dup");
  functions.define<&fd_dup2>(kWasixModule, "fd_dup2");
  functions.define<&fd_event>(kWasixModule, "fd_event");
  functions.define<&fd_pipe>(kWasixModule, "fd_pipe");
  functions.define<&fd_fdflags_get>(kWasixModule, "fd_fdflags_get");
  functions.define<&fd_fdflags_set>(kWasixModule, "fd_fdflags_set");
  functions.define<&wasix_fd_renumber>(kWasixModule, "fd_renumber");
  functions.define<&getcwd>(kWasixModule, "getcwd");
  functions.define<&chdir>(kWasixModule, "chdir");
  functions.define<&path_open2>(kWasixModule, "path_open2");
  functions.define<&epoll_create>(kWasixModule, "epoll_create");
  functions.define<&epoll_ctl>(kWasixModule, "epoll_ctl");
  functions.define<&epoll_wait>(kWasixModule, "epoll_wait");
}

}  // namespace selvedge::wasix::internal
