#pragma once

// A published package: what `wasmer.toml` says, with every module and folder replaced by the hash
// of its bytes. The JSON form is canonical, and its BLAKE3 hash is the package's identity: equal
// packages are one package, whoever publishes them.
//
// A package with dependencies says which versions will do. Linking it (app/package_link.h) makes an
// image that needs nothing more: with the modules, commands and volumes of all that it depends on.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/environment.h"
#include "app/manifest.h"
#include "base/result.h"
#include "crypto/blake3.h"

namespace selvedge::app {

inline constexpr std::size_t kPackageImageBytesMax = std::size_t{1} << 20;
inline constexpr std::size_t kImageOriginsMax = 512;
// Larger volumes are refused.
inline constexpr std::uint64_t kVolumeBytesMax = std::uint64_t{1} << 30;

// Bytes in the store.
struct BlobReference {
  crypto::Blake3Hash hash;
  std::uint64_t bytes = 0;
  friend bool operator==(const BlobReference&, const BlobReference&) = default;
};

struct ImageModule {
  std::string name;
  BlobReference blob;  // a Wasm binary
  friend bool operator==(const ImageModule&, const ImageModule&) = default;
};

// A folder that guests see, read-only.
struct ImageVolume {
  std::string guest;   // absolute, normalised
  BlobReference blob;  // a webc container with one volume
  // Of a linked image: which of `origins` it is of. Where two have a file, the lower one's counts.
  std::size_t layer = 0;
  friend bool operator==(const ImageVolume&, const ImageVolume&) = default;
};

struct ImageCommand {
  std::string name;
  // An ImageModule's name: checked. In an image that is not linked also "owner/name:module".
  std::string module;
  std::optional<RunnerKind> runner;  // none for a bare module: as a program that listens or WCGI
  std::string program_name;          // argv[0]
  std::vector<std::string> main_args;
  Environment environment;
  friend bool operator==(const ImageCommand&, const ImageCommand&) = default;
};

// Another package that this one needs.
struct ImageDependency {
  std::string name;   // "owner/name"
  std::string range;  // of versions (app/semver.h)
  friend bool operator==(const ImageDependency&, const ImageDependency&) = default;
};

// A package that a linked image was made from.
struct ImageOrigin {
  std::string name;
  std::string version;
  crypto::Blake3Hash image;  // its identity before it was linked
  friend bool operator==(const ImageOrigin&, const ImageOrigin&) = default;
};

struct PackageImage {
  std::string name;  // for people; may be empty
  std::string version;
  // A command's name: checked, unless there are dependencies.
  std::optional<std::string> entrypoint;
  std::vector<ImageModule> modules;
  std::vector<ImageVolume> volumes;
  std::vector<ImageCommand> commands;  // at least one, unless there are dependencies
  std::vector<ImageDependency> dependencies = {};
  std::vector<ImageOrigin> origins =
      {};  // of a linked image: the package itself, then what it needs
  friend bool operator==(const PackageImage&, const PackageImage&) = default;
};

// The canonical text.
std::string to_json(const PackageImage& image);
// Invalid: one sentence. What it returns holds what the members above promise.
Result<PackageImage> parse_package_image(std::string_view json);
crypto::Blake3Hash identity(const PackageImage& image);

// Of modules and volumes, each once.
std::vector<BlobReference> blobs_of(const PackageImage& image);

// The entrypoint, else the only command. Invalid, with the names there are.
Result<const ImageCommand*> main_command(const PackageImage& image [[clang::lifetimebound]]);

}  // namespace selvedge::app
