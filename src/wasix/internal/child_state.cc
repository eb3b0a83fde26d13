#include "wasix/internal/child_state.h"

#include <utility>

#include "wasix/file_handle.h"
#include "wasix/guest_path.h"
#include "wasix/internal/lookup.h"
#include "wasix/internal/open_descriptor.h"
#include "wasix/internal/preopen_lookup.h"
#include "wasix/pipe.h"
#include "wasix/stdio.h"

namespace selvedge::wasix::internal {

namespace {

ErrnoResult<> open_for(ChildState& child, const SpawnStep& step, base::Random& random) {
  const abi::SpawnOperation& record = step.record;
  SELVEDGE_TRY_ERRNO(const Lookupflags lookup, read_flags<Lookupflags>(record.dirflags));
  SELVEDGE_TRY_ERRNO(const Oflags oflags, read_flags<Oflags>(record.oflags));
  SELVEDGE_TRY_ERRNO(const Fdflags fdflags, read_flags<Fdflags>(record.fdflags));
  SELVEDGE_TRY_ERRNO(const PreopenPlace place,
                     locate(child.handles, absolute_path(child.working_directory, step.path)));
  SELVEDGE_TRY_ERRNO(Descriptor descriptor,
                     open_descriptor(*place.directory, place.rest.empty() ? "." : place.rest,
                                     {.base = Rights{record.rights_base} & Rights::kAll,
                                      .inheriting = Rights{record.rights_inheriting} & Rights::kAll,
                                      .lookup = lookup,
                                      .oflags = oflags,
                                      .fdflags = fdflags,
                                      .guest_base = child.working_directory,
                                      .guest_name = step.path},
                                     {.handles = child.handles, .random = random}));
  if (child.handles.is_preopened(record.fd)) {
    return refuse(Errno::kNotsup);
  }
  if (const Errno error = child.handles.place(record.fd, std::move(descriptor));
      error != Errno::kSuccess) {
    return refuse(error);
  }
  return {};
}

// fchdir(2). kNoent: the directory is not, or no more, at the path that it was opened by.
ErrnoResult<> change_to_descriptor(ChildState& child, GuestFd fd) {
  SELVEDGE_TRY_ERRNO(const Descriptor* const descriptor, child.handles.find(fd));
  DirectoryHandle* const directory = descriptor->handle->as_directory();
  if (directory == nullptr) {
    return refuse(Errno::kNotdir);
  }
  const std::string& path = directory->guest_path();
  if (path.empty()) {
    return refuse(Errno::kNametoolong);
  }
  SELVEDGE_TRY_ERRNO_VOID(check_directory(child.handles, path));
  SELVEDGE_TRY_ERRNO(const PreopenPlace place, locate(child.handles, path));
  SELVEDGE_TRY_ERRNO(const FileStat there, place.rest.empty()
                                               ? place.directory->stat()
                                               : place.directory->stat(place.rest, Follow::kYes));
  SELVEDGE_TRY_ERRNO(const FileStat opened, directory->filestat());
  if (there.dev != opened.dev || there.ino != opened.ino) {
    return refuse(Errno::kNoent);
  }
  child.working_directory = path;
  return {};
}

}  // namespace

ErrnoResult<> change_directory(ChildState& child, std::string_view path) {
  std::string target = absolute_path(child.working_directory, path);
  if (target.size() > kPathBytesMax) {
    return refuse(Errno::kNametoolong);
  }
  if (path.empty() || path.find('\0') != std::string_view::npos) {
    return refuse(path.empty() ? Errno::kNoent : Errno::kInval);
  }
  SELVEDGE_TRY_ERRNO_VOID(check_directory(child.handles, target));
  child.working_directory = std::move(target);
  return {};
}

ErrnoResult<> apply(ChildState& child, const SpawnStep& step, base::Random& random) {
  const abi::SpawnOperation& record = step.record;
  Errno error = Errno::kSuccess;
  switch (record.command) {
    case abi::SpawnOperation::kClose:
      error = child.handles.close_unless_preopened(record.fd);
      break;
    case abi::SpawnOperation::kDup2: {
      SELVEDGE_TRY_ERRNO(Descriptor* const source, child.handles.find(record.source_fd));
      if (record.fd == record.source_fd) {
        source->close_on_exec = false;
      } else {
        error = child.handles.duplicate_onto(record.source_fd, record.fd);
      }
      break;
    }
    case abi::SpawnOperation::kOpen:
      return open_for(child, step, random);
    case abi::SpawnOperation::kChdir:
      return change_directory(child, step.path);
    case abi::SpawnOperation::kFchdir:
      return change_to_descriptor(child, record.fd);
    default:
      error = Errno::kInval;
  }
  // Closing what is not open is no failure of posix_spawn.
  const bool was_closed = record.command == abi::SpawnOperation::kClose && error == Errno::kBadf;
  if (error != Errno::kSuccess && !was_closed) {
    return refuse(error);
  }
  return {};
}

ErrnoResult<> connect_streams(io::Reactor& reactor, const StandardStreams& streams,
                              ChildState& child, ParentEnds& parent) {
  for (std::size_t stream = 0; stream < kStandardStreams; ++stream) {
    std::shared_ptr<Handle> end;
    switch (streams.at(stream)) {
      case abi::StdioMode::kInherit:
        continue;
      case abi::StdioMode::kNull:
        end = std::make_shared<NullHandle>();
        break;
      case abi::StdioMode::kPiped: {
        PipeEnds pipe = make_pipe(reactor);
        const bool is_input = stream == 0;
        end = is_input ? std::shared_ptr<Handle>(pipe.reader) : pipe.writer;
        SELVEDGE_TRY_ERRNO_VOID(
            parent.add(stream, is_input ? std::shared_ptr<Handle>(pipe.writer) : pipe.reader));
        break;
      }
      case abi::StdioMode::kLog:
        return refuse(Errno::kNotsup);
    }
    const Errno error = child.handles.place(static_cast<GuestFd>(stream),
                                            ParentEnds::descriptor_of(std::move(end)));
    if (error != Errno::kSuccess) {
      return refuse(error);
    }
  }
  return {};
}

}  // namespace selvedge::wasix::internal
