#pragma once

// A published package: what `wasmer.toml` says, with every module and folder replaced by the hash
// of its bytes. The JSON form is canonical, and its BLAKE3 hash is the package's identity: equal
// packages are one package, whoever publishes them.

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
  friend bool operator==(const ImageVolume&, const ImageVolume&) = default;
};

struct ImageCommand {
  std::string name;
  std::string module;                // an ImageModule's name: checked
  std::optional<RunnerKind> runner;  // none for a bare module: as a program that listens or WCGI
  std::string program_name;          // argv[0]
  std::vector<std::string> main_args;
  Environment environment;
  friend bool operator==(const ImageCommand&, const ImageCommand&) = default;
};

struct PackageImage {
  std::string name;  // for people; may be empty
  std::string version;
  std::optional<std::string> entrypoint;  // a command's name: checked
  std::vector<ImageModule> modules;
  std::vector<ImageVolume> volumes;
  std::vector<ImageCommand> commands;  // at least one
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
