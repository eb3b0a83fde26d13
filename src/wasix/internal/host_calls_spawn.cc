// Other programs: proc_spawn begins one as a child, proc_exec becomes one; each in several forms.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wasix/host_functions.h"
#include "wasix/internal/blocking.h"
#include "wasix/internal/child_state.h"
#include "wasix/internal/lookup.h"
#include "wasix/internal/process_calls.h"
#include "wasix/internal/registration.h"
#include "wasix/internal/spawn_request.h"
#include "wasix/program_start.h"

namespace selvedge::wasix::internal {

namespace {

using Form = StringList::Form;

struct SpawnRequest {
  ProgramRequest program;
  std::vector<SpawnStep> steps = {};
  std::uint32_t ignored_signals = 0;
  // Of the old form: where the standard streams lead, and where the child begins.
  StandardStreams streams = {abi::StdioMode::kInherit, abi::StdioMode::kInherit,
                             abi::StdioMode::kInherit};
  std::optional<std::string> working_directory = std::nullopt;
};

// A child that does not run yet, and the parent's ends of its pipes.
io::Task<ErrnoResult<Process*>> make_child(Process& process, SpawnRequest request,
                                           ParentEnds& parent) {
  ChildState child{.handles = process.handles(), .working_directory = process.working_directory()};
  for (const SpawnStep& step : request.steps) {
    if (const ErrnoResult<> applied = apply(child, step, process.shard().random); !applied) {
      co_return refuse(applied.error());
    }
  }
  if (request.working_directory) {
    if (const auto changed = change_directory(child, *request.working_directory); !changed) {
      co_return refuse(changed.error());
    }
  }
  // As the child would look for it.
  request.program.working_directory = child.working_directory;
  SELVEDGE_CO_TRY(ErrnoResult<FoundProgram> found,
                  co_await find_program(process, std::move(request.program)));
  if (!found) {
    co_return refuse(found.error());
  }
  if (const ErrnoResult<> connected =
          connect_streams(process.shard().reactor, request.streams, child, parent);
      !connected) {
    co_return refuse(connected.error());
  }
  child.handles.close_marked_for_exec();
  ErrnoResult<Process*> made =
      process.create_child({.module = std::move(found->module),
                            .arguments = std::move(found->arguments),
                            .environment = std::move(found->environment)},
                           std::move(child.handles), std::move(child.working_directory));
  if (made) {
    (*made)->ignore_signals(request.ignored_signals);
    parent.keep();
  }
  co_return made;
}

// A child that cannot begin has ended: whoever joins it learns that.
io::Task<Errno> spawn(Thread& thread, SpawnRequest request, Ptr<ProcessId> pid) {
  ParentEnds parent(thread.process().handles());
  SELVEDGE_CO_TRY(const ErrnoResult<Process*> made,
                  co_await make_child(thread.process(), std::move(request), parent));
  if (!made) {
    co_return made.error();
  }
  if (!thread.memory().write(pid, (*made)->id())) {
    co_return Errno::kFault;
  }
  static_cast<void>((*made)->start());
  co_return Errno::kSuccess;
}

io::Task<Errno> spawn_with_pipes(Thread& thread, SpawnRequest request,
                                 Ptr<abi::ProcessHandles> handles) {
  ParentEnds parent(thread.process().handles());
  SELVEDGE_CO_TRY(const ErrnoResult<Process*> made,
                  co_await make_child(thread.process(), std::move(request), parent));
  if (!made) {
    co_return made.error();
  }
  const abi::ProcessHandles result{.pid = (*made)->id(),
                                   .streams = {parent.at(0), parent.at(1), parent.at(2)}};
  if (!thread.memory().write(handles, result)) {
    co_return Errno::kFault;
  }
  static_cast<void>((*made)->start());
  co_return Errno::kSuccess;
}

io::Task<Errno> execute(Thread& thread, ProgramRequest program) {
  SELVEDGE_CO_TRY(ErrnoResult<FoundProgram> found,
                  co_await find_program(thread.process(), std::move(program)));
  if (!found) {
    co_return found.error();
  }
  co_return thread.process().exec(thread, {.module = std::move(found->module),
                                           .arguments = std::move(found->arguments),
                                           .environment = std::move(found->environment)});
}

BlockingErrno execute(Thread& thread, const ProgramName& name, StringList arguments,
                      StringList environment) {
  ErrnoResult<ProgramRequest> program = read_program(thread, name, arguments, environment);
  if (!program) {
    return program.error();
  }
  return wait_for(thread, execute(thread, *std::move(program)));
}

// What a shell answers.
void end_without_program(Thread& thread, Errno error) {
  constexpr std::uint32_t kNotFound = 127;
  constexpr std::uint32_t kNotExecutable = 126;
  proc_exit2(thread, error == Errno::kNoent ? kNotFound : kNotExecutable);
}

// An exec without a result: what goes wrong ends the process.
class ExecuteOrEndCall final : public engine::PendingCall<engine::Nothing> {
 public:
  ExecuteOrEndCall(Thread& thread, std::unique_ptr<engine::PendingCall<Errno>> call) noexcept
      : thread_(thread), call_(std::move(call)) {}

