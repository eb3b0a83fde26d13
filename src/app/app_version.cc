#include "app/app_version.h"

#include <algorithm>
#include <cstring>

#include "app/image_package.h"
#include "app/volume_file_system.h"
#include "base/bytes.h"
#include "base/format.h"
#include "base/mapped_file.h"
#include "crypto/blake3.h"
#include "io/kernel_network.h"
#include "wasix/egress_policy.h"

namespace selvedge::app {
namespace {

constexpr wasix::Timestamp kNanosecondsPerSecond = 1'000'000'000;

// Apps do not share turns on a shard, nor anything else: each is a tenant of its own.
engine::TenantId tenant_of(const std::string& app) {
  const crypto::Blake3Hash hash = crypto::blake3(base::as_bytes(app));
  std::uint64_t id = 0;
  std::memcpy(&id, hash.bytes().data(), sizeof id);
  return engine::TenantId(id);
}

const ImageModule& module_of(const PackageImage& image, const ImageCommand& command) {
  return *std::ranges::find(image.modules, command.module, &ImageModule::name);
}

Error in_module(Error error, const ImageModule& module) {
  return std::move(error).with_context(fmt::format("module \"{}\"", module.name));
}

}  // namespace

Result<base::MappedFile> VersionLoader::map(const BlobReference& blob) const {
  SELVEDGE_TRY(const auto file, options_.blobs.open_blob(blob.hash, blob.bytes));
  return base::MappedFile::map(file.get(), "blob " + blob.hash.hex());
}

Result<VersionLoader::Modules> VersionLoader::map_modules(const PackageImage& image) const {
  Modules modules;
  for (const ImageCommand& command : image.commands) {
    if (!modules.contains(command.module)) {
      SELVEDGE_TRY(auto file, map(module_of(image, command).blob));
      modules.emplace(command.module, std::make_shared<const base::MappedFile>(std::move(file)));
    }
  }
  return modules;
}

Result<std::shared_ptr<const engine::LinkedModule>> VersionLoader::link(
    const ImageModule& module, base::ByteSpan bytes, engine::CompileOptions compile) const {
  std::ranges::copy(module.blob.hash.bytes(), compile.content_hash.emplace().begin());
  auto linked = link_program(options_.engine, options_.functions, bytes, compile);
  if (!linked.has_value()) {
    return fail(in_module(std::move(linked).error(), module));
  }
  return linked;
}

Result<VersionLoader::LinkedCommand> VersionLoader::link_command(
    const PackageImage& image, const ImageCommand& command) const {
  const ImageModule& main = module_of(image, command);
  engine::ContentHash hash;
  std::ranges::copy(main.blob.hash.bytes(), hash.begin());
  LinkedCommand made;
  auto found = find_linked_program(options_.engine, options_.functions, hash);
  if (!found.has_value()) {
    return fail(in_module(std::move(found).error(), main));
  }
  made.program = *std::move(found);
  if (made.program == nullptr || starts_programs(made.program->module())) {
    SELVEDGE_TRY(made.modules, map_modules(image));
  }
  if (made.program == nullptr) {
    SELVEDGE_TRY(made.program, link(main, made.modules.at(command.module)->bytes(), {}));
  }
  return made;
}

Result<> VersionLoader::prepare(const PackageImage& image, const engine::CompileOptions& compile,
                                PackageUse use) const {
  const ImageCommand* main = nullptr;
  if (use == PackageUse::kServe) {
    SELVEDGE_TRY(main, main_command(image));
  }
  for (const ImageVolume& volume : image.volumes) {
    SELVEDGE_TRY(auto file, map(volume.blob));
    SELVEDGE_TRY_VOID(open_volume(std::move(file), "the volume at " + volume.guest));
  }
  for (const ImageModule& module : image.modules) {
    if (std::ranges::find(image.commands, module.name, &ImageCommand::module) ==
        image.commands.end()) {
      continue;  // a library of some kind
    }
    SELVEDGE_TRY(const auto file, map(module.blob));
    SELVEDGE_TRY(const auto linked, link(module, file.bytes(), compile));
    if (main != nullptr && module.name == main->module && main->runner == RunnerKind::kWasi &&
        !can_listen(linked->module())) {
      return fail_format(ErrorKind::kUnsupported,
                         "the command \"{}\" (runner wasi) cannot serve requests: it imports no "
                         "\"sock_listen\"; give it runner = \"wcgi\", or name another entrypoint",
                         main->name);
    }
  }
  return {};
}

Result<ProgramOptions> VersionLoader::program_options(
    const std::string& app, const VersionRecord& record, const AppConfig& config,
    const PackageImage& image, const ImageCommand& command, const Modules& modules,
    const Environment& secrets) const {
  ProgramOptions made;
  made.name = app;
  made.runner = command.runner;
  made.tenant = tenant_of(app);
  made.arguments = {command.program_name};
  made.arguments.insert(made.arguments.end(), command.main_args.begin(), command.main_args.end());
  made.arguments.insert(made.arguments.end(), config.arguments.begin(), config.arguments.end());
  made.environment =
      merge_environments(merge_environments(command.environment, config.environment), secrets);
  // The same on every node.
  const auto time = static_cast<wasix::Timestamp>(record.created) * kNanosecondsPerSecond;
  const auto find = [this](const BlobReference& blob) -> Result<ModuleBytes> {
    SELVEDGE_TRY(auto mapped, map(blob));
    const auto file = std::make_shared<const base::MappedFile>(std::move(mapped));
    return ModuleBytes{.owner = file, .bytes = file->bytes()};
  };
  SELVEDGE_TRY(auto mounts, mounts_of_image(image, find, {.default_time = time, .mapped = true}));
  for (MountedVolume& mount : mounts) {
    made.mounts.push_back({.guest = std::move(mount.guest),
                           .host = {},
                           .read_only = true,
                           .layered = true,
                           .file_system = std::move(mount.files)});
  }
  if (config.memory_bytes_max.has_value()) {
    made.limits.instance.memory_bytes_max = *config.memory_bytes_max;
  }
  made.limits.instance.cpu_time_max = config.cpu_time_max;
  if (!config.egress.empty()) {
    SELVEDGE_TRY(auto policy, wasix::EgressPolicy::parse(config.egress));
    policy.set_own_addresses(io::KernelNetwork::own_addresses());
    made.egress = std::make_shared<const wasix::EgressPolicy>(std::move(policy));
  }
  for (const ImageCommand& other : image.commands) {
    const auto found = modules.find(other.module);
    if (found == modules.end()) {
      continue;  // the program starts no others
    }
    const auto& module = found->second;
    const bool renamed = other.program_name != other.name;
    made.commands.emplace(
        other.name,
        GuestCommand{.module_path = {},
                     .program_name = renamed ? std::optional(other.program_name) : std::nullopt,
                     .main_args = other.main_args,
                     .environment = other.environment,
                     .module = {.owner = module, .bytes = module->bytes()}});
  }
  return made;
}

Result<std::shared_ptr<const Program>> VersionLoader::load_job(const std::string& app,
                                                               VersionNumber number,
                                                               const JobExecute& job) const {
  SELVEDGE_TRY(const auto record, options_.apps.version(app, number));
  SELVEDGE_TRY(auto config, parse_app_config(record.config, "app.yaml"));
  SELVEDGE_TRY(const PackageImage image, options_.apps.image(record.package));
  const ImageCommand* command = nullptr;
  if (job.command.has_value()) {
    const auto found = std::ranges::find(image.commands, *job.command, &ImageCommand::name);
    command = found == image.commands.end() ? nullptr : &*found;
  } else {
    SELVEDGE_TRY(command, main_command(image));
  }
  if (command == nullptr) {
    return fail_format(ErrorKind::kNotFound, "the package has no command \"{}\"", *job.command);
  }
  // cli_args and the memory limit of the document are those of the program that serves.
  config.arguments = job.arguments;
  config.environment = merge_environments(config.environment, job.environment);
  config.memory_bytes_max = job.memory_bytes_max;
  SELVEDGE_TRY(const auto secrets, options_.secrets.get(app));
  SELVEDGE_TRY(auto linked, link_command(image, *command));
  SELVEDGE_TRY(auto options, program_options(app, record, config, image, *command, linked.modules,
                                             secrets.environment));
  return Program::create(std::move(linked.program), options_.functions, std::move(options));
}

Result<std::shared_ptr<const AppVersion>> VersionLoader::load(const std::string& app,
                                                              VersionNumber number) const {
  SELVEDGE_TRY(auto record, options_.apps.version(app, number));
  SELVEDGE_TRY(auto config, parse_app_config(record.config, "app.yaml"));
  SELVEDGE_TRY(const PackageImage image, options_.apps.image(record.package));
  SELVEDGE_TRY_VOID(options_.packages.verify(image));
  SELVEDGE_TRY(const ImageCommand* const command, main_command(image));
  SELVEDGE_TRY(const auto secrets, options_.secrets.get(app));
  SELVEDGE_TRY(auto linked, link_command(image, *command));
  SELVEDGE_TRY(auto options, program_options(app, record, config, image, *command, linked.modules,
                                             secrets.environment));
  auto program = Program::create(std::move(linked.program), options_.functions, std::move(options));
  std::shared_ptr<SharedPermits> permits;
  std::shared_ptr<InstancePlaces> places;
  if (!program->listens()) {
    const auto instances_max = config.scaling.instances_max;
    permits = instances_max.has_value() ? SharedPermits::create(*instances_max) : nullptr;
  } else if (const ScalerOptions scaler = scaler_options(config.scaling);
             scaler.instances_max > 1) {
    places = InstancePlaces::create(scaler);
  }
  return std::make_shared<const AppVersion>(AppVersion{.app = app,
                                                       .record = std::move(record),
                                                       .config = std::move(config),
                                                       .secrets_revision = secrets.revision,
                                                       .program = std::move(program),
                                                       .permits = std::move(permits),
                                                       .places = std::move(places)});
}

}  // namespace selvedge::app
