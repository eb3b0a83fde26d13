// Other programs: proc_spawn2 begins one as a child, proc_exec3 becomes one.

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "wasix/guest_path.h"
#include "wasix/internal/blocking.h"
#include "wasix/internal/lookup.h"
#include "wasix/internal/open_descriptor.h"
#include "wasix/internal/preopen_lookup.h"
#include "wasix/internal/process_calls.h"
#include "wasix/program_start.h"

namespace selvedge::wasix::internal {

namespace {

constexpr std::uint32_t kOperationsMax = 1024;

// A copied operation of proc_spawn2 with its path.
struct Operation {
  abi::SpawnOperation record;
  std::string path;
};

struct Start {
  ProgramRequest program;
  std::vector<std::string> environment;
  std::vector<Operation> operations = {};
};

ErrnoResult<std::string> read_text(Thread& thread, Ptr<std::uint8_t> text, std::uint32_t length) {
  if (length > ProcessOptions::kArgumentBytesMax) {
    return refuse(Errno::kTooBig);
  }
  auto copied = thread.memory().read_string(text.address, length);
  if (!copied) {
    return refuse(Errno::kFault);
  }
  return *std::move(copied);
}

// Empty strings are kept; a newline behind the last one adds none. kTooBig: there are too many.
ErrnoResult<std::vector<std::string>> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    if (lines.size() == ProcessOptions::kArgumentsMax) {
      return refuse(Errno::kTooBig);
    }
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string_view variable(const std::vector<std::string>& environment, std::string_view name) {
  for (const std::string& entry : environment) {
    if (entry.size() > name.size() && entry.starts_with(name) && entry[name.size()] == '=') {
      return std::string_view(entry).substr(name.size() + 1);
    }
  }
  return {};
}

struct StartAddresses {
  Ptr<std::uint8_t> name;
  std::uint32_t name_len;
  Ptr<std::uint8_t> args;
  std::uint32_t args_len;
  Ptr<std::uint8_t> envs;
  std::uint32_t envs_len;
  std::uint32_t search_path;
  Ptr<std::uint8_t> path;
  std::uint32_t path_len;
};

// A null pointer for the environment passes on that of the caller. The search path is the one that
// is given, else the caller's PATH.
ErrnoResult<Start> read_start(Thread& thread, const StartAddresses& from) {
  if (from.search_path > 1) {
    return refuse(Errno::kInval);
  }
  Start start;
  SELVEDGE_TRY_ERRNO(start.program.name, read_path(thread, from.name, from.name_len));
  SELVEDGE_TRY_ERRNO(const std::string arguments, read_text(thread, from.args, from.args_len));
  SELVEDGE_TRY_ERRNO(const std::string environment, read_text(thread, from.envs, from.envs_len));
  SELVEDGE_TRY_ERRNO(const std::string path, read_text(thread, from.path, from.path_len));
  if (start.program.name.empty()) {
    return refuse(Errno::kNoent);
  }
  if (start.program.name.find('\0') != std::string::npos) {
    return refuse(Errno::kInval);
  }
  SELVEDGE_TRY_ERRNO(start.program.arguments, split_lines(arguments));
  if (start.program.arguments.empty()) {
    start.program.arguments.push_back(start.program.name);
  }
  const Process& process = thread.process();
  if (from.envs.is_null()) {
    start.environment = process.environment();
  } else {
    SELVEDGE_TRY_ERRNO(start.environment, split_lines(environment));
  }
  if (from.search_path == 1) {
    const std::string_view inherited = variable(process.environment(), "PATH");
    start.program.search_path = !path.empty()        ? path
                                : !inherited.empty() ? std::string(inherited)
                                                     : std::string(kDefaultSearchPath);
  }
  return start;
}

ErrnoResult<std::vector<Operation>> read_operations(Thread& thread,
                                                    Ptr<abi::SpawnOperation> operations,
                                                    std::uint32_t count) {
  if (count > kOperationsMax) {
    return refuse(Errno::kTooBig);
  }
  std::vector<Operation> copied;
  for (std::uint32_t index = 0; index < count; ++index) {
    const auto record = thread.memory().read(operations, index);
    if (!record) {
      return refuse(Errno::kFault);
    }
    Operation operation{.record = *record, .path = {}};
    if (record->command == abi::SpawnOperation::kOpen ||
        record->command == abi::SpawnOperation::kChdir) {
      SELVEDGE_TRY_ERRNO(operation.path, read_path(thread, {record->path}, record->path_len));
    }
    copied.push_back(std::move(operation));
  }
  return copied;
}

// What a child begins with.
struct ChildState {
  HandleTable handles;
  std::string working_directory;
};

ErrnoResult<> open_for(ChildState& child, const Operation& operation) {
  const abi::SpawnOperation& record = operation.record;
  SELVEDGE_TRY_ERRNO(const Lookupflags lookup, read_flags<Lookupflags>(record.dirflags));
  SELVEDGE_TRY_ERRNO(const Oflags oflags, read_flags<Oflags>(record.oflags));
  SELVEDGE_TRY_ERRNO(const Fdflags fdflags, read_flags<Fdflags>(record.fdflags));
  SELVEDGE_TRY_ERRNO(const PreopenPlace place,
                     locate(child.handles, absolute_path(child.working_directory, operation.path)));
  SELVEDGE_TRY_ERRNO(Descriptor descriptor,
                     open_descriptor(*place.directory, place.rest.empty() ? "." : place.rest,
                                     {.base = Rights{record.rights_base} & Rights::kAll,
                                      .inheriting = Rights{record.rights_inheriting} & Rights::kAll,
                                      .lookup = lookup,
                                      .oflags = oflags,
                                      .fdflags = fdflags}));
  if (const Errno error = child.handles.place(record.fd, std::move(descriptor));
      error != Errno::kSuccess) {
    return refuse(error);
  }
  return {};
}

ErrnoResult<> apply(ChildState& child, const Operation& operation) {
  const abi::SpawnOperation& record = operation.record;
  Errno error = Errno::kSuccess;
  switch (record.command) {
    case abi::SpawnOperation::kClose:
      error = child.handles.close(record.fd);
      break;
    case abi::SpawnOperation::kDup2: {
      SELVEDGE_TRY_ERRNO(const Descriptor* const source, child.handles.find(record.source_fd));
      Descriptor copy = *source;
      copy.close_on_exec = false;
      if (record.fd != record.source_fd) {
        copy.preopen_name.reset();
      }
      error = child.handles.place(record.fd, std::move(copy));
      break;
    }
    case abi::SpawnOperation::kOpen:
      return open_for(child, operation);
    case abi::SpawnOperation::kChdir:
      child.working_directory = absolute_path(child.working_directory, operation.path);
      // Each one may lengthen it, and each takes time with its length.
      if (child.working_directory.size() > kPathBytesMax) {
        error = Errno::kNametoolong;
      }
      break;
    case abi::SpawnOperation::kFchdir:
      error = Errno::kNotsup;  // a directory's path is not kept with its descriptor
      break;
    default:
      error = Errno::kInval;
  }
  if (error != Errno::kSuccess) {
    return refuse(error);
  }
  return {};
}

io::Task<Errno> spawn(Thread& thread, Start start, Ptr<ProcessId> pid) {
  Process& process = thread.process();
  SELVEDGE_CO_TRY(ErrnoResult<FoundProgram> found,
                  co_await find_program(process, std::move(start.program)));
  if (!found) {
    co_return found.error();
  }
  ChildState child{.handles = process.handles(), .working_directory = process.working_directory()};
  for (const Operation& operation : start.operations) {
    if (const ErrnoResult<> applied = apply(child, operation); !applied) {
      co_return applied.error();
    }
  }
  child.handles.close_marked_for_exec();
  ErrnoResult<Process*> made =
      process.create_child({.module = std::move(found->module),
                            .arguments = std::move(found->arguments),
                            .environment = std::move(start.environment)},
                           std::move(child.handles), std::move(child.working_directory));
  if (!made) {
    co_return made.error();
  }
  if (!thread.memory().write(pid, (*made)->id())) {
    co_return Errno::kFault;
  }
  // A child that cannot begin has ended: whoever joins it learns that.
  static_cast<void>((*made)->start());
  co_return Errno::kSuccess;
}

io::Task<Errno> execute(Thread& thread, Start start) {
  SELVEDGE_CO_TRY(ErrnoResult<FoundProgram> found,
                  co_await find_program(thread.process(), std::move(start.program)));
  if (!found) {
    co_return found.error();
  }
  co_return thread.process().exec(thread, {.module = std::move(found->module),
                                           .arguments = std::move(found->arguments),
                                           .environment = std::move(start.environment)});
}

}  // namespace

BlockingErrno proc_exec3(Thread& thread, Ptr<std::uint8_t> name, std::uint32_t name_len,
                         Ptr<std::uint8_t> args, std::uint32_t args_len, Ptr<std::uint8_t> envs,
                         std::uint32_t envs_len, std::uint32_t search_path, Ptr<std::uint8_t> path,
                         std::uint32_t path_len) {
  ErrnoResult<Start> start = read_start(
      thread, {name, name_len, args, args_len, envs, envs_len, search_path, path, path_len});
  if (!start) {
    return start.error();
  }
  return wait_for(thread, execute(thread, *std::move(start)));
}

// Signal dispositions are of no consequence: a new program has no handlers, and nothing is ignored
// that its default action would not ignore.
BlockingErrno proc_spawn2(Thread& thread, Ptr<std::uint8_t> name, std::uint32_t name_len,
                          Ptr<std::uint8_t> args, std::uint32_t args_len, Ptr<std::uint8_t> envs,
                          std::uint32_t envs_len, Ptr<abi::SpawnOperation> operations,
                          std::uint32_t operation_count, Ptr<std::uint8_t> /*dispositions*/,
                          std::uint32_t /*disposition_count*/, std::uint32_t search_path,
                          Ptr<std::uint8_t> path, std::uint32_t path_len, Ptr<ProcessId> pid) {
  ErrnoResult<Start> start = read_start(
      thread, {name, name_len, args, args_len, envs, envs_len, search_path, path, path_len});
  if (!start) {
    return start.error();
  }
  if (!thread.memory().bytes(pid.address, sizeof(ProcessId))) {
    return Errno::kFault;
  }
  ErrnoResult<std::vector<Operation>> copied = read_operations(thread, operations, operation_count);
  if (!copied) {
    return copied.error();
  }
  start->operations = *std::move(copied);
  return wait_for(thread, spawn(thread, *std::move(start), pid));
}

}  // namespace selvedge::wasix::internal
