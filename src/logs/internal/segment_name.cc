#include "logs/internal/segment_name.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <span>
#include <system_error>

#include "base/errno_error.h"
#include "base/format.h"

namespace selvedge::logs::internal {
namespace {

constexpr std::size_t kDigits = 16;
constexpr std::string_view kSuffix = ".log";

std::optional<std::uint64_t> parse_number(std::string_view digits) {
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

std::string to_string(const SegmentName& name) {
  return fmt::format("{:016x}-{:016x}{}", name.serial, name.first_sequence, kSuffix);
}

std::optional<SegmentName> parse_segment_name(std::string_view text) {
  if (text.size() != 2 * kDigits + 1 + kSuffix.size() || text[kDigits] != '-' ||
      !text.ends_with(kSuffix)) {
    return std::nullopt;
  }
  const auto serial = parse_number(text.substr(0, kDigits));
  const auto sequence = parse_number(text.substr(kDigits + 1, kDigits));
  if (!serial || !sequence) {
    return std::nullopt;
  }
  return SegmentName{.serial = *serial, .first_sequence = *sequence};
}

Result<std::vector<SegmentName>> list_segments(const std::filesystem::path& folder) {
  std::vector<SegmentName> names;
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator(folder, error);
       !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    if (const auto name = parse_segment_name(entry->path().filename().string())) {
      names.push_back(*name);
    }
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return fail(base::errno_error(error.value(), folder.string()));
  }
  std::ranges::sort(names);
  return names;
}

Result<std::size_t> read_at(int file, std::uint64_t offset, std::span<std::byte> bytes) {
  std::size_t total = 0;
  while (total < bytes.size()) {
    const ssize_t count = ::pread(file, bytes.data() + total, bytes.size() - total,
                                  static_cast<off_t>(offset + total));
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return fail(base::errno_error(errno, "a log"));
    }
    if (count == 0) {
      break;
    }
    total += static_cast<std::size_t>(count);
  }
  return total;
}

}  // namespace selvedge::logs::internal
