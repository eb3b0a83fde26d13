#pragma once

// Reads a webc package. Opening validates all of its structure: whatever a WebcPackage gives out
// lies inside the file, and trees are trees. What the bytes of files and modules are is only known
// after verify(), which hashes them all.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/webc.h"

namespace selvedge::wire {

class WebcPackage {
 public:
  // `file` is all of the package, usually mapped; it must neither change nor go away while the
  // package is used. Takes time by the number of entries, not by the size of files. kInvalid with
  // the entry or the offset; kUnsupported for version 1 and unknown ones; kOverloaded.
  static Result<WebcPackage> open(base::ByteSpan file [[clang::lifetimebound]],
                                  const WebcLimits& limits = {});

  WebcVersion version() const noexcept { return version_; }
  base::ByteSpan manifest() const noexcept { return manifest_; }  // CBOR, not looked at
  // Files without a folder, by name.
  std::span<const WebcNode> atoms() const noexcept [[clang::lifetimebound]] {
    return atoms_.children;
  }
  const WebcNode* find_atom(std::string_view name) const noexcept [[clang::lifetimebound]] {
    return atoms_.find(name);
  }
  // By name.
  std::span<const WebcVolume> volumes() const noexcept [[clang::lifetimebound]] { return volumes_; }
  const WebcVolume* find_volume(std::string_view name) const noexcept [[clang::lifetimebound]];

  // Whether every section, file and folder is what its checksum says; kInvalid names the first that
  // is not. Reads the whole file twice: for a helper thread. May run while others use the package.
  Result<> verify(Sha256Function sha256) const;

 private:
  struct Section {
    std::string name;  // for messages
    base::ByteSpan data;
    base::ByteSpan hash;                     // in front of the data; empty in version 2
    std::optional<base::ByteSpan> checksum;  // in the index
  };
  class Opener;

  WebcVersion version_ = WebcVersion::kV3;
  base::ByteSpan manifest_;
  WebcNode atoms_;
  std::vector<WebcVolume> volumes_;
  std::vector<Section> sections_;
};

}  // namespace selvedge::wire
