#pragma once

// A workload: the processes that one program starts. Each has its own process table; nothing of one
// workload is nameable from another.
//
// The first process is made and owned by the embedder; those that it and its children spawn are
// owned here. A child that has ended stays as a zombie until its parent joins it. When a parent
// ends before its children, the first process becomes their parent, as init does. When the first
// process ends, all others end with it.
//
// The limits of memory, CPU time and output of the first process hold for the sum of all. Memory
// beyond it is refused; CPU time or output beyond it ends the workload.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/instance.h"
#include "engine/library.h"
#include "engine/module.h"
#include "io/event.h"
#include "io/reactor.h"
#include "io/task.h"
#include "wasix/errno_result.h"

namespace selvedge::wasix {

class Process;
struct ExitStatus;

// Within a workload; never used again in its life.
using ProcessId = std::uint32_t;
inline constexpr ProcessId kFirstProcess = 1;

// A command of a package, with what its manifest says of it.
struct LoadedCommand {
  std::shared_ptr<const engine::LinkedModule> module;
  // In the place of the caller's argv[0].
  std::optional<std::string> program_name = std::nullopt;
  // Behind argv[0], before the caller's arguments.
  std::vector<std::string> arguments = {};
  // "KEY=value", for keys that the caller does not set.
  std::vector<std::string> environment = {};
};

// Makes modules of what guests want to run. Implemented by the embedder; one shard's.
class ProgramLoader {
 public:
  virtual ~ProgramLoader() = default;
  // Compiles (or takes from a cache) and links a Wasm binary that came from a guest's file system.
  // Errors are of the module: the guest sees kNoexec.
  virtual io::Task<std::shared_ptr<const engine::LinkedModule>> load(
      std::vector<std::byte> wasm) = 0;
  // The same for a library that a guest loads.
  virtual io::Task<std::shared_ptr<const engine::Library>> load_library(
      std::vector<std::byte> wasm) = 0;
  // A command of the package or of its dependencies, which guests find in /bin; kNotFound.
  virtual io::Task<LoadedCommand> load_command(std::string name) = 0;
};

// Linear memories of all processes, shared ones included.
class WorkloadMemory final : public engine::MemoryAccount {
 public:
  // Before the first use. `outer`: an account that this is part of; optional, outlives this.
  void set_limit(std::uint64_t bytes_max, engine::MemoryAccount* outer) noexcept;
  bool reserve(std::size_t bytes) noexcept override;
  void release(std::size_t bytes) noexcept override;
  void note_refusal() noexcept override {
    if (outer_ != nullptr) {
      outer_->note_refusal();
    }
  }
  std::string limit_text() const override;
  std::uint64_t used() const noexcept { return used_; }

 private:
  std::uint64_t bytes_max_ = 0;
  std::uint64_t used_ = 0;
  engine::MemoryAccount* outer_ = nullptr;
};

struct WorkloadOptions {
  // nullptr: nothing can be spawned or executed (kNotsup). Outlives the workload.
  ProgramLoader* loader = nullptr;
  // Running ones and zombies.
  std::uint32_t processes_max = 64;
};

// One shard's thread.
class Workload {
 public:
  Workload(io::Reactor& reactor, WorkloadOptions options) noexcept;
  ~Workload();
  Workload(const Workload&) = delete;
  Workload& operator=(const Workload&) = delete;

  ProgramLoader* loader() const noexcept { return options_.loader; }

  // For Process: its place in the table. `parent` 0: the first one.
  ProcessId enter(Process& process, ProcessId parent);
  // The process has ended: everybody who joins is told.
  void ended(ProcessId id) noexcept;
  // The process is destroyed: nothing here names it any more. One that could not be made has not
  // been adopted; the others have left the table before.
  void leave(ProcessId id) noexcept;
  // The first process goes: all others are destroyed.
  void clear() noexcept;

  // kAgain: the table is full. Removes zombies that nobody will join first.
  ErrnoResult<> check_room();
  // Takes over a child that has entered.
  void adopt(std::unique_ptr<Process> child);

  WorkloadMemory& memory() noexcept [[clang::lifetimebound]] { return memory_; }
  engine::CpuTimeSum& cpu_time() noexcept [[clang::lifetimebound]] { return cpu_time_; }
  // Counts output; what all have written so far.
  std::uint64_t add_output(std::uint64_t bytes) noexcept { return output_bytes_ += bytes; }
  // A limit is passed: the first process, and with it all others, ends with this status, soon.
  void end(const ExitStatus& status);

  // To all that run, as a terminal does to those in its foreground.
  void signal_all(Signal signal) noexcept;
  // nullptr: there is none of that number, or it has been joined.
  Process* find(ProcessId id) const noexcept;
  std::optional<ProcessId> parent_of(ProcessId id) const noexcept;
  bool has_children(ProcessId parent) const noexcept;
  // A child of `parent` that has ended: `wanted`, or any when 0.
  std::optional<ProcessId> ended_child(ProcessId parent, ProcessId wanted) const noexcept;
  bool is_child(ProcessId parent, ProcessId child) const noexcept;
  // Forgets a child that has ended.
  void reap(ProcessId child) noexcept;
  // Notified when a process has ended or become another program.
  io::Event& process_ended() noexcept [[clang::lifetimebound]] { return process_ended_; }
  std::size_t process_count() const noexcept { return entries_.size(); }
  std::vector<ProcessId> process_ids() const;

 private:
  struct Entry {
    ProcessId parent = 0;
    Process* process = nullptr;
    std::unique_ptr<Process> owned;
    bool ended = false;
  };
  void reap_orphans() noexcept;

  WorkloadOptions options_;
  WorkloadMemory memory_;
  engine::CpuTimeSum cpu_time_;
  std::uint64_t output_bytes_ = 0;
  io::Event process_ended_;
  ProcessId next_id_ = kFirstProcess;
  std::map<ProcessId, Entry> entries_;
};

}  // namespace selvedge::wasix
