#pragma once

// The bytes of webc files. All integers are little-endian, 64 bits.
//
//   file     magic, three digits (the version), index section, then the others in any order
//   index    tag, length, CBOR of WebcIndex, zeros
//   section  tag, [SHA-256 of the data], length, data                       [version 3 only]
//     manifest  CBOR
//     atoms     header length, header, data length, data
//     volume    name length, name, header length, header, data length, data
//   header   records, the root first; offsets of entries are of the header, those of files of the
//            volume's data
//     directory  tag, length of the rest, [times, hash], entries
//       entry      offset of its record, [hash], name length, name
//     file       tag, begin, end, SHA-256, [times]
//     symlink    tag, target length, target, SHA-256, times                 (version 3)
//   times    seconds since 1970 of the last access, change and creation; only the second is used
//
// The hash of a directory is that of the hashes of its entries, by name.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "wire/webc.h"

namespace selvedge::wire::internal {

inline constexpr std::string_view kWebcMagic{"\0webc", 5};
inline constexpr std::size_t kWebcPreambleBytes = 8;
inline constexpr std::size_t kHashBytes = 32;
inline constexpr std::size_t kTimesBytes = 24;

enum class WebcTag : std::uint8_t {
  kManifest = 1,
  kIndex = 2,
  kAtoms = 3,
  kVolume = 4,
  kDirectory = 30,
  kFile = 31,
  kSymlink = 32,
};

constexpr std::size_t index_header_bytes() noexcept { return 1 + 8; }
constexpr std::size_t section_header_bytes(WebcVersion version) noexcept {
  return version == WebcVersion::kV3 ? 1 + kHashBytes + 8 : 1 + 8;
}

}  // namespace selvedge::wire::internal
