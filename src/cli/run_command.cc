#include "cli/run_command.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <thread>
#include <utility>

#include "app/guest_shard.h"
#include "cli/host_terminal.h"
#include "cli/messages.h"
#include "io/kernel_network.h"
#include "io/signal_source.h"
#include "io/standard_stream.h"
#include "io/task_scope.h"
#include "wasix/computing_shards.h"
#include "wasix/standard_file.h"
#include "wasix/stdio.h"

namespace selvedge::cli {
namespace {

// A standard descriptor as the guest sees it; none when it is closed.
std::shared_ptr<wasix::Handle> standard_handle(io::KernelReactor& reactor, int fd,
                                               io::StandardDirection direction) {
  if (auto file = wasix::StandardFileHandle::open(fd)) {
    return file;
  }
  auto stream = io::open_standard_stream(reactor, fd, direction);
  if (!stream.has_value()) {
    return nullptr;
  }
  const bool reads = direction == io::StandardDirection::kRead;
  return std::make_shared<wasix::StreamHandle>(
      *std::move(stream),
      wasix::StreamHandle::Options{.filetype = ::isatty(fd) == 1 ? wasix::Filetype::kCharacterDevice
                                                                 : wasix::Filetype::kUnknown,
                                   .readable = reads,
                                   .writable = !reads});
}

wasix::Signal guest_signal(int signal) noexcept {
  switch (signal) {
    case SIGINT:
      return wasix::Signal::kInt;
    case SIGQUIT:
      return wasix::Signal::kQuit;
    case SIGHUP:
      return wasix::Signal::kHup;
    default:
      return wasix::Signal::kTerm;
  }
}

bool takes_signals(const wasix::Process& process) {
  return process.handles_signals() && std::ranges::none_of(kEndingSignals, [&](int signal) {
           return process.has_pending(guest_signal(signal));
         });
}

// As a terminal's keys and its end do, to all in its foreground; who sends SIGTERM means one
// process.
void pass_on(int signal, wasix::Process& process) {
  if (signal == SIGTERM) {
    process.signal(wasix::Signal::kTerm);
  } else {
    process.workload().signal_all(guest_signal(signal));
  }
}

// A guest that handles signals gets them all, as long as it takes them: one that computes without
// a call, in which it would, cannot. Else the first one ends it, and the second one does not wait
// for anything.
io::Task<> watch_signals(io::SignalSource& signals, wasix::Process& process, HostTerminal* terminal,
                         int& received) {
  SELVEDGE_CO_TRY(received, co_await signals.next());
  while (takes_signals(process)) {
    pass_on(std::exchange(received, 0), process);
    SELVEDGE_CO_TRY(received, co_await signals.next());
  }
  process.kill(guest_signal(received));
  SELVEDGE_CO_TRY(const int again, co_await signals.next());
  if (terminal != nullptr) {
    terminal->restore();
  }
  std::_Exit(128 + again);
}

int exit_code_of(const wasix::ExitStatus& status, int signal, MessageStyle style) {
  using Kind = wasix::ExitStatus::Kind;
  const auto say = [&](ErrorKind kind, std::string_view what) {
    print_error(Error(kind, fmt::format("{}: {}", what, status.message)), style);
  };
  switch (status.kind) {
    case Kind::kExited:
      return status.shell_code();
    case Kind::kSignaled:
      return signal != 0 ? 128 + signal : status.shell_code();
    case Kind::kTrapped:
      say(ErrorKind::kInvalid, "the program trapped");
      return static_cast<int>(ExitCode::kTrap);
    case Kind::kLimit:
      say(ErrorKind::kTimeout, "the program was ended");
      return status.shell_code();
    case Kind::kFailed:
      break;
  }
  say(ErrorKind::kInternal, "the program could not be started");
  return static_cast<int>(ExitCode::kFailure);
}

std::size_t cores(const RunOptions& options) noexcept {
  return options.shards != 0 ? options.shards
                             : std::max<std::size_t>(1, std::thread::hardware_concurrency());
}

io::Task<int> run(Runtime& runtime, std::shared_ptr<const app::Program> program,
                  const RunOptions& options) {
  const MessageStyle style{.json = options.json, .quiet = options.quiet};
  io::KernelReactor& reactor = runtime.reactor();
  SELVEDGE_CO_TRY(const auto signals, io::SignalSource::create(reactor, kEndingSignals));
  SELVEDGE_CO_TRY(const auto size_signals, io::SignalSource::create(reactor, {SIGWINCH}));
  const auto terminal = HostTerminal::find(reactor, {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO});
  io::KernelNetwork network(reactor);
  SELVEDGE_CO_TRY(const auto resolver, make_resolver(reactor, network, options));
  app::GuestShard shard(reactor, runtime.engine(), runtime.clock(), runtime.random(),
                        &runtime.helpers(), &runtime.cpu_clock(),
                        {.network = &network, .resolver = resolver.get()});
  // This thread runs the program; its threads and children that compute get the other cores too.
  const wasix::ComputingShards computing(runtime.engine(), runtime.clock(), &runtime.cpu_clock(),
                                         cores(options) - 1);
  SELVEDGE_CO_TRY(const auto shard_program, app::ShardProgram::create(shard, std::move(program)));
  app::EnvironmentBlock environment =
      app::environment_block(shard_program->program().options().environment);
  SELVEDGE_CO_TRY(
      const auto process,
      shard_program->start(
          {.input = standard_handle(reactor, STDIN_FILENO, io::StandardDirection::kRead),
           .output = standard_handle(reactor, STDOUT_FILENO, io::StandardDirection::kWrite),
           .error = standard_handle(reactor, STDERR_FILENO, io::StandardDirection::kWrite),
           .terminal = terminal},
          std::move(environment)));
  int signal = 0;
  io::TaskScope beside(reactor);
  beside.spawn(watch_signals(*signals, *process, terminal.get(), signal));
  if (terminal != nullptr) {
    beside.spawn(terminal->watch_size(*size_signals));
  }
  SELVEDGE_CO_TRY(const wasix::ExitStatus status, co_await process->wait());
  if (terminal != nullptr) {
    terminal->restore();
  }
  beside.cancel();
  [[maybe_unused]] const auto closed = co_await beside.close();
  co_return exit_code_of(status, signal, style);
}

}  // namespace

Result<int> run_command(Runtime& runtime, std::shared_ptr<const app::Program> program,
                        const RunOptions& options) {
  return runtime.reactor().run(run(runtime, std::move(program), options));
}

}  // namespace selvedge::cli
