#pragma once

// The files of one app's log: one segment each, named by two numbers. The serial orders the
// segments of all apps by when they were begun; the sequence is that of the segment's first entry.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace selvedge::logs::internal {

// At the front of each.
inline constexpr std::string_view kSegmentMagic = "selvedge-log-1\n";

struct SegmentName {
  std::uint64_t serial = 0;
  std::uint64_t first_sequence = 0;

  friend auto operator<=>(const SegmentName&, const SegmentName&) = default;
};

std::string to_string(const SegmentName& name);
std::optional<SegmentName> parse_segment_name(std::string_view text);

// By serial; other files are passed over. None when there is no such folder.
Result<std::vector<SegmentName>> list_segments(const std::filesystem::path& folder);

// What pread(2) gives, until `bytes` is full or the file ends.
Result<std::size_t> read_at(int file, std::uint64_t offset, std::span<std::byte> bytes);

}  // namespace selvedge::logs::internal
