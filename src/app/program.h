#pragma once

// A command that is ready to run: compiled, linked, with its arguments, environment, folders and
// limits. Program is the part that all shards share; ShardProgram starts processes of it.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/environment.h"
#include "app/guest_program_loader.h"
#include "app/guest_shard.h"
#include "app/package.h"
#include "base/result.h"
#include "engine/engine.h"
#include "engine/host_functions.h"
#include "engine/instance.h"
#include "engine/module.h"
#include "wasix/egress_network.h"
#include "wasix/egress_policy.h"
#include "wasix/file_system.h"
#include "wasix/fs_mounts.h"
#include "wasix/loopback_network.h"
#include "wasix/process.h"

namespace selvedge::app {

// A folder that the guest sees.
struct ProgramMount {
  std::string guest;  // absolute, normalised
  std::string host;   // an existing directory
  bool read_only = false;
  // Part of the package: processes see it under an in-memory layer of their own.
  bool layered = false;
  // What is there instead of a folder of the host; shared by all shards.
  std::shared_ptr<wasix::FileSystem> file_system = nullptr;
};

// A Wasm binary as a program that can run: compiled, or taken from the cache, and linked. Invalid
// or Unsupported, in one sentence. Blocks: on a helper thread.
Result<std::shared_ptr<const engine::LinkedModule>> link_program(
    engine::Engine& engine, const engine::HostFunctions& functions, base::ByteSpan binary,
    const engine::CompileOptions& compile = {});
// The same without the bytes, of which this is the hash: nullptr when they have to be compiled.
Result<std::shared_ptr<const engine::LinkedModule>> find_linked_program(
    engine::Engine& engine, const engine::HostFunctions& functions,
    const engine::ContentHash& hash);
// The same for a file, which may also be a text module (.wat).
Result<std::shared_ptr<const engine::LinkedModule>> load_program_module(
    engine::Engine& engine, const engine::HostFunctions& functions, const std::string& path,
    const engine::CompileOptions& compile = {});

// Whether it imports what a program that listens needs.
bool can_listen(const engine::Module& module);
// Whether it imports what starts other programs, or loads libraries.
bool starts_programs(const engine::Module& module);

struct ProgramOptions {
  std::string name;  // for log lines
  // As the manifest says; none: by what the module imports.
  std::optional<RunnerKind> runner = std::nullopt;
  std::vector<std::string> arguments;  // with the program's name
  Environment environment;             // a later entry of one name wins
  std::vector<ProgramMount> mounts;    // a later one of one path wins
  GuestCommands commands;              // what its processes find in /bin
  wasix::ProcessLimits limits;
  // Where it may connect to; nullptr: nowhere.
  std::shared_ptr<const wasix::EgressPolicy> egress;
  wasix::EgressLimits egress_limits;
  engine::TenantId tenant;
  // What one process may write into memory as files.
  std::uint64_t scratch_bytes_max = std::uint64_t{256} << 20;
};

// Immutable; any thread.
class Program {
 public:
  // Reads, compiles (or takes from the engine's cache) and links the module. Blocks, for seconds
  // when a big module is compiled. Errors name the file, and the import or feature with its byte
  // offset.
  static Result<std::shared_ptr<const Program>> load(engine::Engine& engine,
                                                     const engine::HostFunctions& functions,
                                                     const std::string& module_path,
                                                     ProgramOptions options,
                                                     const engine::CompileOptions& compile = {});

  // A module that is linked already.
  static std::shared_ptr<const Program> create(std::shared_ptr<const engine::LinkedModule> module,
                                               const engine::HostFunctions& functions,
                                               ProgramOptions options);

  const ProgramOptions& options() const noexcept [[clang::lifetimebound]] { return options_; }
  const std::shared_ptr<const engine::LinkedModule>& module() const noexcept
      [[clang::lifetimebound]] {
    return module_;
  }
  // The module imports a function that takes a path.
  bool uses_files() const noexcept { return uses_files_; }
  // It imports functions of sockets or names, or of other programs and libraries.
  bool uses_sockets() const noexcept { return uses_sockets_; }
  bool uses_programs() const noexcept { return uses_programs_; }
  // It listens by itself, so that a gateway passes connections on to it.
  bool listens() const noexcept { return listens_; }
  const engine::HostFunctions& functions() const noexcept [[clang::lifetimebound]] {
    return functions_;
  }

