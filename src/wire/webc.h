#pragma once

// What a webc package (Wasmer's container, file extension .webc) is made of, for the reader
// (wire/webc_reader.h) and the writer (wire/webc_writer.h): a manifest in CBOR, atoms (WebAssembly
// modules by name) and volumes (trees of files by name). Source of the format: the documentation of
// the `webc` crate, versions 2 and 3.
//
// Contents are views of somebody else's bytes (a mapped file, buffers); only names are copied.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace selvedge::wire {

enum class WebcVersion : std::uint8_t { kV2 = 2, kV3 = 3 };

// Hashes all pieces, one after another. Hashing belongs to crypto (crypto::sha256 fits).
using Sha256Digest = std::array<std::byte, 32>;
using Sha256Function = Sha256Digest (*)(std::span<const base::ByteSpan> pieces) noexcept;

// Of one package, read or written. Beyond a count or a size is kOverloaded, beyond what a name or
// a tree may be kInvalid.
struct WebcLimits {
  std::uint64_t bytes_max = std::uint64_t{8} << 30;  // of the file
  std::uint64_t index_bytes_max = std::uint64_t{1} << 20;
  std::uint64_t manifest_bytes_max = std::uint64_t{1} << 20;
  std::size_t volumes_max = 256;
  std::size_t entries_max = std::size_t{1} << 18;  // of all volumes and the atoms
  std::size_t depth_max = 128;                     // folders within each other
  std::size_t name_bytes_max = 255;                // of an entry
  std::size_t volume_name_bytes_max = 4096;
  std::size_t link_bytes_max = 4095;  // of what a symbolic link says
};

// The latest time that fits nanoseconds in 64 bits.
inline constexpr std::uint64_t kWebcTimeSecondsMax = UINT64_MAX / 1'000'000'000;

enum class WebcKind : std::uint8_t { kDirectory, kFile, kSymlink };

// A folder, a file or a symbolic link. From the reader: the name (empty only for a root) is UTF-8,
// not ".", "..", has no '/' and no NUL; siblings are sorted by their bytes, and no two differ only
// in the case of ASCII letters; a link is relative and stays inside the volume.
struct WebcNode {
  WebcKind kind = WebcKind::kDirectory;
  std::string name = {};
  // When it was changed, in seconds since 1970, at most kWebcTimeSecondsMax. Version 2 keeps none.
  std::optional<std::uint64_t> mtime = {};
  base::ByteSpan content = {};          // of a file; what a link says
  std::vector<WebcNode> children = {};  // of a directory
  base::ByteSpan checksum = {};         // what the package states; the writer computes its own

  // The child of that name of a directory from the reader, or null.
  const WebcNode* find(std::string_view child) const noexcept [[clang::lifetimebound]];
};

struct WebcVolume {
  std::string name;  // not empty, UTF-8, no NUL; often a path ("/public")
  WebcNode root;
};

}  // namespace selvedge::wire