  std::optional<engine::Nothing> poll() override {
    const std::optional<Errno> result = call_->poll();
    if (!result) {
      return std::nullopt;
    }
    if (*result != Errno::kSuccess) {
      end_without_program(thread_, *result);
    }
    return engine::Nothing{};
  }

 private:
  Thread& thread_;
  std::unique_ptr<engine::PendingCall<Errno>> call_;
};

engine::Blocking<engine::Nothing> execute_or_end(Thread& thread, const ProgramName& name,
                                                 StringList arguments, StringList environment) {
  BlockingErrno started = execute(thread, name, arguments, environment);
  if (!started.is_ready()) {
    return std::make_unique<ExecuteOrEndCall>(thread, std::move(started).take_call());
  }
  if (started.value() != Errno::kSuccess) {
    end_without_program(thread, started.value());
  }
  return engine::Nothing{};
}

engine::Blocking<engine::Nothing> proc_exec(Thread& thread, Ptr<std::uint8_t> name,
                                            std::uint32_t name_len, Ptr<std::uint8_t> args,
                                            std::uint32_t args_len) {
  return execute_or_end(thread, {.name = name, .name_len = name_len, .search_enabled = 1},
                        {.address = args.address, .size = args_len}, {});
}

engine::Blocking<engine::Nothing> proc_exec2(Thread& thread, Ptr<std::uint8_t> name,
                                             std::uint32_t name_len, Ptr<std::uint8_t> args,
                                             std::uint32_t args_len, Ptr<std::uint8_t> envs,
                                             std::uint32_t envs_len) {
  return execute_or_end(thread, {.name = name, .name_len = name_len, .search_enabled = 1},
                        {.address = args.address, .size = args_len},
                        {.address = envs.address, .size = envs_len});
}

BlockingErrno proc_exec3(Thread& thread, Ptr<std::uint8_t> name, std::uint32_t name_len,
                         Ptr<std::uint8_t> args, std::uint32_t args_len, Ptr<std::uint8_t> envs,
                         std::uint32_t envs_len, std::uint32_t search_path, Ptr<std::uint8_t> path,
                         std::uint32_t path_len) {
  return execute(thread, {name, name_len, search_path, path, path_len},
                 {.address = args.address, .size = args_len},
                 {.address = envs.address, .size = envs_len});
}

BlockingErrno proc_exec4(Thread& thread, Ptr<std::uint8_t> name, std::uint32_t name_len,
                         Ptr<std::uint32_t> args, std::uint32_t args_len, Ptr<std::uint32_t> envs,
                         std::uint32_t envs_len, std::uint32_t search_path, Ptr<std::uint8_t> path,
                         std::uint32_t path_len) {
  return execute(thread, {name, name_len, search_path, path, path_len},
                 {.form = Form::kPointers, .address = args.address, .size = args_len},
                 {.form = Form::kPointers, .address = envs.address, .size = envs_len});
}

struct SpawnChanges {
  Ptr<abi::SpawnOperation> operations;
  std::uint32_t operation_count;
  Ptr<abi::SignalDisposition> dispositions;
  std::uint32_t disposition_count;
};

BlockingErrno spawn(Thread& thread, const ProgramName& name, StringList arguments,
                    StringList environment, const SpawnChanges& changes, Ptr<ProcessId> pid) {
  SpawnRequest request;
  ErrnoResult<ProgramRequest> program = read_program(thread, name, arguments, environment);
  if (!program) {
    return program.error();
  }
  request.program = *std::move(program);
  if (!thread.memory().bytes(pid.address, sizeof(ProcessId))) {
    return Errno::kFault;
  }
  auto steps = read_steps(thread, changes.operations, changes.operation_count);
  if (!steps) {
    return steps.error();
  }
  request.steps = *std::move(steps);
  const auto ignored =
      read_ignored_signals(thread, changes.dispositions, changes.disposition_count);
  if (!ignored) {
    return ignored.error();
  }
  request.ignored_signals = *ignored;
  return wait_for(thread, spawn(thread, std::move(request), pid));
}

BlockingErrno proc_spawn2(Thread& thread, Ptr<std::uint8_t> name, std::uint32_t name_len,
                          Ptr<std::uint8_t> args, std::uint32_t args_len, Ptr<std::uint8_t> envs,
                          std::uint32_t envs_len, Ptr<abi::SpawnOperation> operations,
                          std::uint32_t operation_count, Ptr<abi::SignalDisposition> dispositions,
                          std::uint32_t disposition_count, std::uint32_t search_path,
                          Ptr<std::uint8_t> path, std::uint32_t path_len, Ptr<ProcessId> pid) {
  // system() of wasix-libc passes an empty text, and means its own environment.
  const std::uint32_t environment = envs_len == 0 ? 0 : envs.address;
  return spawn(thread, {name, name_len, search_path, path, path_len},
               {.address = args.address, .size = args_len},
               {.address = environment, .size = envs_len},
               {operations, operation_count, dispositions, disposition_count}, pid);
}

BlockingErrno proc_spawn3(Thread& thread, Ptr<std::uint8_t> name, std::uint32_t name_len,
                          Ptr<std::uint32_t> args, std::uint32_t args_len, Ptr<std::uint32_t> envs,
                          std::uint32_t envs_len, Ptr<abi::SpawnOperation> operations,
                          std::uint32_t operation_count, Ptr<abi::SignalDisposition> dispositions,
                          std::uint32_t disposition_count, std::uint32_t search_path,
                          Ptr<std::uint8_t> path, std::uint32_t path_len, Ptr<ProcessId> pid) {
  return spawn(thread, {name, name_len, search_path, path, path_len},
               {.form = Form::kPointers, .address = args.address, .size = args_len},
               {.form = Form::kPointers, .address = envs.address, .size = envs_len},
               {operations, operation_count, dispositions, disposition_count}, pid);
}

// The oldest form. kNotsup: another root, directories of its own, or a stream that leads to a log.
BlockingErrno proc_spawn(Thread& thread, Ptr<std::uint8_t> name, std::uint32_t name_len,
                         std::uint32_t chroot, Ptr<std::uint8_t> args, std::uint32_t args_len,
                         Ptr<std::uint8_t> /*preopens*/, std::uint32_t preopens_len,
                         std::uint32_t input, std::uint32_t output, std::uint32_t error,
                         Ptr<std::uint8_t> working_directory, std::uint32_t working_directory_len,
                         Ptr<abi::ProcessHandles> handles) {
  if (chroot != 0 || preopens_len != 0) {
    return Errno::kNotsup;
  }
  ErrnoResult<ProgramRequest> program =
      read_program(thread, {.name = name, .name_len = name_len, .search_enabled = 1},
                   {.address = args.address, .size = args_len}, {});
  if (!program) {
    return program.error();
  }
  SpawnRequest request;
  request.program = *std::move(program);
  request.ignored_signals = thread.process().ignored_signals();
  for (std::size_t stream = 0; const std::uint32_t mode : {input, output, error}) {
    if (mode > static_cast<std::uint32_t>(abi::StdioMode::kLog)) {
      return Errno::kInval;
    }
    request.streams.at(stream++) = static_cast<abi::StdioMode>(mode);
  }
  ErrnoResult<std::string> directory = read_path(thread, working_directory, working_directory_len);
  if (!directory) {
    return directory.error();
  }
  if (!directory->empty()) {
    request.working_directory = *std::move(directory);
  }
  if (!thread.memory().bytes(handles.address, sizeof(abi::ProcessHandles))) {
    return Errno::kFault;
  }
  return wait_for(thread, spawn_with_pipes(thread, std::move(request), handles));
}

}  // namespace

void register_wasix_programs(engine::HostFunctions& functions) {
  functions.define<&proc_exec>(kWasixModule, "proc_exec");
  functions.define<&proc_exec2>(kWasixModule, "proc_exec2");
  functions.define<&proc_exec3>(kWasixModule, "proc_exec3");
  functions.define<&proc_exec4>(kWasixModule, "proc_exec4");
  functions.define<&proc_spawn>(kWasixModule, "proc_spawn");
  functions.define<&proc_spawn2>(kWasixModule, "proc_spawn2");
  functions.define<&proc_spawn3>(kWasixModule, "proc_spawn3");
}

}  // namespace selvedge::wasix::internal
