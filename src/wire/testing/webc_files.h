#pragma once

// Packages for tests, also ones that no writer would make.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wire/webc.h"

namespace selvedge::wire::testing {

// In place of SHA-256, which this layer does not have: not secure, but no changed byte escapes it.
Sha256Digest weak_sha256(std::span<const base::ByteSpan> pieces) noexcept;

WebcNode file(std::string_view name, std::string_view content, std::uint64_t mtime = 0);
WebcNode folder(std::string_view name, std::vector<WebcNode> children, std::uint64_t mtime = 0);
WebcNode link(std::string_view name, std::string_view target, std::uint64_t mtime = 0);

// One line an entry: kind, path, time, content.
std::string listing(const WebcNode& root, std::string_view path = "");

// Records of a version 2 header.
struct RawEntry {
  std::uint64_t offset;
  std::string name;
};
std::string raw_integer(std::uint64_t value);
std::string raw_directory(const std::vector<RawEntry>& entries);
std::string raw_file(std::uint64_t begin, std::uint64_t end);

struct RawVolume {
  std::string name;
  std::string header;
  std::string contents;
};
// A package of version 2, without checksums in the index, that holds just what is given.
std::string raw_package(const std::vector<RawVolume>& volumes);

}  // namespace selvedge::wire::testing
