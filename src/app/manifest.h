#pragma once

// wasmer.toml: the manifest of a package folder. Parsing validates everything that can be decided
// without touching other files but the annotations that it names; whether module files and mounted
// folders exist is the package's question (app/package.h). Source of the schema: Wasmer's registry
// documentation, "manifest".
//
// Every error is one sentence that begins with file:line:column and says what to write instead.
// Keys this version does not know are told (Manifest::unknown) and warned about, so that a manifest
// for a newer or another tool still runs.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace selvedge::app {

inline constexpr std::size_t kManifestBytesMax = std::size_t{256} * 1024;
inline constexpr std::size_t kManifestModulesMax = 256;
inline constexpr std::size_t kManifestCommandsMax = 1024;
inline constexpr std::size_t kManifestMountsMax = 256;
inline constexpr std::size_t kManifestDependenciesMax = 256;
inline constexpr std::size_t kManifestListMax = 4096;  // items of main-args or env
inline constexpr std::size_t kAnnotationBytesMax = std::size_t{64} * 1024;  // of a file of them

// How a command is run.
enum class RunnerKind : std::uint8_t {
  kWasi,  // `_start` as a program
  kWcgi,  // RFC 3875: one run a request
};
std::string_view to_string(RunnerKind runner) noexcept;
// `wasi`, `wcgi` or the same after `https://webc.org/runner/`. Unsupported for the other runners of
// Wasmer, Invalid for anything else.
Result<RunnerKind> parse_runner(std::string_view text);

struct ManifestModule {
  std::string name;
  std::string source;  // relative to the manifest's folder, inside it
  std::uint32_t line = 0;
};

struct ManifestCommand {
  std::string name;
  std::string module;  // a ManifestModule's name: checked; without `dependency`
  // The package that the module is of: a ManifestDependency's name, checked.
  std::optional<std::string> dependency;
  RunnerKind runner = RunnerKind::kWasi;
  // A runner of Wasmer's that there is none of here, as it was written: the command cannot be run.
  std::optional<std::string> foreign_runner;
  std::optional<std::string> exec_name;  // argv[0]; default: the command's name
  std::vector<std::string> main_args;    // before the caller's arguments
  std::vector<std::pair<std::string, std::string>> env;
  std::uint32_t line = 0;
};

struct ManifestMount {
  std::string guest;  // absolute, normalised
  std::string host;   // relative to the manifest's folder, inside it
  std::uint32_t line = 0;
};

struct ManifestDependency {
  std::string name;     // "owner/name": checked
  std::string version;  // a range (app/semver.h), not looked at here
  std::uint32_t line = 0;
};

struct Manifest {
  std::string name;  // empty for an unnamed package
  std::string version;
  std::string description;
  std::optional<std::string> license;
  std::optional<std::string> license_file;  // relative to the manifest's folder, inside it
  std::optional<std::string> readme;        // the same
  std::optional<std::string> repository;
  std::optional<std::string> homepage;
  bool is_private = false;
  // A command's name: checked, unless there are dependencies, which may have it.
  std::optional<std::string> entrypoint;
  std::vector<ManifestModule> modules;
  std::vector<ManifestCommand> commands;
  std::vector<ManifestMount> mounts;  // in the order of the file
  std::vector<ManifestDependency> dependencies;
  std::vector<std::string> unknown;   // dotted paths of keys that this version does not know
  std::vector<std::string> warnings;  // sentences, each with file:line:column
};

// The content of a file of the package: at most kAnnotationBytesMax bytes. `path` is relative and
// without "..".
using ManifestFileReader = std::function<Result<std::string>(const std::string& path)>;

// `file_name` is only for messages. `read_file` is asked for the annotations that are in files of
// their own (command.annotations.file); without it there are no files. Errors: Invalid,
// Unsupported, those of `read_file`.
Result<Manifest> parse_manifest(std::string_view text, std::string_view file_name,
                                const ManifestFileReader& read_file = {});

// "owner/name" of letters, digits, '-', '_' and '.'; with `owner_needed` false also a name alone.
bool is_manifest_name(std::string_view text, bool owner_needed) noexcept;

// Splits "KEY=VALUE"; Invalid when the key is empty or either part holds a NUL.
Result<std::pair<std::string, std::string>> parse_environment_entry(std::string_view text);

// An absolute guest path without ".", ".." or doubled slashes ("/a//b/" becomes "/a/b").
Result<std::string> normalise_guest_path(std::string_view path);

}  // namespace selvedge::app
