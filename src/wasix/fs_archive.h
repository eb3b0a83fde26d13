#pragma once

// A package's files from an archive: tar (ustar, pax, GNU), plain or compressed with gzip, zstd, xz
// or bzip2. The archive is read once, into memory; the result is read-only and may be shared by all
// threads and be the lower layer of any number of overlays.

#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "wasix/file_system.h"

namespace selvedge::wasix {

struct ArchiveLimits {
  // Of the contents once unpacked, against archives that expand without end.
  std::uint64_t bytes_max = std::uint64_t{512} << 20;
  std::uint64_t entries_max = std::uint64_t{1} << 17;
};

struct ArchiveOptions {
  const base::Clock& clock;  // for directories that the archive implies without naming them
  ArchiveLimits limits = {};
  std::uint64_t device = std::uint64_t{3} << 32;  // FileStat::dev
};

// Directories, regular files, symbolic and hard links are taken; devices and fifos are left out, as
// no guest could use them. Blocks the thread for the time of reading.
//
// kInvalid, with the name of the entry, when the archive is malformed or truncated or an entry's
// path is absolute, leaves the archive by `..`, or passes through a link; kOverloaded above the
// limits.
Result<std::shared_ptr<FileSystem>> read_archive(base::ByteSpan archive,
                                                 const ArchiveOptions& options);
// Likewise, from a file of the host.
Result<std::shared_ptr<FileSystem>> open_archive(const std::string& path,
                                                 const ArchiveOptions& options);

}  // namespace selvedge::wasix
