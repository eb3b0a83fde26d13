#pragma once

// What `selvedge run TARGET` can run: a folder with wasmer.toml, a .webc package, or one
// WebAssembly file, turned into commands with resolved files. Opening a package touches the disk
// and blocks: it belongs to the start of a program or to a helper thread.

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/manifest.h"
#include "app/module_bytes.h"
#include "base/result.h"
#include "wasix/file_system.h"

namespace selvedge::app {

// Larger modules are refused before they are read.
inline constexpr std::size_t kModuleBytesMax = std::size_t{256} * 1024 * 1024;

// A WebAssembly module of the package.
struct PackageModule {
  std::string name;
  std::string path;  // an existing regular file of the host, without `bytes`
  ModuleBytes bytes = {};
};

struct PackageCommand {
  std::string name;
  std::string module;                     // a PackageModule's name, or one of `dependency`
  std::optional<std::string> dependency;  // the package that has the module: "owner/name"
  std::string module_path;                // the module's, without `module_bytes`
  ModuleBytes module_bytes = {};
  std::optional<RunnerKind> runner;    // none for a bare file: the caller decides
  std::string program_name;            // argv[0]
  std::vector<std::string> main_args;  // before the caller's arguments
  std::vector<std::pair<std::string, std::string>> env;
};

// A folder of the package that the guest sees, read-only: packages are immutable.
struct PackageMount {
  std::string guest;  // absolute, normalised
  std::string host;   // an existing directory, without `files`
  std::shared_ptr<wasix::FileSystem> files = nullptr;
};

struct Package {
  std::string name;  // for messages: the manifest's, else the target's file name
  std::string version;
  std::vector<PackageModule> modules;
  std::vector<PackageCommand> commands;
  std::optional<std::string> entrypoint;
  std::vector<PackageMount> mounts;
  // What it needs of other packages; until they are found, commands and folders of theirs are
  // missing.
  std::vector<ManifestDependency> dependencies;
  std::vector<std::string> warnings;
  bool has_app_config = false;  // there is an app.yaml beside the manifest
};

// Errors name the file (with line and column in a manifest) and what to do. NotFound, Denied,
// Invalid, for a .webc also when it is damaged.
Result<Package> open_package(std::string_view target);

// The command of that name, else the entrypoint, else the only one. Invalid, with the names there
// are, when that does not decide.
Result<const PackageCommand*> select_command(const Package& package [[clang::lifetimebound]],
                                             std::optional<std::string_view> name);

// Whether `target` has the form of a package of a store: "owner/name" or "owner/name@range".
bool is_package_reference(std::string_view target) noexcept;

// The bytes of a module file. NotFound, Denied, Invalid (not a regular file, larger than
// kModuleBytesMax).
Result<std::vector<std::byte>> read_module(const std::string& path);

// Reads files of `folder`; links that lead out of it are Denied.
ManifestFileReader annotations_in(std::string folder);

// At most `bytes_max` bytes of a regular file; Invalid when it is larger or of another kind.
Result<std::string> read_text_file(const std::string& path, std::size_t bytes_max);

}  // namespace selvedge::app
