#pragma once

// A version of an app that this node can run: its package fetched, verified, compiled and linked.

#include <map>
#include <memory>
#include <string>

#include "app/app_config.h"
#include "app/app_records.h"
#include "app/app_secrets.h"
#include "app/app_store.h"
#include "app/instance_places.h"
#include "app/package_image.h"
#include "app/package_registry.h"
#include "app/program.h"
#include "app/shared_permits.h"
#include "base/mapped_file.h"
#include "base/result.h"
#include "engine/engine.h"
#include "engine/host_functions.h"
#include "store/store.h"

namespace selvedge::app {

// Immutable; any thread.
struct AppVersion {
  std::string app;
  VersionRecord record;
  AppConfig config;
  std::string secrets_revision;            // of the secrets that its program has; empty: none
  std::shared_ptr<const Program> program;  // its main command
  // Of scaling.max_instances of a CGI program, for all shards; null without.
  std::shared_ptr<SharedPermits> permits;
  // Of a program that listens and may have several instances on a node, for all shards; else null.
  std::shared_ptr<InstancePlaces> places;
};

// What a package is prepared for.
enum class PackageUse : unsigned char {
  kServe,  // its main command answers requests
  kAny,    // others may run any of its commands
};

// Makes versions runnable. Blocking; any thread.
class VersionLoader {
 public:
  struct Options {
    engine::Engine& engine;
    const engine::HostFunctions& functions;
    AppStore& apps;
    // What is mapped: modules and volumes.
    store::BlobFiles& blobs;
    AppSecrets& secrets;
    PackageRegistry& packages;
  };
  // Everything that `options` refers to outlives this.
  explicit VersionLoader(Options options) noexcept : options_(std::move(options)) {}

  // Fetches and compiles what the commands of the package need, so that a start finds all of it on
  // this node. Invalid or Unsupported, with the module or volume, when something cannot run here.
  Result<> prepare(const PackageImage& image, const engine::CompileOptions& compile = {},
                   PackageUse use = PackageUse::kServe) const;
  // kNotFound: there is no such version. kDenied: it is made from a package that the node does not
  // take.
  Result<std::shared_ptr<const AppVersion>> load(const std::string& app,
                                                 VersionNumber number) const;
  // The program of a job: a command of the version's package. kNotFound: it has no such command.
  Result<std::shared_ptr<const Program>> load_job(const std::string& app, VersionNumber number,
                                                  const JobExecute& job) const;

 private:
  // The verified bytes of a blob.
  Result<base::MappedFile> map(const BlobReference& blob) const;
  // The modules that the image's commands run, by name.
  using Modules = std::map<std::string, std::shared_ptr<const base::MappedFile>>;
  Result<Modules> map_modules(const PackageImage& image) const;
  // `bytes`: those of `module`, verified.
  Result<std::shared_ptr<const engine::LinkedModule>> link(const ImageModule& module,
                                                           base::ByteSpan bytes,
                                                           engine::CompileOptions compile) const;
  struct LinkedCommand {
    std::shared_ptr<const engine::LinkedModule> program;
    Modules modules;  // what it may start; empty when it starts nothing
  };
  // Reads bytes of modules only if there is no artifact of the command's, or if they are what its
  // program starts.
  Result<LinkedCommand> link_command(const PackageImage& image, const ImageCommand& command) const;
  Result<ProgramOptions> program_options(const std::string& app, const VersionRecord& record,
                                         const AppConfig& config, const PackageImage& image,
                                         const ImageCommand& command, const Modules& modules,
                                         const Environment& secrets) const;

  Options options_;
};

}  // namespace selvedge::app
