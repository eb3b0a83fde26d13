#pragma once

// The manifest inside a webc package: CBOR, made by Wasmer's tools from wasmer.toml. Source of the
// schema: the documentation of the `webc` crate, metadata::Manifest and its annotations.
//
// Parsing is strict about what it understands: kinds of values, names that refer to each other.
// Keys that this version does not know are kept (WebcManifest::unknown), written again by
// build_webc_manifest and warned about. What a stranger wrote is bounded by the limits below.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/manifest.h"
#include "base/bytes.h"
#include "base/result.h"
#include "wire/webc.h"
#include "wire/webc_reader.h"

namespace selvedge::app {

inline constexpr std::size_t kWebcManifestBytesMax = std::size_t{1} << 20;
inline constexpr std::size_t kWebcManifestDepthMax = 32;      // maps and lists within each other
inline constexpr std::size_t kWebcManifestItemsMax = 65'536;  // values in all
inline constexpr std::size_t kWebcManifestKeysMax = 4'096;    // of one map or list
// Of atoms, commands, mounts and dependencies: the same as of wasmer.toml (app/manifest.h).

// A file in a volume of the package.
struct WebcFile {
  std::string volume;
  std::string path;

  bool operator==(const WebcFile&) const = default;
};

struct WebcAtom {
  std::string name;
  std::string kind = "https://webc.org/kind/wasm";
  std::string signature;              // "sha256:" and the hash in base64
  std::vector<std::string> features;  // WebAssembly proposals that it needs; may be empty

  bool operator==(const WebcAtom&) const = default;
};

struct WebcCommand {
  std::string name;
  std::string runner;                     // a URI
  std::optional<RunnerKind> kind;         // the runner of ours for it, if there is one
  std::string atom;                       // empty only for a runner that is not ours
  std::optional<std::string> dependency;  // of `dependencies`: the package whose atom it is
  std::vector<std::string> main_args;     // before the caller's arguments
  std::vector<std::pair<std::string, std::string>> env;
  std::optional<std::string> exec_name;  // argv[0]; default: the command's name
  std::optional<std::string> cwd;
  std::optional<std::string> package;  // deprecated: the package of the atom, by name
  std::optional<std::string> wcgi_dialect;

  bool operator==(const WebcCommand&) const = default;
};

struct WebcMount {
  std::optional<std::string> from;  // of `dependencies`; none: this package
  std::string volume;
  std::optional<std::string> host_path;  // the folder of the volume; none: all of it
  std::string guest;                     // absolute, normalised

  bool operator==(const WebcMount&) const = default;
};

struct WebcDependency {
  std::string name;
  std::string specifier;  // "owner/name@version" or a URL

  bool operator==(const WebcDependency&) const = default;
};

// A key that this version does not know: its path and its value as CBOR.
struct WebcUnknown {
  std::vector<std::string> path;
  std::vector<std::byte> value;

  bool operator==(const WebcUnknown&) const = default;
};

struct WebcManifest {
  std::string name;  // "owner/name"; empty for an unnamed package
  std::string version;
  std::string description;
  std::optional<std::string> license;
  std::optional<WebcFile> license_file;
  std::optional<WebcFile> readme;
  std::optional<std::string> repository;
  std::optional<std::string> homepage;
  bool is_private = false;
  std::vector<WebcAtom> atoms;
  std::vector<WebcCommand> commands;
  std::vector<WebcMount> mounts;  // later ones may lie inside earlier ones
  std::vector<WebcDependency> dependencies;
  std::optional<std::string> entrypoint;  // a command's name: checked
  std::vector<WebcUnknown> unknown;
  std::vector<std::string> warnings;  // sentences; not written
};

// kInvalid, with the path of what is wrong.
Result<WebcManifest> parse_webc_manifest(base::ByteSpan cbor);

// The reverse, in the order that Wasmer's tools write. WebcCommand::kind is not looked at.
std::vector<std::byte> build_webc_manifest(const WebcManifest& manifest);

// What a WebcAtom::signature has to be for contents of this hash.
std::string webc_signature(base::ByteSpan sha256);

// Whether the package has the atoms that its manifest names, with the signatures it states, and the
// volumes of its own that it mounts. Says something about contents only after package.verify().
Result<> check_webc_contents(const WebcManifest& manifest, const wire::WebcPackage& package);

}  // namespace selvedge::app
