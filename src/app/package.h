#pragma once

// What `selvedge run TARGET` can run: a folder with wasmer.toml, or one WebAssembly file, turned
// into commands with resolved files. Opening a package touches the disk and blocks: it belongs to
// the start of a program or to a helper thread.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/manifest.h"
#include "base/result.h"

namespace selvedge::app {

// Larger modules are refused before they are read.
inline constexpr std::size_t kModuleBytesMax = std::size_t{256} * 1024 * 1024;

struct PackageCommand {
  std::string name;
  std::string module_path;             // an existing regular file of the host
  std::optional<RunnerKind> runner;    // none for a bare file: the caller decides
  std::string program_name;            // argv[0]
  std::vector<std::string> main_args;  // before the caller's arguments
  std::vector<std::pair<std::string, std::string>> env;
};

// A folder of the package that the guest sees, read-only: packages are immutable.
struct PackageMount {
  std::string guest;  // absolute, normalised
  std::string host;   // an existing directory
};

struct Package {
  std::string name;  // for messages: the manifest's, else the target's file name
  std::string version;
  std::vector<PackageCommand> commands;
  std::optional<std::string> entrypoint;
  std::vector<PackageMount> mounts;
  std::vector<std::string> warnings;
  bool has_app_config = false;  // there is an app.yaml beside the manifest
};

// Errors name the file (with line and column in a manifest) and what to do. NotFound, Denied,
// Invalid; Unsupported for targets of later versions: .webc, packages of a registry,
// dependencies.
Result<Package> open_package(std::string_view target);

// The command of that name, else the entrypoint, else the only one. Invalid, with the names there
// are, when that does not decide.
Result<const PackageCommand*> select_command(const Package& package [[clang::lifetimebound]],
                                             std::optional<std::string_view> name);

// The bytes of a module file. NotFound, Denied, Invalid (not a regular file, larger than
// kModuleBytesMax).
Result<std::vector<std::byte>> read_module(const std::string& path);

// At most `bytes_max` bytes of a regular file; Invalid when it is larger or of another kind.
Result<std::string> read_text_file(const std::string& path, std::size_t bytes_max);

}  // namespace selvedge::app
