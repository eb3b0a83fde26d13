#include "wasix/process.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/format.h"
#include "wasix/file_handle.h"
#include "wasix/guest_path.h"
#include "wasix/stdio.h"

namespace selvedge::wasix {

namespace {

constexpr int kShellSignalBase = 128;
// What timeout(1) answers.
constexpr int kShellTimedOut = 124;

Result<> check_strings(std::string_view what, const std::vector<std::string>& strings) {
  if (strings.size() > ProcessOptions::kArgumentsMax) {
    return fail_format(ErrorKind::kInvalid, "{} has {} entries, more than the {} allowed", what,
                       strings.size(), ProcessOptions::kArgumentsMax);
  }
  std::size_t total = 0;
  for (const std::string& text : strings) {
    if (text.find('\0') != std::string::npos) {
      return fail_format(ErrorKind::kInvalid, "{} contains a NUL byte", what);
    }
    total += text.size() + 1;
  }
  if (total > ProcessOptions::kArgumentBytesMax) {
    return fail_format(ErrorKind::kInvalid, "{} has {} bytes, more than the {} allowed", what,
                       total, ProcessOptions::kArgumentBytesMax);
  }
  return {};
}

Result<> check(const ProcessOptions& options) {
  SELVEDGE_TRY_VOID(check_strings("the argument list", options.arguments));
  SELVEDGE_TRY_VOID(check_strings("the environment", options.environment));
  if (options.preopens.size() > ProcessOptions::kPreopensMax) {
    return fail_format(ErrorKind::kInvalid, "{} directories are more than the {} allowed",
                       options.preopens.size(), ProcessOptions::kPreopensMax);
  }
  for (const Preopen& preopen : options.preopens) {
    if (preopen.guest_path.size() > kPathBytesMax) {
      return fail_format(ErrorKind::kInvalid,
                         "the guest path of a directory is longer than {} bytes", kPathBytesMax);
    }
  }
  const std::string& directory = options.working_directory;
  if (!directory.starts_with('/') || directory.size() > kPathBytesMax ||
      directory.find('\0') != std::string::npos) {
    return fail_format(ErrorKind::kInvalid,
                       "the working directory is not an absolute path of at most {} bytes",
                       kPathBytesMax);
  }
  return {};
}

std::shared_ptr<Workload> workload_of(const ProcessShard& shard, const ProcessOptions& options) {
  return options.workload != nullptr ? options.workload
                                     : std::make_shared<Workload>(shard.reactor, WorkloadOptions{});
}

engine::Outcome killed() {
  engine::Outcome outcome;
  outcome.reason = engine::EndReason::kKilled;
  return outcome;
}

}  // namespace

int ExitStatus::shell_code() const noexcept {
  switch (kind) {
    case Kind::kExited:
      return static_cast<int>(code & 0xFFU);
    case Kind::kSignaled:
      return kShellSignalBase + static_cast<int>(signal);
    case Kind::kTrapped:
      return kShellSignalBase + static_cast<int>(Signal::kAbrt);
    case Kind::kLimit:
      return timed_out ? kShellTimedOut : kShellSignalBase + static_cast<int>(Signal::kKill);
    case Kind::kFailed:
      break;
  }
  return 1;
}

Process::Process(Key, const ProcessShard& shard, std::shared_ptr<const engine::LinkedModule> module,
                 ProcessOptions options, Process* parent)
    : shard_(shard),
      owned_workload_(parent != nullptr ? nullptr : workload_of(shard, options)),
      workload_(parent != nullptr ? parent->workload_ : *owned_workload_),
      id_(workload_.enter(*this, parent != nullptr ? parent->id_ : 0)),
      original_parent_(parent != nullptr ? parent->id_ : 0),
      run_group_(parent != nullptr ? parent->run_group_
                                   : std::make_shared<engine::RunQueue::Group>(
                                         options.tenant, options.tenant_weight)),
      module_(std::move(module)),
      options_(std::move(options)),
      handles_(options_.limits.open_handles_max),
      start_time_(shard.clock.now()),
      signal_timers_(*this),
      resize_observer_(*this),
      ended_(shard.reactor),
      threads_(*this, shard_.reactor, shard_.scheduler,
               [this](const engine::Outcome& outcome) { main_ended(outcome); }) {
  options_.working_directory = absolute_path("/", options_.working_directory);
  engine::InstanceLimits& limits = options_.limits.instance;
  if (parent == nullptr) {
    workload_.memory().set_limit(limits.memory_bytes_max, limits.account);
  }
  limits.account = &workload_.memory();
  if (options_.terminal != nullptr) {
    options_.terminal->resized().observe(resize_observer_);
  }
}

Process::~Process() {
  threads_.clear();
  drop_shared_memory();
  if (owned_workload_ != nullptr) {
    workload_.clear();
  } else {
    workload_.leave(id_);
  }
  // Whoever waits must have been told; only an owner that drops a running process finds nobody.
  SELVEDGE_DCHECK(!ended_.has_waiters());
}

Result<std::unique_ptr<Process>> Process::create(const ProcessShard& shard,
                                                 std::shared_ptr<const engine::LinkedModule> module,
                                                 ProcessOptions options) {
  SELVEDGE_TRY_VOID(check(options));
  auto process =
      std::make_unique<Process>(Key{}, shard, std::move(module), std::move(options), nullptr);
  SELVEDGE_TRY_VOID(process->open_descriptors());
  SELVEDGE_TRY_VOID(process->make_main_thread());
  return process;
}

ErrnoResult<Process*> Process::create_child(ProgramImage image, HandleTable handles,
                                            std::string working_directory) {
  ProcessOptions options{.arguments = std::move(image.arguments),
                         .environment = std::move(image.environment),
                         .working_directory = std::move(working_directory),
                         .handles = std::move(handles),
                         .network = options_.network,
                         .terminal = options_.terminal,
                         .limits = options_.limits};
  if (const Result<> checked = check(options); !checked) {
    return refuse(Errno::kTooBig);
  }
  SELVEDGE_TRY_ERRNO_VOID(workload_.check_room());
  auto child =
      std::make_unique<Process>(Key{}, shard_, std::move(image.module), std::move(options), this);
  if (!child->open_descriptors() || !child->make_main_thread()) {
    return refuse(Errno::kNomem);
  }
  Process* const made = child.get();
  workload_.adopt(std::move(child));
  return made;
}

Errno Process::exec(Thread& thread, ProgramImage image) {
  if (!check({.arguments = image.arguments, .environment = image.environment})) {
    return Errno::kTooBig;
  }
  if (borrowed_ != nullptr) {
    return exec_in_place(std::move(image));
  }
  next_image_ = std::make_unique<ProgramImage>(std::move(image));
  thread.end(killed());
  return Errno::kSuccess;
}

void Process::main_ended(const engine::Outcome& outcome) {
  const bool executes = next_image_ != nullptr && outcome.reason == engine::EndReason::kKilled &&
                        !ending_signal_ && !limit_status_;
  if (!executes) {
    const ExitStatus status = status_of(outcome);
    finish(status);
    if (outcome.reason == engine::EndReason::kCpuTimeLimit) {
      workload_.end(status);
    }
    return;
  }
  if (const Result<> started = become(std::move(*std::exchange(next_image_, nullptr))); !started) {
    finish({.kind = ExitStatus::Kind::kFailed, .message = started.error().message()});
  }
}

Result<> Process::become(ProgramImage image) {
  threads_.reset();
  drop_shared_memory();
  checkpoints_.clear();
  module_ = std::move(image.module);
  SELVEDGE_TRY_VOID(make_main_thread());
  return start_image(std::move(image));
}

Result<> Process::start_image(ProgramImage image) {
  handles_.close_marked_for_exec();
  signal_delivery_ = SignalDelivery::kDefault;
  imports_wasix_.reset();
  options_.arguments = std::move(image.arguments);
  options_.environment = std::move(image.environment);
  SELVEDGE_TRY_VOID(threads_.start_main("_start", deadline()));
  executed_ = true;
  workload_.process_ended().notify();  // a parent that waits for this (vfork)
  return {};
}

std::optional<base::MonotonicTime> Process::deadline() const noexcept {
  if (!options_.limits.wall_time_max) {
    return std::nullopt;
  }
  return start_time_ + *options_.limits.wall_time_max;
}

Result<std::shared_ptr<const engine::LinkedModule>> Process::bind_memory() {
  if (!module_->needs_memory()) {
    return module_;
  }
  SELVEDGE_TRY_VOID(make_shared_memory());
  return shared_memory_->bind(*module_);
}

ThreadGroup::Options Process::thread_options() const {
  return {.threads_max = options_.limits.threads_max,
          .fiber = {.group = run_group_},
          .instance = options_.limits.instance};
}

Result<> Process::make_main_thread() {
  SELVEDGE_TRY(auto bound, bind_memory());
  linker_ = module_->is_dynamic() ? std::make_unique<DynamicLinker>(*this) : nullptr;
  return threads_.create_main(std::move(bound), thread_options());
}

Result<> Process::open_descriptors() {
  if (options_.handles) {
    handles_ = *std::exchange(options_.handles, std::nullopt);
    return {};
  }
  const auto open = [this](Descriptor descriptor) -> Result<> {
    descriptor.rights_base &= descriptor.handle->rights_base();
    descriptor.rights_inheriting &= descriptor.handle->rights_inheriting();
    if (!handles_.insert(std::move(descriptor))) {
      return fail(ErrorKind::kInvalid, "the limit of open files is too low for a process to start");
    }
    return {};
  };
  for (std::shared_ptr<Handle>* const standard :
       {&options_.standard_input, &options_.standard_output, &options_.standard_error}) {
    std::shared_ptr<Handle> handle = std::move(*standard);
    if (handle == nullptr) {
      handle = std::make_shared<NullHandle>();
    }
    SELVEDGE_TRY_VOID(open({.handle = std::move(handle), .rights_base = Rights::kAll}));
  }
  for (Preopen& preopen : options_.preopens) {
    std::string path = absolute_path("/", preopen.guest_path);
    auto directory = path == "/" ? preopen.directory->reopen_as_root() : preopen.directory;
    SELVEDGE_TRY_VOID(
        open({.handle = std::make_shared<DirectoryHandle>(std::move(directory), std::move(path)),
              .rights_base = preopen.rights_base,
              .rights_inheriting = preopen.rights_inheriting,
              .preopen_name = std::move(preopen.guest_path)}));
  }
  options_.preopens.clear();
  return {};
}

Result<> Process::start(std::string_view entry) {
  SELVEDGE_ASSERT(!started_);
  started_ = true;
  start_time_ = shard_.clock.now();
  auto running = threads_.start_main(entry, deadline());
  if (!running) {
    finish({.kind = ExitStatus::Kind::kFailed, .message = running.error().message()});
  }
  return running;
}

io::Task<ExitStatus> Process::wait() {
  while (!status_) {
    co_await ended_.wait();
  }
  co_return *status_;
}

void Process::kill(Signal signal) noexcept {
  if (!running() || ending_signal_) {
    return;
  }
  ending_signal_ = signal;
  if (borrowed_ != nullptr) {
    borrowed_->interrupt();
  } else {
    threads_.kill();
  }
}

std::size_t Process::memory_bytes() const noexcept {
  return shared_memory_ != nullptr ? shared_memory_->size() : threads_.memory_bytes();
}

void Process::end_by_signal(Thread& thread, Signal signal) {
  if (borrowed_ != nullptr) {
    kill(signal);
    return;
  }
  ending_signal_ = signal;
  thread.end(killed());
}

ExitStatus Process::status_of(const engine::Outcome& outcome) const {
  using Kind = ExitStatus::Kind;
  switch (outcome.reason) {
    case engine::EndReason::kFinished:
      return {.kind = Kind::kExited};
    case engine::EndReason::kExited:
      return {.kind = Kind::kExited, .code = outcome.exit_code};
    case engine::EndReason::kTrapped:
    case engine::EndReason::kStackLimit:
      return {.kind = Kind::kTrapped, .message = outcome.message};
    case engine::EndReason::kNotStarted:
      return {.kind = Kind::kFailed, .message = outcome.message};
    case engine::EndReason::kKilled:
      if (limit_status_) {
        return *limit_status_;
      }
      return {.kind = Kind::kSignaled,
              .signal = ending_signal_.value_or(Signal::kKill),
              .message = outcome.message};
    case engine::EndReason::kCpuTimeLimit:
      if (workload_.cpu_time().total != cpu_time()) {
        return {.kind = Kind::kLimit, .timed_out = true, .message = workload_cpu_limit()};
      }
      break;
    case engine::EndReason::kMemoryLimit:
    case engine::EndReason::kTableLimit:
    case engine::EndReason::kWallTimeLimit:
      break;
  }
  return {.kind = Kind::kLimit,
          .timed_out = outcome.reason == engine::EndReason::kCpuTimeLimit ||
                       outcome.reason == engine::EndReason::kWallTimeLimit,
          .message = outcome.message.empty() ? std::string(engine::to_string(outcome.reason))
                                             : outcome.message};
}

// The descriptors close before anybody hears of the end, so that the last bytes of a pipe and its
// end arrive together; the instances' slots go back to the pool.
void Process::finish(ExitStatus status) {
  threads_.clear();
  linker_.reset();
  if (owned_workload_ != nullptr) {
    workload_.clear();  // what children still hold goes before the end is told
  }
  drop_shared_memory();
  signal_timers_.clear();
  handles_.clear();
  checkpoints_.clear();
  status_ = std::move(status);
  ended_.set();
  workload_.ended(id_);
}

}  // namespace selvedge::wasix