 private:
  Program(std::shared_ptr<const engine::LinkedModule> module,
          const engine::HostFunctions& functions, ProgramOptions options) noexcept;

  std::shared_ptr<const engine::LinkedModule> module_;
  const engine::HostFunctions& functions_;
  ProgramOptions options_;
  bool uses_files_ = false;
  bool uses_sockets_ = false;
  bool uses_programs_ = false;
  bool listens_ = false;
};

// What differs from one run to the next. Null handles: empty input, swallowed output.
struct RunAttachments {
  std::shared_ptr<wasix::Handle> input = nullptr;
  std::shared_ptr<wasix::Handle> output = nullptr;
  std::shared_ptr<wasix::Handle> error = nullptr;
  // nullptr: one of its own, when the program uses sockets.
  std::shared_ptr<wasix::LoopbackNetwork> network = nullptr;
  // The one that they lead to, if any.
  std::shared_ptr<wasix::Terminal> terminal = nullptr;
  // Where its memory is counted too; outlives the process.
  engine::MemoryAccount* memory = nullptr;
};

// What a guest sees as "/": an empty /tmp, /dev, the package's commands in /bin and its folders
// under an in-memory layer of its own, so that it may write anywhere and change nothing; in it the
// folders of --dir, which are the host's. A program that imports no path function gets no file
// system.
//
// One shard's thread.
class ShardProgram {
 public:
  // Opens the mounted folders: blocks on the disk, at the shard's start. NotFound, Denied: with the
  // path.
  static Result<std::unique_ptr<ShardProgram>> create(GuestShard& shard [[clang::lifetimebound]],
                                                      std::shared_ptr<const Program> program);
  // The same, to lie where its owner is.
  static Result<ShardProgram> open(GuestShard& shard [[clang::lifetimebound]],
                                   std::shared_ptr<const Program> program);

  // A network for one workload of the program, with a way out if it may have one.
  std::shared_ptr<wasix::LoopbackNetwork> make_network() const;
  // A new process, started. `environment` replaces the program's.
  Result<std::unique_ptr<wasix::Process>> start(RunAttachments attachments,
                                                EnvironmentBlock environment) const;

  GuestShard& shard() const noexcept [[clang::lifetimebound]] { return shard_; }
  const Program& program() const noexcept [[clang::lifetimebound]] { return *program_; }
  // Of the program's options.
  const Environment& environment() const noexcept [[clang::lifetimebound]] { return environment_; }
  // What start() needs beside this, for who is about to call it.
  void prefetch() const noexcept;

 private:
  ShardProgram(GuestShard& shard, std::shared_ptr<const Program> program);
  Result<> open_mounts();
  void add_devices(std::vector<wasix::Mount>& mounts) const;
  std::shared_ptr<wasix::FileSystem> with_added_files(std::shared_ptr<wasix::FileSystem> files,
                                                      std::string_view place,
                                                      bool of_package) const;
  Result<std::shared_ptr<wasix::Directory>> open_root() const;

  GuestShard& shard_;
  // What each start reads, copied to be side by side.
  std::shared_ptr<const engine::LinkedModule> module_;
  std::vector<std::string> arguments_;
  Environment environment_;
  wasix::ProcessLimits limits_;
  engine::TenantId tenant_;
  bool uses_files_;
  bool uses_programs_;
  bool uses_sockets_;
  // Null when the program starts no others.
  std::unique_ptr<GuestProgramLoader> loader_;
  std::shared_ptr<const Program> program_;
  // Its commands in /bin; null when it starts no others.
  std::shared_ptr<wasix::FileSystem> command_files_;
  // What lies below the layer of each process; null when a folder of the host is mounted on "/".
  std::shared_ptr<wasix::FileSystem> base_;
  // Not below it.
  std::vector<wasix::Mount> direct_;
};

}  // namespace selvedge::app
