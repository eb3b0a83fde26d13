#include "app/program.h"

#include <algorithm>
#include <ranges>
#include <span>
#include <string_view>

#include "app/internal/prefetch.h"
#include "base/bytes.h"
#include "base/format.h"
#include "wasix/fs_commands.h"
#include "wasix/fs_devices.h"
#include "wasix/fs_host.h"
#include "wasix/fs_memory.h"
#include "wasix/fs_merged.h"

namespace selvedge::app {
namespace {

// FileStat::dev of /dev/shm beside a folder of the host.
constexpr std::uint64_t kSharedMemoryDevice = (std::uint64_t{1} << 32) + 1;

// Folders of the layer on the way to each mount, so that they can be written like any other. Where
// one cannot be made, the way to the mount is read-only.
void make_folders_above(std::span<const wasix::Mount> mounts, wasix::FileSystem& layer) {
  const std::shared_ptr<wasix::Directory> root = layer.open_root();
  for (const wasix::Mount& mount : mounts) {
    const std::string_view path = std::string_view(mount.path).substr(1);
    for (std::size_t slash = path.find('/'); slash != std::string_view::npos;
         slash = path.find('/', slash + 1)) {
      static_cast<void>(root->make_directory(path.substr(0, slash)));
    }
  }
}

// Text modules are told by their name; everything else is for the engine to judge.
Result<std::vector<std::byte>> binary_of(std::vector<std::byte> bytes, std::string_view path) {
  if (!path.ends_with(".wat") || engine::looks_like_wasm(bytes)) {
    return bytes;
  }
  return engine::wat_to_wasm(base::as_text(bytes));
}

// The binary format's layer field tells components (1) from core modules (0).
bool is_component(base::ByteSpan bytes) {
  base::ByteReader reader(bytes);
  return base::as_text(reader.read_bytes(4)) == std::string_view("\0asm", 4) &&
         reader.read_le<std::uint16_t>() != 1 && reader.read_le<std::uint16_t>() == 1 &&
         reader.ok();
}

bool imports_any(const engine::Module& module, std::initializer_list<std::string_view> names) {
  return std::ranges::any_of(module.imports(), [names](const auto& import) {
    return std::ranges::any_of(
        names, [&](std::string_view name) { return import.name.starts_with(name); });
  });
}

Result<std::shared_ptr<const engine::LinkedModule>> link_module(
    const engine::HostFunctions& functions, std::shared_ptr<const engine::Module> module) {
  if (!module->has_export("_start", engine::ExternKind::kFunction)) {
    return fail(ErrorKind::kInvalid,
                "the module exports no function \"_start\", so it is not a program; build it as a "
                "WASI command, not as a reactor or library");
  }
  const bool imports_memory = std::ranges::any_of(module->imports(), [](const auto& import) {
    return import.kind == engine::ExternKind::kMemory;
  });
  if (!imports_memory && !module->has_export("memory", engine::ExternKind::kMemory)) {
    return fail(ErrorKind::kInvalid,
                "the module exports no memory named \"memory\", which WASI programs need");
  }
  return functions.link(std::move(module));
}

std::shared_ptr<wasix::FileSystem> make_command_files(const GuestCommands& commands,
                                                      const base::Clock& clock) {
  std::vector<wasix::CommandFile> files;
  for (const auto& [name, command] : commands) {
    files.push_back({.name = name,
                     .host_path = command.module_path,
                     .owner = command.module.owner,
                     .bytes = command.module.bytes});
  }
  return wasix::make_command_file_system(clock, files);
}

bool loads_libraries(const engine::Module& module) {
  return imports_any(module, {"dlopen", "load_needed"});
}

}  // namespace

Result<std::shared_ptr<const engine::LinkedModule>> link_program(
    engine::Engine& engine, const engine::HostFunctions& functions, base::ByteSpan binary,
    const engine::CompileOptions& compile) {
  if (is_component(binary)) {
    return fail(ErrorKind::kUnsupported,
                "this is a WebAssembly component, of which the version stands at byte 4; only core "
                "modules are supported: build for WASI preview 1");
  }
  // A module that cannot be linked is not worth compiling.
  engine::CompileOptions checked = compile;
  checked.functions = &functions;
  SELVEDGE_TRY(auto module, engine.load(binary, checked));
  return link_module(functions, std::move(module));
}

Result<std::shared_ptr<const engine::LinkedModule>> find_linked_program(
    engine::Engine& engine, const engine::HostFunctions& functions,
    const engine::ContentHash& hash) {
  auto module = engine.find(hash);
  if (module == nullptr) {
    return std::shared_ptr<const engine::LinkedModule>();
  }
  return link_module(functions, std::move(module));
}

Result<std::shared_ptr<const engine::LinkedModule>> load_program_module(
    engine::Engine& engine, const engine::HostFunctions& functions, const std::string& path,
    const engine::CompileOptions& compile) {
  SELVEDGE_TRY(auto bytes, read_module(path));
  SELVEDGE_TRY(const auto binary, binary_of(std::move(bytes), path));
  return link_program(engine, functions, binary, compile);
}

bool can_listen(const engine::Module& module) { return imports_any(module, {"sock_listen"}); }

bool starts_programs(const engine::Module& module) {
  return loads_libraries(module) || imports_any(module, {"proc_spawn", "proc_exec"});
}

Result<std::shared_ptr<const Program>> Program::load(engine::Engine& engine,
                                                     const engine::HostFunctions& functions,
                                                     const std::string& module_path,
                                                     ProgramOptions options,
                                                     const engine::CompileOptions& compile) {
  auto module = load_program_module(engine, functions, module_path, compile);
  if (!module.has_value()) {
    Error error = std::move(module).error();
    // File errors name the path already.
    return fail(error.message().starts_with(module_path)
                    ? std::move(error)
                    : std::move(error).with_context(module_path));
  }
  return create(*std::move(module), functions, std::move(options));
}

std::shared_ptr<const Program> Program::create(std::shared_ptr<const engine::LinkedModule> module,
                                               const engine::HostFunctions& functions,
                                               ProgramOptions options) {
  return std::make_unique<Program>(Program(std::move(module), functions, std::move(options)));
}

Program::Program(std::shared_ptr<const engine::LinkedModule> module,
                 const engine::HostFunctions& functions, ProgramOptions options) noexcept
    : module_(std::move(module)), functions_(functions), options_(std::move(options)) {
  const engine::Module& code = module_->module();
  uses_programs_ = starts_programs(code);
  // Programs and libraries are found by their paths.
  uses_files_ = uses_programs_ || imports_any(code, {"path_", "chdir", "getcwd"});
  // A library may import anything.
  uses_sockets_ = loads_libraries(code) || imports_any(code, {"sock_open", "sock_pair", "resolve"});
  listens_ = options_.runner != RunnerKind::kWcgi && can_listen(code);
}

ShardProgram::ShardProgram(GuestShard& shard, std::shared_ptr<const Program> program)
    : shard_(shard),
      module_(shard.counted_here(program->module())),
      arguments_(program->options().arguments),
      environment_(program->options().environment),
      limits_(program->options().limits),
      tenant_(program->options().tenant),
      uses_files_(program->uses_files()),
      uses_programs_(program->uses_programs()),
      uses_sockets_(program->uses_sockets()),
      program_(std::move(program)) {
  io::HelperPool* const helpers = shard_.process_shard().helpers;
  if (uses_programs_ && helpers != nullptr) {
    loader_ = std::make_unique<GuestProgramLoader>(shard_.reactor(), shard_.engine(),
                                                   program_->functions(), *helpers,
                                                   program_->options().commands);
  }
}

Result<std::unique_ptr<ShardProgram>> ShardProgram::create(GuestShard& shard,
                                                           std::shared_ptr<const Program> program) {
  SELVEDGE_TRY(ShardProgram made, open(shard, std::move(program)));
  return std::make_unique<ShardProgram>(std::move(made));
}

Result<ShardProgram> ShardProgram::open(GuestShard& shard, std::shared_ptr<const Program> program) {
  ShardProgram made(shard, std::move(program));
  SELVEDGE_TRY_VOID(made.open_mounts());
  return made;
}

void ShardProgram::prefetch() const noexcept {
  internal::prefetch(arguments_.data(), arguments_.size() * sizeof(arguments_[0]));
  internal::prefetch(environment_.data(), environment_.size() * sizeof(environment_[0]));
}

// What the machine adds to files that lie at `place`, but for the devices beside a folder of the
// host, which are each workload's own (add_devices). The package's commands win over its own
// files, as their arguments and variables are the manifest's; folders of the host win over both,
// and list only what is in them.
std::shared_ptr<wasix::FileSystem> ShardProgram::with_added_files(
    std::shared_ptr<wasix::FileSystem> files, std::string_view place, bool of_package) const {
  if (!uses_files_) {
    return files;
  }
  if (of_package) {
    files = wasix::merge_file_systems(std::move(files), place, shard_.layered_device_files(), {});
  }
  return command_files_ == nullptr
             ? files
             : wasix::merge_file_systems(std::move(files), place, *command_files_,
                                         {.added_wins = of_package, .lists_added = of_package});
}

// To folders of the host in which the guest would look for /dev: with a /dev/shm of the workload.
void ShardProgram::add_devices(std::vector<wasix::Mount>& mounts) const {
  std::shared_ptr<wasix::FileSystem> devices;
  for (wasix::Mount& mount : mounts) {
    if (!uses_files_ || (mount.path != "/" && mount.path != "/dev")) {
      continue;
    }
    if (devices == nullptr) {
      devices = wasix::add_shared_memory(shard_.device_files(),
                                         {.clock = shard_.process_shard().clock,
                                          .bytes_max = program_->options().scratch_bytes_max,
                                          .device = kSharedMemoryDevice,
                                          .lower = nullptr},
                                         true);
    }
    mount.file_system = wasix::merge_file_systems(std::move(mount.file_system), mount.path,
                                                  *devices, {.lists_added = false});
  }
}

Result<> ShardProgram::open_mounts() {
  std::vector<wasix::Mount> layered;
  for (const ProgramMount& mount : program_->options().mounts) {
    std::shared_ptr<wasix::FileSystem> files = mount.file_system;
    if (files == nullptr) {
      SELVEDGE_TRY(
          files, wasix::HostDirectory::create({.path = mount.host, .read_only = mount.read_only}));
    }
    // A folder of --dir in the place of one of the package hides it.
    std::erase_if(layered, [&](const wasix::Mount& other) { return other.path == mount.guest; });
    std::erase_if(direct_, [&](const wasix::Mount& other) { return other.path == mount.guest; });
    (mount.layered ? layered : direct_)
        .push_back({.path = mount.guest, .file_system = std::move(files)});
  }
  const base::Clock& clock = shard_.process_shard().clock;
  if (uses_files_ && uses_programs_ && !program_->options().commands.empty()) {
    command_files_ = make_command_files(program_->options().commands, clock);
  }
  const bool has_root = std::ranges::find(direct_, "/", &wasix::Mount::path) != direct_.end();
  if (has_root) {
    std::ranges::move(layered, std::back_inserter(direct_));
  }
  for (wasix::Mount& mount : direct_) {
    mount.file_system = with_added_files(std::move(mount.file_system), mount.path, false);
  }
  if (has_root) {
    return {};
  }
  if (std::ranges::find(layered, "/", &wasix::Mount::path) == layered.end()) {
    auto scratch = wasix::MemoryFileSystem::create({.clock = clock, .lower = nullptr});
    if (!scratch.has_value() || !(*scratch)->open_root()->make_directory("tmp").has_value()) {
      return fail(ErrorKind::kInternal, "the in-memory file system cannot be made");
    }
    (*scratch)->freeze();
    layered.push_back({.path = "/", .file_system = *std::move(scratch)});
  }
  SELVEDGE_TRY(auto base,
               wasix::MountTable::create({.clock = clock, .mounts = std::move(layered)}));
  base_ = with_added_files(std::move(base), "/", true);
  return {};
}

Result<std::shared_ptr<wasix::Directory>> ShardProgram::open_root() const {
  const base::Clock& clock = shard_.process_shard().clock;
  std::vector<wasix::Mount> mounts = direct_;
  add_devices(mounts);
  if (base_ != nullptr) {
    auto layer = wasix::MemoryFileSystem::create(
        {.clock = clock, .bytes_max = program_->options().scratch_bytes_max, .lower = base_});
    if (!layer.has_value()) {
      return fail(ErrorKind::kInternal, "the package's folders cannot be read");
    }
    if (mounts.empty()) {
      return (*layer)->open_root();
    }
    make_folders_above(mounts, **layer);
    mounts.push_back({.path = "/", .file_system = *std::move(layer)});
  }
  SELVEDGE_TRY(const auto table,
               wasix::MountTable::create({.clock = clock, .mounts = std::move(mounts)}));
  return table->open_root();
}

std::shared_ptr<wasix::LoopbackNetwork> ShardProgram::make_network() const {
  const ProgramOptions& options = program_->options();
  const HostNetwork& host = shard_.host_network();
  std::shared_ptr<wasix::EgressNetwork> egress;
  if (host.network != nullptr && options.egress != nullptr && !options.egress->allows_nothing()) {
    egress = std::make_shared<wasix::EgressNetwork>(
        wasix::EgressNetwork::Options{.network = *host.network,
                                      .resolver = host.resolver,
                                      .policy = options.egress,
                                      .limits = options.egress_limits});
  }
  return std::make_shared<wasix::LoopbackNetwork>(shard_.reactor(), std::move(egress));
}

Result<std::unique_ptr<wasix::Process>> ShardProgram::start(RunAttachments attachments,
                                                            EnvironmentBlock environment) const {
  wasix::ProcessOptions process_options{.arguments = arguments_,
                                        .environment = std::move(environment),
                                        .standard_input = std::move(attachments.input),
                                        .standard_output = std::move(attachments.output),
                                        .standard_error = std::move(attachments.error),
                                        .terminal = std::move(attachments.terminal),
                                        .limits = limits_,
                                        .tenant = tenant_};
  process_options.limits.instance.account = attachments.memory;
  if (loader_ != nullptr) {
    process_options.workload = std::make_shared<wasix::Workload>(
        shard_.reactor(), wasix::WorkloadOptions{.loader = loader_.get()});
  }
  process_options.network = std::move(attachments.network);
  if (process_options.network == nullptr && uses_sockets_) {
    process_options.network = make_network();
  }
  if (uses_files_) {
    SELVEDGE_TRY(auto root, open_root());
    process_options.preopens.push_back({.guest_path = "/", .directory = std::move(root)});
  }
  SELVEDGE_TRY(auto process,
               wasix::Process::create(shard_.process_shard(), module_, std::move(process_options)));
  SELVEDGE_TRY_VOID(process->start());
  return process;
}

}  // namespace selvedge::app
