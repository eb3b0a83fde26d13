#pragma once

// Writes a webc package. The same contents make the same bytes, whatever the order in which entries
// are given, and the same that Wasmer's own tools write.

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/webc.h"

namespace selvedge::wire {

// What a package is to hold. Views must live until its bytes have been taken from the WebcImage.
struct WebcContents {
  base::ByteSpan manifest;          // CBOR
  std::span<const WebcNode> atoms;  // files
  std::span<const WebcVolume> volumes;
};

struct WebcWriterOptions {
  Sha256Function sha256 = nullptr;  // required
  WebcVersion version = WebcVersion::kV3;
  WebcLimits limits = {};
};

// A package as pieces that are to be written one after another: descriptions in memory of its own,
// and the contents where they were given.
class WebcImage {
 public:
  WebcImage() = default;
  WebcImage(WebcImage&&) noexcept = default;
  WebcImage& operator=(WebcImage&&) noexcept = default;

  std::span<const base::ByteSpan> pieces() const noexcept [[clang::lifetimebound]] {
    return pieces_;
  }
  std::uint64_t size() const noexcept { return size_; }
  // All in one, for small packages.
  std::vector<std::byte> to_bytes() const;

 private:
  friend class WebcImageBuilder;
  void add_owned(std::vector<std::byte> bytes);
  void add(base::ByteSpan bytes);

  std::vector<std::vector<std::byte>> owned_;
  std::vector<base::ByteSpan> pieces_;
  std::uint64_t size_ = 0;
};

// Hashes all contents: for a helper thread when they are large. kInvalid, kOverloaded for what the
// reader would refuse; kUnsupported for symbolic links in version 2, which also drops times.
Result<WebcImage> write_webc(const WebcContents& contents, const WebcWriterOptions& options);

}  // namespace selvedge::wire
